"""The tables ``[[listeners]]`` and ``[upstream]``."""

import socket
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from sip_stager.config.errors import invalid
from sip_stager.config.tables.address_types import (
    Address,
    Host,
    Port,
    Transport,
    UpstreamUri,
    split_sip_uri,
)
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.field_types import AddressVariable, Seconds


class Listener(Table):
    """A socket that receives SIP, and the address that peers are given for it."""

    transport: Transport = "udp"
    address: Address
    port: Port = 5060
    advertise_env: AddressVariable | None = None
    advertise: Host | None = None
    advertise_port: Port | None = None

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
        """The sent-by of our Via: host and port (RFC 3261 18.1.1)."""
        return f"{self.advertised_host}:{self.advertised_port}"


class Upstream(Table):
    """The next hop of staged calls."""

    uri: UpstreamUri
    request_uri: Literal["rewrite", "keep", "e164"] = "rewrite"
    listener: Address | None = None
    backups: tuple[UpstreamUri, ...] = ()
    failover_timeout: Seconds = 2.0
    trying_timeout: Seconds = 10.0
    one_platform: bool = False
    max_redirects: Annotated[int, Field(strict=True, ge=0, le=10)] = 0

    @field_validator("backups")
    @classmethod
    def _check_backups(cls, backups: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        seen = {split_sip_uri(info.data["uri"])} if "uri" in info.data else set()
        for uri in backups:
            if split_sip_uri(uri) in seen:
                raise invalid(f'has "{uri}", which is tried before', "remove it")
            seen.add(split_sip_uri(uri))
        return backups

    @property
    def uris(self) -> tuple[str, ...]:
        """All addresses, in the order in which they are tried."""
        return self.uri, *self.backups

    @property
    def host(self) -> str:
        """The host name or IP address, without brackets."""
        return split_sip_uri(self.uri)[0]

    @property
    def port(self) -> int:
        """The port, 5060 if the URI has none."""
        return split_sip_uri(self.uri)[1]

    @property
    def transport(self) -> str:
        """The transport, "udp" or "tcp"."""
        return split_sip_uri(self.uri)[2]
