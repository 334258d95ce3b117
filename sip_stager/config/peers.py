"""The tables of the settings that are about the network: what can be set, its default, and why."""

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from sip_stager.config.kinds import (
    E164,
    Address,
    BaseUrl,
    Count,
    Host,
    Port,
    Seconds,
    UpstreamUri,
    VariableName,
    sip_uri,
)
from sip_stager.config.mistakes import refused


class Table(BaseModel):
    """A table of the settings file: no key that is unknown, nothing changed once it is read."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


class Listener(Table):
    """One socket that SIP comes in by, and how peers are told to reach it."""

    transport: Literal["udp", "tcp"] = "udp"
    """Carriers offer UDP first; large messages and some trunks need TCP as well."""
    address: Address
    """The IP address to listen on; 0.0.0.0 or :: takes every interface of its family."""
    port: Port = 5060
    """SIP's registered port."""
    advertise: Host | None = None
    """The host that goes into Via and Record-Route; needed where the address is a wildcard or
    lies behind a network address translation."""
    advertise_port: Port | None = None
    """The port that goes with it; the listener's own where it is left out."""

    @field_validator("advertise")
    @classmethod
    def _reachable(cls, advertise: str | None, info: ValidationInfo) -> str | None:
        address = info.data.get("address")
        if advertise is None and address is not None and ip_address(address).is_unspecified:
            raise refused(
                f"is missing: peers cannot send to the wildcard {address}",
                'add `advertise = "198.51.100.7"` with the address or name that peers reach',
            )
        return advertise

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6, after the address."""
        return socket.AF_INET if ip_address(self.address).version == 4 else socket.AF_INET6

    @property
    def advertised_host(self) -> str:
        """The host for Via and Record-Route, an IPv6 address in brackets."""
        host = self.advertise or self.address
        return f"[{host}]" if ":" in host else host

    @property
    def advertised_port(self) -> int:
        """The port for Via and Record-Route."""
        return self.advertise_port or self.port

    @property
    def sent_by(self) -> str:
        """The sent-by of our Via, host and port (RFC 3261 18.1.1)."""
        return f"{self.advertised_host}:{self.advertised_port}"


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
    poll_first: Seconds = 0.1
    """Seconds before the first question in `async` mode; the wait doubles from here ..."""
    poll_most: Seconds = 1.0
    """... to this."""
    connections: Count = 1000
    """Connections to the API at most, and so requests at a time: past them calls queue."""
    retries: Annotated[int, Field(strict=True, ge=0, le=10)] = 2
    """Attempts after the first where it is safe: nothing was sent, or the API said 429 or 503."""
    retry_pause: Seconds = 0.2
    """Seconds before each of them, where no Retry-After asks for more."""
    retry_ambiguous: Annotated[bool, Field(strict=True)] = False
    """Whether to try again too where the API may have staged the call: a second staging is a
    second call."""
    breaker_share: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.5
    """The share of calls that the API failed which opens the circuit breaker: no call waits for
    the API then."""
    breaker_window: Seconds = 10.0
    """Seconds that are looked back on for it."""
    breaker_least: Count = 20
    """Calls within the window below which it stays closed, whatever became of them."""
    breaker_pause: Seconds = 5.0
    """Seconds until one call tries the API again; they double with each that fails ..."""
    breaker_pause_most: Seconds = 60.0
    """... to this."""
    warm_connections: Annotated[int, Field(strict=True, ge=0)] = 4
    """Connections opened before the first call, so that it does not pay for TLS."""
    body_most: Annotated[int, Field(strict=True, ge=1024)] = 65536
    """Bytes that are read of an answer at most: one with a transcript can be huge."""
    claim_life: Annotated[float, Field(strict=True, ge=0, le=55)] = 45.0
    """Seconds from its staging in which a staged call that was not used may be claimed by the next
    call of the same caller to the same number; 0 for never. At the API it lives for 60."""
    after_hangup: Literal["cancel", "keep"] = "cancel"
    """What becomes of a staging whose caller hangs up: `cancel` closes the request, `keep` brings
    it to its end for a redial, or for a carrier's second attempt."""
    terminate_wasted: bool = False
    """Whether the API is told to end staged calls that nobody claimed (POST .../terminate)."""
    agents_refresh: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 300.0
    """Seconds in which each mapped agent is fetched again, to know its variables and that it is
    still there; 0 fetches none."""
    label: bool = False
    """Whether a call's record at the API gets the SIP Call-ID, the trunk and the time that staging
    took (PATCH)."""
    reconcile: bool = False
    """Whether answered calls are looked up at the API after a minute: one that nobody claimed has
    lost its header on the way."""
    anonymous_number: E164 = "+10000000000"
    """The caller's number for the API where the caller withholds it or has none. The API asks for
    E.164; this one looks like it, and no area code 000 is or will be given to anybody."""

    @field_validator("poll_most")
    @classmethod
    def _not_below_first(cls, most: float, info: ValidationInfo) -> float:
        first = info.data.get("poll_first")
        if first is not None and most < first:
            raise refused(
                f"is {most:g}, less than poll_first = {first:g}",
                "write a poll_most that is at least poll_first",
            )
        return most

    @field_validator("breaker_pause_most")
    @classmethod
    def _not_below_pause(cls, most: float, info: ValidationInfo) -> float:
        pause = info.data.get("breaker_pause")
        if pause is not None and most < pause:
            raise refused(
                f"is {most:g}, less than breaker_pause = {pause:g}",
                "write a breaker_pause_most that is at least breaker_pause",
            )
        return most

    @field_validator("warm_connections")
    @classmethod
    def _not_above_most(cls, warm: int, info: ValidationInfo) -> int:
        most = info.data.get("connections")
        if most is not None and warm > most:
            raise refused(f"is {warm}, more than connections = {most}", f"write {most} or less")
        return warm


class Upstream(Table):
    """Where a staged call goes on."""

    uri: UpstreamUri
    """The platform's SIP address: `sip:host:port;transport=udp` or `tcp`."""
    request_uri: Literal["rewrite", "keep"] = "rewrite"
    """`rewrite` puts the upstream's host into the Request-URI and keeps the number; `keep` leaves
    the Request-URI as it was dialled."""
    backups: tuple[UpstreamUri, ...] = ()
    """More addresses of the platform, tried in this order when the one before refuses the call, is
    out of reach or says nothing; a 6xx ends the search."""
    next_after: Seconds = 2.0
    """Seconds without any answer after which the next of them is tried."""
    redirects: Annotated[int, Field(strict=True, ge=0, le=10)] = 0
    """Contacts of 3xx answers that are tried for one call; 0 passes a 3xx back to the trunk."""

    @property
    def uris(self) -> tuple[str, ...]:
        """All addresses, in the order in which they are tried."""
        return self.uri, *self.backups

    @property
    def host(self) -> str:
        """Host name or IP address, no brackets."""
        return sip_uri(self.uri)[0]

    @property
    def port(self) -> int:
        """The port, 5060 where the URI has none."""
        return sip_uri(self.uri)[1]

    @property
    def transport(self) -> str:
        """The transport, "udp" or "tcp"."""
        return sip_uri(self.uri)[2]
