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
"""Waits that grow: where each ends, and where it begins."""


class Api(Table):
    """The voice platform's API, and how long a caller waits for it."""

    base_url: BaseUrl = "https://api.callrounded.com"
    """Where the API is."""
    key_env: VariableName = "ROUNDED_API_KEY"
    """The environment variable that holds the API key."""
    key_file: Path | None = None
    """A file that holds the API key, and nothing else; read instead of the variable."""
    key: SecretStr
    """The key itself, as it was found: never a key of the settings file."""
    mode: Literal["sync", "async"] = "sync"
    """`sync` is one request that ends when the agent is ready: the quickest way. `async` gets the
    call's id at once and then asks until it is ready."""
    deadline: Annotated[Seconds, Field(le=60)] = 4.0
    """Seconds that staging may take in all: carriers give up, or try elsewhere, from 5 on."""
    poll_interval_min: Seconds = 0.1
    """Seconds before the first question in `async` mode; the wait doubles from here ..."""
    poll_interval_max: Seconds = 1.0
    """... to this."""
    connections: Count = 1000
    """Connections to the API at most, and so requests at a time: past them calls queue."""
    retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 2
    """Attempts after the first where it is safe: nothing was sent, or the API said 429 or 503, and
    when to come again."""
    retry_delay: Seconds = 0.2
    """Seconds before each of them, up to half as long again, where the API did not ask for more."""
    retry_ambiguous: Annotated[bool, Field(strict=True)] = False
    """Whether to try again too where the API may have staged the call: a second staging is a
    second call."""
    breaker_failure_ratio: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.5
    """The share of calls that the API failed which opens the circuit breaker: no call waits for
    the API then."""
    breaker_window: Seconds = 10.0
    """Seconds that are looked back on for it."""
    breaker_min_calls: Count = 20
    """Calls within the window below which it stays closed, whatever became of them."""
    breaker_slow_call: Seconds = 1.0
    """Seconds that the API must have had a call for before its being over time counts as well; a
    quarter of what calls have by the settings for all and for their trunk, where that is less."""
    breaker_open_time: Seconds = 5.0
    """Seconds until one call tries the API again; they double with each that fails ..."""
    breaker_open_time_max: Seconds = 60.0
    """... to this."""
    warm_connections: Annotated[int, Field(strict=True, ge=0)] = 4
    """Connections opened before the first call, so that it does not pay for TLS."""
    max_body_bytes: Annotated[int, Field(strict=True, ge=1024)] = 65536
    """Bytes that are read of an answer at most: one with a transcript can be huge."""
    claim_ttl: Annotated[float, Field(strict=True, ge=0, le=MAX_STAGED_ID_AGE)] = 45.0
    """Seconds from its staging in which a staged call that was not used may be claimed by the next
    call of the same caller to the same number; 0 for never. At the API it lives for 60, and is
    sent to nobody past 55."""
    after_hangup: Literal["cancel", "keep"] = "cancel"
    """What becomes of a staging whose caller hangs up: `cancel` closes the request, `keep` brings
    it to its end for a redial, or for a carrier's second attempt."""
    terminate_wasted: bool = False
    """Whether the API is told to end staged calls that nobody claimed, or whose call was not
    answered (POST .../terminate)."""
    agents_refresh_interval: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 300.0
    """Seconds in which each mapped agent is fetched again, to know its variables and that it is
    still there; 0 fetches none."""
    numbers_refresh_interval: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.0
    """Seconds in which the platform's own list of numbers and their agents is fetched again, to map
    those that the settings do not; 0, the default, fetches none: not every key is allowed to."""
    label: bool = False
    """Whether a call's record at the API gets the SIP Call-ID, the trunk and the time that staging
    took, by its phases (PATCH)."""
    reconcile: bool = False
    """Whether answered calls are looked up at the API after a minute: one that nobody claimed has
    lost its header on the way."""
    aftercare_connections: Count = 16
    """Connections of `label`, `reconcile` and `terminate_wasted` at most, beside the calls' own: as
    many requests a second as these divided by the seconds that one takes."""
    anonymous_number: E164 = "+10000000000"
    """The caller's number for the API where the caller withholds it or has none. The API asks for
    E.164; this one looks like it, and no area code 000 is or will be given to anybody."""

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
