"""A next hop is a unicast address, and not a service that this machine keeps to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.proxy.next_hop import Locator
from sip_stager.proxy.request_forwarding import Routed
from sip_stager.sip.uri import parse_uri
from tests.support.fakes import FakeClock, FakeResolver
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow

NAMES = {"inside.example": "127.0.0.1", "outside.example": "192.0.2.2"}


def found(uri: str, *, loopback: bool) -> Flow | None:
    clock = FakeClock()
    interfaces = Interfaces(
        (Interface("UDP", "198.51.100.1", "a", 5060), Interface("UDP", "2001:db8::1", "b", 5060))
    )
    locator = Locator(interfaces, FakeResolver(clock, NAMES), clock, loopback=loopback)
    flows: list[Flow | None] = []
    locator.find(Routed(request(), None, parse_uri(uri.encode())), flows.append)
    clock.advance(1)
    (flow,) = flows
    return flow


@pytest.mark.parametrize(
    "host",
    ["224.0.0.1", "[ff02::1]", "0.0.0.0", "[::]", "255.255.255.255", "[::ffff:224.0.0.1]"],
)
def test_a_next_hop_is_a_unicast_address(host: str) -> None:
    assert found(f"sip:x@{host}", loopback=True) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "[::1]", "inside.example"])
@pytest.mark.parametrize("loopback", [True, False])
def test_loopback_is_a_next_hop_only_if_a_peer_is_on_this_machine(
    host: str, *, loopback: bool
) -> None:
    assert (found(f"sip:x@{host}", loopback=loopback) is not None) is loopback


@pytest.mark.parametrize("host", ["192.0.2.2", "10.0.0.1", "[2001:db8::2]", "outside.example"])
def test_any_other_host_is_a_next_hop(host: str) -> None:
    assert found(f"sip:x@{host}", loopback=False) is not None
