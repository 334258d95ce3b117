"""The table ``[api]``: the voice platform's API."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from sip_stager.config.errors import invalid
from sip_stager.config.tables.address_types import BaseUrl
from sip_stager.config.tables.field_types import E164, Count, Seconds, VariableName
from sip_stager.config.tables.table import Table
from sip_stager.model.call import MAX_STAGED_ID_AGE

_STARTS = {"poll_interval_max": "poll_interval_min", "breaker_open_time_max": "breaker_open_time"}
"""Growing delays: the key of the longest one, and that of the first one."""


class Api(Table):
    """The voice platform's API, and how long a caller waits for it."""

    base_url: BaseUrl = "https://api.callrounded.com"
    """The address of the API."""
    key_env: VariableName = "ROUNDED_API_KEY"
    """The environment variable that holds the API key."""
    key_file: Path | None = None
    """A file that holds nothing but the API key; it is read instead of the variable."""
    key: SecretStr
    """The key itself, as it was found: it is never a key of the settings file."""
    mode: Literal["sync", "async"] = "sync"
    """`sync` is one request that ends when the agent is ready, and the fastest way. `async` gets
    the call's id at once, and then polls."""
    deadline: Annotated[Seconds, Field(le=60)] = 4.0
    """Seconds for the whole staging: carriers give up or try another route after 5 or more."""
    poll_interval_min: Seconds = 0.1
    """Seconds before the first poll in `async` mode; the interval doubles with each poll ..."""
    poll_interval_max: Seconds = 1.0
    """... up to this."""
    connections: Count = 1000
    """Limit of connections to the API, and so of requests at a time; beyond it calls queue."""
    retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 2
    """Limit of retries, where one is safe: the request was not sent, or the API answered 429 or 503
    and said when to try again."""
    retry_delay: Seconds = 0.2
    """Seconds before a retry, plus up to half at random, unless the API asks for more."""
    retry_ambiguous: Annotated[bool, Field(strict=True)] = False
    """True: also retry if the API may have staged the call. A second staging is a second call."""
    breaker_failure_ratio: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.5
    """The share of calls that the API failed at which the circuit breaker opens: calls then do not
    wait for the API."""
    breaker_window: Seconds = 10.0
    """Seconds that the breaker looks back."""
    breaker_min_calls: Count = 20
    """The number of calls in the window below which the breaker stays closed."""
    breaker_slow_call: Seconds = 1.0
    """Seconds that the API must have had a call for its timeout to count as a failure; a quarter of
    the usual deadline if that is less."""
    breaker_open_time: Seconds = 5.0
    """Seconds until one call tries the API again; they double with each try that fails ..."""
    breaker_open_time_max: Seconds = 60.0
    """... up to this."""
    warm_connections: Annotated[int, Field(strict=True, ge=0)] = 4
    """Connections that are opened before the first call, so that it does not wait for TLS."""
    max_body_bytes: Annotated[int, Field(strict=True, ge=1024)] = 65536
    """Limit of bytes that are read of a response: one with a transcript can be huge."""
    claim_ttl: Annotated[float, Field(strict=True, ge=0, le=MAX_STAGED_ID_AGE)] = 45.0
    """Seconds from its staging for which an unused staged call is reserved for the next call of the
    same caller to the same number; 0 for never. It lives for 60 at the platform, and is not
    forwarded after 55."""
    after_hangup: Literal["cancel", "keep"] = "cancel"
    """What happens to a staging when its caller hangs up: `cancel` closes the request, `keep`
    finishes it for a redial, or for a carrier's second attempt."""
    terminate_wasted: bool = False
    """True: ask the API to end staged calls that no call claimed, or whose call was not answered
    (POST .../terminate)."""
    agents_refresh_interval: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 300.0
    """Seconds between two fetches of each mapped agent, to know its variables and that it exists; 0
    for none."""
    numbers_refresh_interval: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.0
    """Seconds between two fetches of the platform's own list of numbers, which maps those that the
    settings do not; 0, the default, for none: not every API key is allowed to."""
    label: bool = False
    """True: write the SIP Call-ID, the trunk and the time of the staging by phase to the call's
    record at the platform (PATCH)."""
    reconcile: bool = False
    """True: look up answered calls at the API after a minute; one that nobody claimed has lost its
    header on the way."""
    aftercare_connections: Count = 16
    """Limit of connections for `label`, `reconcile` and `terminate_wasted`, apart from those of the
    calls: as many requests a second as this divided by the seconds of one."""
    anonymous_number: E164 = "+10000000000"
    """The caller's number for the API if the caller is anonymous or has none. The API needs E.164;
    this has that form, and the area code 000 does not exist."""

    @field_validator(*_STARTS)
    @classmethod
    def _not_below_start(cls, most: float, info: ValidationInfo) -> float:
        key = str(info.field_name)
        start = info.data.get(_STARTS[key])
        if start is not None and most < start:
            raise invalid(
                f"is {most:g}, less than {_STARTS[key]} = {start:g}",
                f"write a {key} that is at least {_STARTS[key]}",
            )
        return most

    @field_validator("warm_connections")
    @classmethod
    def _not_above_most(cls, warm: int, info: ValidationInfo) -> int:
        most = info.data.get("connections")
        if most is not None and warm > most:
            raise invalid(f"is {warm}, more than connections = {most}", f"write {most} or less")
        return warm
