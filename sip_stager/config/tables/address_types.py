"""Types of values that are addresses, with the mistakes that each can have."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from sip_stager.config.errors import invalid
from sip_stager.config.suggestions import one_of

Network = IPv4Network | IPv6Network

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}\.?")
NOT_SUPPORTED = {"tls", "ws", "wss", "sctp"}
"""Transports of SIP that are not supported yet."""
_BROADCAST = IPv4Address("255.255.255.255")
_SIP_URI = re.compile(
    r"sip:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:;@?/]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:;transport=(?P<transport>[A-Za-z]+))?",
    re.IGNORECASE,
)


def parse_ip(host: str) -> IPv4Address | IPv6Address | None:
    """Parse an IP literal without brackets; return None if the text is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def split_sip_uri(uri: str) -> tuple[str, int, str]:
    """Split ``sip:host:port;transport=udp`` into host (no brackets), port and transport.

    Raises ValueError if the URI does not have this form.
    """
    match = _SIP_URI.fullmatch(uri)
    if match is None:
        raise ValueError(uri)
    transport = (match["transport"] or "udp").lower()
    return match["host"].strip("[]"), int(match["port"] or 5060), transport


def bracketed_ipv6(text: str) -> str:
    """Return a host and port with the IPv6 address in brackets; empty if no brackets are missing.

    ``2001:db8::1:5060`` is ambiguous: an end that looks like a port is taken for one.
    """
    host, _, port = text.rpartition(":")
    if isinstance(parse_ip(host), IPv6Address) and re.fullmatch(r"[1-9][0-9]{3,4}", port):
        return f"[{host}]:{port}"
    return f"[{text}]" if isinstance(parse_ip(text), IPv6Address) else ""


def check_brackets(text: str, written: str) -> None:
    """Raise a mistake if an IPv6 address stands in a URI without brackets.

    ``text`` is the host and port, ``written`` the whole URI around them.
    """
    if bracketed := bracketed_ipv6(text):
        right = f'put the address into brackets: "{written.replace(text, bracketed)}"'
        raise invalid(f'"{written}" has an IPv6 address without brackets', right)


def _check_transport(value: object) -> object:
    if str(value).lower() in NOT_SUPPORTED:
        raise invalid(f'is "{value}", which is not supported yet', 'write "udp" or "tcp"')
    return value


def _check_address(text: str) -> str:
    if parse_ip(text) is None:
        raise invalid(
            f'"{text}" is not an IP address',
            'write an IPv4 or IPv6 address without brackets, like "192.0.2.10" or "2001:db8::10"',
        )
    return text


def check_host(text: str) -> str:
    """Return a host name or IP address that a peer can send to; raises a mistake."""
    address = parse_ip(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        right = f'write "{address.ipv4_mapped}"'
        raise invalid(f'"{text}" is an IPv4-mapped IPv6 address', right)
    if address and (address.is_unspecified or address.is_multicast or address == _BROADCAST):
        raise invalid(
            f'"{text}" is not an address that a peer can send to', "write the public address"
        )
    if address is None and not _is_host_name(text):
        raise invalid(
            f'"{text}" is neither a host name nor an IP address',
            'write it without port and brackets, like "edge.example.com" or "198.51.100.7"',
        )
    return text


def _is_host_name(text: str) -> bool:
    """Return True if a text can be a host name, whose end is no digit (RFC 3696 2)."""
    return _HOST_NAME.fullmatch(text) is not None and not text[-1].isdigit()


def _parse_network(value: object) -> Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    right = 'write an address or a network, like "192.0.2.17" or "192.0.2.0/24"'
    try:
        network = ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        if isinstance(value, str) and _is_host_name(value):
            right = (
                "use the carrier's list: write the addresses that it sends calls from, see "
                "docs/carriers.md; names are not resolved, because a carrier may call from other "
                "addresses than those of its name"
            )
            raise invalid(f'"{value}" is a host name', right) from None
        raise invalid(f"{value!r} is not a network", right) from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise invalid(f'"{value}" is an IPv4-mapped IPv6 network', "write it as IPv4")
    if ip_network(str(value).partition("/")[0]).network_address != network.network_address:
        raise invalid(
            f'"{value}" has bits set after its prefix', f'write "{network}", or a single address'
        )
    return network


def _check_base_url(url: str) -> str:
    right = 'write "https://" and the host, with no password, query or fragment'
    check_brackets(url.partition("://")[2].partition("/")[0], url)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in url or "?" in url or "#" in url or not url.isascii() or " " in url:
        raise invalid("is not the address of an API", right)
    url = url.rstrip("/")
    if parts.path.rstrip("/").endswith("/v1"):
        host = url.removesuffix("/v1").rstrip("/")
        raise invalid("ends in /v1, which is added to it", f'write "{host}"')
    return url


def _check_upstream(uri: str) -> str:
    right = 'write it like "sip:sip.example.com:5060;transport=udp"'
    if uri.lower().startswith("sips:"):
        raise invalid("TLS towards the upstream is not supported yet", right)
    check_brackets(uri[len("sip:") :].partition(";")[0], uri)
    try:
        host, port, transport = split_sip_uri(uri)
    except ValueError:
        raise invalid(f'"{uri}" is not a SIP URI of host, port and transport', right) from None
    if transport not in {"udp", "tcp"}:
        yet = " yet" if transport in NOT_SUPPORTED else ""
        wrong = f'the transport "{transport}" is not supported{yet}'
        raise invalid(wrong, one_of(transport, ("udp", "tcp")))
    if not 0 < port < 65536:
        raise invalid(f"{port} is not a port", "write a port from 1 to 65535")
    check_host(host)
    return uri


Transport = Annotated[Literal["udp", "tcp"], BeforeValidator(_check_transport)]
Address = Annotated[str, AfterValidator(_check_address)]
Host = Annotated[str, AfterValidator(check_host)]
TrunkNetwork = Annotated[Network, BeforeValidator(_parse_network)]
BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
UpstreamUri = Annotated[str, AfterValidator(_check_upstream)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
