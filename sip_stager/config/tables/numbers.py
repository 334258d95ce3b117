"""The tables ``[[numbers]]`` and ``[[numbers.agents]]``: which agent answers which number."""

from functools import cached_property
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field, ValidationInfo, field_validator

from sip_stager.config.errors import invalid
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.field_types import (
    E164,
    AgentId,
    CalledNumber,
    Count,
    Distinct,
    Hours,
    TimeZone,
    TrunkName,
    parse_hours,
)
from sip_stager.config.tables.policy import CallPolicy
from sip_stager.config.tables.variables import Variables
from sip_stager.trunks.mapping import Row, Share

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[str, ...] = get_args(Day)


class AgentShare(Table):
    """An agent that answers a share of the calls to a number."""

    agent: AgentId
    version: Count | None = None
    weight: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1
    days: Annotated[tuple[Day, ...], Distinct] = ()
    hours: Annotated[tuple[Hours, ...], Distinct] = ()

    @property
    def timed(self) -> bool:
        """True if it has days or hours."""
        return bool(self.days or self.hours)

    def share(self) -> Share:
        """Return the share for the mapping."""
        days = frozenset(_DAYS.index(day) for day in self.days)
        hours = tuple(parse_hours(text) for text in self.hours)
        return Share(str(self.agent), self.weight, days, hours)


class Number(Table):
    """A called number, and the agent that answers it."""

    number: CalledNumber
    e164: E164 | None = None
    agent: AgentId | None = None
    agents: tuple[AgentShare, ...] = ()
    timezone: TimeZone | None = None
    policy: CallPolicy = CallPolicy()
    version: Count | None = None
    trunks: Annotated[tuple[TrunkName, ...], Distinct] = ()
    max_calls: Count | None = None
    max_calls_per_second: Count | None = None
    variables: Variables = Field(default_factory=dict)

    @field_validator("e164")
    @classmethod
    def _check_e164(cls, e164: str | None, info: ValidationInfo) -> str | None:
        if e164 is not None and info.data.get("number", "").startswith("+"):
            right = "remove it: the API gets the called number itself"
            raise invalid("is for calls to a name or a short code, but `number` is a number", right)
        return e164

    @field_validator("agents")
    @classmethod
    def _check_agents(
        cls, agents: tuple[AgentShare, ...], info: ValidationInfo
    ) -> tuple[AgentShare, ...]:
        if "agent" in info.data and (info.data["agent"] is None) is not bool(agents):
            if agents:
                right = "write `agent`, or [[numbers.agents]] to share the calls, not both"
                raise invalid("stands beside `agent`: only one of the two is allowed", right)
            right = 'add `agent = "..."` with the agent\'s id, or [[numbers.agents]] to share calls'
            raise invalid("is missing: no agent answers this number", right, key="agent")
        if agents and all(each.timed for each in agents):
            right = "remove `days` and `hours` from one of them: it answers the rest of the time"
            raise invalid("leaves times at which no agent answers", right)
        if len({(one.agent, one.days, one.hours) for one in agents}) < len(agents):
            right = "remove one of the two, and add its weight to the other's"
            raise invalid("has the same agent twice at the same time", right)
        return agents

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, timezone: str | None, info: ValidationInfo) -> str | None:
        if timezone is None and any(each.timed for each in info.data.get("agents", ())):
            right = (
                'add `timezone = "Europe/Paris"`, or the zone of the days and hours, to the number'
            )
            raise invalid("is missing: days and hours depend on it", right)
        return timezone

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: int | None, info: ValidationInfo) -> int | None:
        if version is not None and info.data.get("agents"):
            right = "move it into one of [[numbers.agents]]"
            raise invalid("belongs to `agent`, but the number has `agents`", right)
        return version

    @cached_property
    def shares(self) -> tuple[AgentShare, ...]:
        """The agents that answer, also if it is only one."""
        if self.agent is None:
            return self.agents
        return (AgentShare(agent=self.agent, version=self.version),)

    @cached_property
    def agent_ids(self) -> tuple[str, ...]:
        """The ids of these agents."""
        return tuple(str(each.agent) for each in self.shares)

    @cached_property
    def row(self) -> Row:
        """The row for the mapping."""
        shares = tuple(each.share() for each in self.shares)
        return Row(shares, self.timezone or "", e164=self.e164 or "", trunks=frozenset(self.trunks))


class MappedNumber(NamedTuple):
    """A mapped number, and the table that says what answers it.

    Rows of a CSV that differ in nothing but their numbers share the ``table`` of the first of them,
    for a hundred thousand tables would take a hundred megabytes.
    """

    number: str
    table: Number
