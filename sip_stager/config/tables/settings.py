"""The settings as a whole, and the tables that belong to no other file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator

from sip_stager.config.errors import Location, Mistake, invalid
from sip_stager.config.tables.address_types import Address, Port, TrunkNetwork
from sip_stager.config.tables.api import Api
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.field_types import Bytes, Count, Seconds
from sip_stager.config.tables.numbers import AgentShare, MappedNumber, Number
from sip_stager.config.tables.peers import Listener, Upstream
from sip_stager.config.tables.policy import CallPolicy
from sip_stager.config.tables.security import SealTable, Strangers
from sip_stager.config.tables.trunk import Trunk
from sip_stager.config.tables.variables import Variables


class Sip(Table):
    """Timers of RFC 3261, in seconds."""

    t1: Seconds = 0.5
    t2: Seconds = 4.0
    t4: Seconds = 5.0
    timer_c: Annotated[float, Field(strict=True, gt=180, allow_inf_nan=False)] = 181.0

    @field_validator("t2")
    @classmethod
    def _check_t2(cls, t2: float, info: ValidationInfo) -> float:
        t1 = info.data.get("t1")
        if t1 is not None and t2 < t1:
            raise invalid(f"is {t2:g}, less than t1 = {t1:g}", "write a t2 that is at least t1")
        return t2


class Limits(Table):
    """Limits of every store, so that no flood and no single peer uses up all memory."""

    transactions: Count = 200_000
    message_bytes: Bytes = 256 * 1024 * 1024
    calls_staging: Count = 5_000
    call_records: Count = 50_000
    counted_call_duration: Seconds = 14_400.0
    header_lines: Annotated[int, Field(strict=True, ge=64, le=16_384)] = 1_000
    connections: Count = 1_000
    connections_of_strangers: Count = 100
    connections_per_source: Count = 10
    datagrams_of_strangers: Count = 500
    datagrams_per_source: Count = 100
    overload_delay: Annotated[float, Field(strict=True, ge=0, le=10, allow_inf_nan=False)] = 0.1
    overload_retry_after_min: Count = 1
    overload_retry_after_max: Count = 10
    message_timeout: Seconds = 30.0
    idle_timeout: Seconds = 1_800.0
    drain_timeout: Annotated[float, Field(strict=True, ge=0, le=3600)] = 30.0

    @field_validator("overload_retry_after_max")
    @classmethod
    def _check_retry_after(cls, longest: int, info: ValidationInfo) -> int:
        shortest = info.data.get("overload_retry_after_min")
        if shortest is not None and longest < shortest:
            wrong = f"is {longest}, less than overload_retry_after_min = {shortest}"
            raise invalid(wrong, "write a value that is at least overload_retry_after_min")
        return longest


class Http(Table):
    """The address of metrics and health."""

    address: Address = "127.0.0.1"
    port: Port = 9090
    unready_in_overload: bool = False
    unready_in_outage: bool = False


class Records(Table):
    """The history of calls with their messages, in memory."""

    calls: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    minutes: Annotated[float, Field(strict=True, gt=0, le=10_080, allow_inf_nan=False)] = 60.0
    bytes: Bytes = 64 * 1024 * 1024
    readers: tuple[TrunkNetwork, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), validate_default=True
    )


class Reload(Table):
    """When the settings are read again, beside SIGHUP."""

    on_change: Annotated[bool, Field(strict=True)] = False


class Log(Table):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    numbers: Literal["masked", "plain"] = "masked"


class Settings(Table):
    """All settings."""

    listeners: Annotated[tuple[Listener, ...], Field(min_length=1)]
    api: Api
    upstream: Upstream
    trunks: Annotated[tuple[Trunk, ...], Field(min_length=1)]
    numbers: Annotated[tuple[Number, ...], Field(repr=False)] = ()
    """The tables of the file; `rows` has the numbers of the CSV too."""
    numbers_csv: Path | None = None
    variables: Variables = Field(default_factory=dict)
    """Variables for every call; a trunk's and a number's override them."""
    policy: CallPolicy = CallPolicy()
    """What happens to calls for which no other policy has a key."""
    sip: Sip = Sip()
    strangers: Strangers = Strangers()
    seal: SealTable = SealTable()
    limits: Limits = Limits()
    http: Http = Http()
    log: Log = Log()
    records: Records = Records()
    reload: Reload = Reload()
    _seal_keys: tuple[SecretStr, ...] = PrivateAttr(default=())
    _warnings: tuple[Mistake, ...] = PrivateAttr(default=())
    _placeholders: tuple[Mistake, ...] = PrivateAttr(default=())
    _place: Callable[[Location], str] | None = PrivateAttr(default=None)
    _csv_rows: Sequence[MappedNumber] = PrivateAttr(default=())

    @cached_property
    def rows(self) -> Sequence[MappedNumber]:
        """All mapped numbers: those of the file, then those of the CSV."""
        return (*(MappedNumber(table.number, table) for table in self.numbers), *self._csv_rows)

    @cached_property
    def tables(self) -> Mapping[int, Number]:
        """The different tables of the rows, each by the index of the first row that has it."""
        first: dict[int, int] = {}
        for index, row in enumerate(self.rows):
            first.setdefault(id(row.table), index)
        return {index: self.rows[index].table for index in first.values()}

    @property
    def agents(self) -> dict[str, tuple[str, ...]]:
        """The ids of the agents of each called number."""
        return {number: table.agent_ids for number, table in self.rows}

    def append(self, rows: Sequence[MappedNumber]) -> Self:
        """Append the rows of the CSV."""
        self._csv_rows = rows
        return self

    @property
    def seal_keys(self) -> tuple[SecretStr, ...]:
        """The keys of the seal, the newest first; the API key if it has none of its own."""
        return self._seal_keys or (self.api.key,)

    @property
    def has_seal_key(self) -> bool:
        """True if the seal has a key of its own, so that a new API key ends no call."""
        return bool(self._seal_keys)

    def attach_seal_keys(self, keys: tuple[SecretStr, ...]) -> Self:
        """Attach the keys of the seal, the newest first."""
        self._seal_keys = keys
        return self

    def attach(
        self,
        warnings: Iterable[Mistake],
        placeholders: Iterable[Mistake],
        place: Callable[[Location], str],
    ) -> Self:
        """Attach the warnings, the placeholders, and the place of each setting."""
        self._warnings = tuple(warnings)
        self._placeholders = tuple(placeholders)
        self._place = place
        return self

    def place(self, location: Location) -> str:
        """Return the file and line of a setting; empty for settings that come from no file."""
        return self._place(location) if self._place else ""

    @property
    def warnings(self) -> tuple[Mistake, ...]:
        """Settings that are allowed, and may not be meant."""
        return self._warnings

    @property
    def placeholders(self) -> tuple[Mistake, ...]:
        """Values of the example that are still in the file instead of real ones."""
        return self._placeholders


TABLES: dict[str, type[Table]] = {
    "listeners": Listener,
    "api": Api,
    "upstream": Upstream,
    "trunks": Trunk,
    "numbers": Number,
    "policy": CallPolicy,
    "sip": Sip,
    "strangers": Strangers,
    "seal": SealTable,
    "limits": Limits,
    "http": Http,
    "log": Log,
    "records": Records,
    "reload": Reload,
}
"""The model of each table of the file."""

LISTS = {"listeners", "trunks", "numbers", "numbers.agents"}
"""Tables of which there may be several: `[[name]]`."""

INNER_TABLES: dict[tuple[str, ...], type[Table]] = {("numbers", "agents"): AgentShare}
"""The models of nested tables."""
