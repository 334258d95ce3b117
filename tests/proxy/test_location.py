"""A next hop is a unicast address, and not a service that this machine keeps to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.proxy.next_hop import Locator
from sip_stager.proxy.request_forwarding import Routed
from sip_stager.sip.uri import parse_uri
from tests.support.conversation import ALICE
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
    locator.find(
        Routed(request(), None, parse_uri(uri.encode())), ALICE, lambda flow, _: flows.append(flow)
    )
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


BOTH = (Interface("UDP", "198.51.100.1", "a", 5060), Interface("TCP", "198.51.100.1", "a", 5060))
UDP_SIDE, TCP_SIDE = 0, 1


def flow_to(uri: str, leaving: int, connected: tuple[str, int] = ("", 0)) -> Flow | None:
    """Return the flow to a URI of a peer that was reached over that interface."""
    clock = FakeClock()
    locator = Locator(
        Interfaces(BOTH),
        FakeResolver(clock, NAMES),
        clock,
        is_connected=lambda *address: address == connected,
        tcp_upstreams={("192.0.2.3", 5070)},
    )
    assert locator.known_flow(uri.encode(), TCP_SIDE) is None or "transport" in uri
    flows: list[Flow | None] = []
    routed = Routed(request(), leaving, parse_uri(uri.encode()))
    locator.find(routed, ALICE, lambda flow, _: flows.append(flow))
    return flows[0]


def test_a_contact_without_a_transport_is_reached_over_the_open_connection() -> None:
    """RFC 3261 18: behind a TCP upstream the Contact often has the connection's address alone."""
    flow = flow_to("sip:a@192.0.2.2:5080", TCP_SIDE, ("192.0.2.2", 5080))
    assert flow == ("TCP", "192.0.2.2", 5080, TCP_SIDE, 0)


def test_a_contact_without_a_transport_that_equals_a_tcp_upstream_is_reached_over_tcp() -> None:
    """After a restart no connection is open, and the call goes on."""
    assert flow_to("sip:a@192.0.2.3:5070", TCP_SIDE) == ("TCP", "192.0.2.3", 5070, TCP_SIDE, 0)


def test_without_an_open_connection_a_contact_without_a_transport_means_udp() -> None:
    """RFC 3263 4.1."""
    assert flow_to("sip:a@192.0.2.2:5080", TCP_SIDE, ("192.0.2.2", 5081)) == (
        "UDP", "192.0.2.2", 5080, UDP_SIDE, 0
    )  # fmt: skip


def test_a_peer_of_udp_is_reached_over_udp_whatever_connection_is_open() -> None:
    """A large request may have opened one (RFC 3261 18.1.1)."""
    flow = flow_to("sip:a@192.0.2.2:5080", UDP_SIDE, ("192.0.2.2", 5080))
    assert flow == ("UDP", "192.0.2.2", 5080, UDP_SIDE, 0)
    flow = flow_to("sip:a@192.0.2.2:5080;transport=udp", TCP_SIDE, ("192.0.2.2", 5080))
    assert flow == ("UDP", "192.0.2.2", 5080, UDP_SIDE, 0)
