"""Values that are derived from the settings."""

from __future__ import annotations

import socket

import pytest

from sip_stager.config import Listener, Upstream


@pytest.mark.parametrize(
    ("listener", "sent_by", "family"),
    [
        (Listener(address="192.0.2.1"), "192.0.2.1:5060", socket.AF_INET),
        (Listener(address="2001:db8::1", port=5070), "[2001:db8::1]:5070", socket.AF_INET6),
        (Listener(address="::", advertise="e.example.com"), "e.example.com:5060", socket.AF_INET6),
        (
            Listener(address="0.0.0.0", advertise="2001:db8::1", advertise_port=9),
            "[2001:db8::1]:9",
            socket.AF_INET,
        ),
    ],
)
def test_sent_by_is_the_advertised_address(
    listener: Listener, sent_by: str, family: socket.AddressFamily
) -> None:
    assert listener.sent_by == sent_by
    assert listener.family is family


@pytest.mark.parametrize(
    ("uri", "host", "port", "transport"),
    [
        ("sip:sip.example.com", "sip.example.com", 5060, "udp"),
        ("sip:192.0.2.1:5080;transport=TCP", "192.0.2.1", 5080, "tcp"),
        ("sip:[2001:db8::1]:5061", "2001:db8::1", 5061, "udp"),
        ("SIP:[2001:db8::1]", "2001:db8::1", 5060, "udp"),
    ],
)
def test_the_parts_of_an_upstream_uri(uri: str, host: str, port: int, transport: str) -> None:
    upstream = Upstream(uri=uri)
    assert (upstream.host, upstream.port, upstream.transport) == (host, port, transport)
