"""The table ``[api]``: the voice platform's API."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from sip_stager.config.errors import invalid
from sip_stager.config.tables.address_types import BaseUrl
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.field_types import E164, Count, KeyVariable, Seconds
from sip_stager.model.call import MAX_STAGED_ID_AGE

_FIRST_DELAYS = {
    "poll_interval_max": "poll_interval_min",
    "breaker_open_time_max": "breaker_open_time",
}
"""Growing delays: the key of the longest one, and that of the first one."""


class Api(Table):
    """The voice platform's API, and how long a caller waits for it."""

    base_url: BaseUrl = "https://api.callrounded.com"
    key_env: KeyVariable = "ROUNDED_API_KEY"
    key_file: Path | None = None
    key: SecretStr
    """The key itself, as it was found: it is never a key of the settings file."""
    mode: Literal["sync", "async"] = "sync"
    deadline: Annotated[Seconds, Field(le=60)] = 4.0
    poll_interval_min: Seconds = 0.1
    poll_interval_max: Seconds = 1.0
    max_polls_per_second: Count = 1000
    connections: Count = 1000
    connection_age_max: Seconds = 120.0
    retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 2
    retry_delay: Seconds = 0.2
    rate_limit_hold_max: Seconds = 30.0
    retry_ambiguous: Annotated[bool, Field(strict=True)] = False
    breaker_failure_ratio: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.5
    breaker_window: Seconds = 10.0
    breaker_min_calls: Count = 20
    breaker_slow_call: Seconds = 1.0
    breaker_open_time: Seconds = 5.0
    breaker_open_time_max: Seconds = 60.0
    warm_connections: Annotated[int, Field(strict=True, ge=0)] = 4
    max_body_bytes: Annotated[int, Field(strict=True, ge=1024)] = 65536
    claim_ttl: Annotated[float, Field(strict=True, ge=0, le=MAX_STAGED_ID_AGE)] = 45.0
    after_hangup: Literal["cancel", "keep"] = "cancel"
    terminate_wasted: bool = False
    agents_refresh_interval: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 300.0
    numbers_refresh_interval: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.0
    label: bool = False
    reconcile: bool = False
    aftercare_connections: Count = 16
    anonymous_number: E164 = "+10000000000"

    @field_validator(*_FIRST_DELAYS)
    @classmethod
    def _check_longest(cls, longest: float, info: ValidationInfo) -> float:
        key = str(info.field_name)
        start = info.data.get(_FIRST_DELAYS[key])
        if start is not None and longest < start:
            raise invalid(
                f"is {longest:g}, less than {_FIRST_DELAYS[key]} = {start:g}",
                f"write a {key} that is at least {_FIRST_DELAYS[key]}",
            )
        return longest

    @field_validator("warm_connections")
    @classmethod
    def _check_warm_connections(cls, warm: int, info: ValidationInfo) -> int:
        limit = info.data.get("connections")
        if limit is not None and warm > limit:
            raise invalid(f"is {warm}, more than connections = {limit}", f"write {limit} or less")
        return warm
