"""The interface that a request leaves by, and the addresses of wildcard listeners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy import local_addresses as module
from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.proxy.local_addresses import LocalAddresses
from sip_stager.sip.uri import parse_uri
from tests.support.conversation import ALICE, Conversation
from tests.support.fakes import FakeRoutes
from tests.support.messages import request

if TYPE_CHECKING:
    import pytest

PUBLIC, PRIVATE, WILDCARD = "198.51.100.1", "10.9.0.1", "0.0.0.0"
UPSTREAM = "10.9.0.2"
TWO = (Interface("UDP", PUBLIC, PUBLIC, 5060), Interface("UDP", PRIVATE, PRIVATE, 5060))
TCP = (Interface("TCP", PUBLIC, PUBLIC, 5060), Interface("TCP", PRIVATE, PRIVATE, 5060))
ANY = (Interface("UDP", WILDCARD, WILDCARD, 5060), Interface("TCP", WILDCARD, WILDCARD, 5060))
NAMED = (Interface("UDP", WILDCARD, "edge.example", 5060),)


def routes() -> FakeRoutes:
    return FakeRoutes(**{UPSTREAM: PRIVATE, PRIVATE: PRIVATE, "192.0.2.1": PUBLIC})


def outgoing(listeners: Interfaces, target: str, preferred: int | None = None) -> int | None:
    return listeners.choose_outgoing("UDP", 4, preferred, target)


def test_a_request_leaves_by_the_listener_that_the_route_to_its_target_names() -> None:
    listeners = Interfaces(TWO, routes=routes())
    assert outgoing(listeners, UPSTREAM) == 1
    assert outgoing(listeners, "192.0.2.1") == 0
    assert outgoing(listeners, "203.0.113.1") == 0  # no route: the first
    assert outgoing(listeners, UPSTREAM, preferred=0) == 0
    assert Interfaces(TWO).choose_outgoing("UDP", 4, None, UPSTREAM) == 0


def test_the_only_listener_of_a_kind_is_taken_without_a_question() -> None:
    asked = routes()
    listeners = Interfaces((*TWO[:1], *TCP[:1]), routes=asked)
    assert outgoing(listeners, UPSTREAM) == 0
    assert listeners.choose_outgoing("TCP", 4, 0, UPSTREAM) == 1
    assert listeners.choose_outgoing("TCP", 6, 0, UPSTREAM) is None
    assert asked.asked == 0


def test_a_large_request_leaves_by_the_tcp_listener_on_the_same_address() -> None:
    listeners = Interfaces((*TWO, *TCP), routes=routes())
    assert listeners.choose_outgoing("TCP", 4, 1, "192.0.2.1") == 3


def recorded(edge: Conversation, arrived: int = 0) -> list[bytes]:
    """Return the hosts of the Record-Route fields of an INVITE from alice, the upstream's first."""
    forwarded = edge.forward(request(), ALICE._replace(interface=arrived))
    routes = forwarded.values(b"record-route")
    return [route.partition(b"@")[2].partition(b";")[0] for route in routes]


def test_two_networks_get_a_record_route_each() -> None:
    """RFC 5658: each side sends to the address of its own network."""
    edge = Conversation(f"sip:{UPSTREAM}", interfaces=TWO, routes=routes())
    assert recorded(edge) == [b"10.9.0.1:5060", b"198.51.100.1:5060"]
    assert edge.transport.sent[-1][1].interface == 1
    assert edge.relayed.top_via.host == PRIVATE


def test_the_listener_of_the_settings_overrides_the_route() -> None:
    edge = Conversation(f"sip:{UPSTREAM}", interfaces=TWO, routes=routes(), leaving={"UDP": 0})
    assert recorded(edge) == [b"198.51.100.1:5060"]


def test_a_wildcard_listener_without_an_advertised_address_is_known_by_those_it_is_used_at() -> (
    None
):
    edge = Conversation(f"sip:{UPSTREAM}", interfaces=ANY, routes=routes())
    assert recorded(edge, edge.listeners.at(0, PUBLIC)) == [b"10.9.0.1:5060", b"198.51.100.1:5060"]
    assert edge.relayed.top_via.host == PRIVATE
    used = edge.transport.sent[-1][1].interface
    assert edge.listeners.place(used) == (0, PRIVATE)


def test_an_advertised_wildcard_listener_has_one_record_route() -> None:
    """Responses leave from the address that was asked, requests from the one of the route."""
    edge = Conversation(f"sip:{UPSTREAM}", interfaces=NAMED, routes=routes())
    asked = edge.listeners.at(0, PUBLIC)
    assert recorded(edge, asked) == [b"edge.example:5060"]
    assert edge.transport.sent[-1][1].interface == 0
    assert edge.transport.sent[0][1].interface == asked  # 100 Trying
    assert outgoing(edge.listeners, UPSTREAM, preferred=asked) == 0


def test_a_route_of_an_earlier_run_is_ours_at_each_address_of_a_wildcard_listener() -> None:
    """After a restart nothing was sent to that address yet, and a Route has it."""
    listeners = Interfaces(ANY, routes=routes())
    for ours in (f"sip:x@{PRIVATE};lr", f"sip:x@{PRIVATE}:5060;transport=tcp", "sip:127.0.0.5"):
        assert listeners.is_ours(parse_uri(ours.encode()))
    for other in (f"sip:{UPSTREAM}", f"sip:{PRIVATE}:5070", "sip:edge.example", "sip:[::1]"):
        assert not listeners.is_ours(parse_uri(other.encode()))
    index = listeners.index_of(parse_uri(f"sip:x@{PRIVATE};transport=tcp;lr".encode()))
    assert index is not None
    assert listeners.place(index) == (1, PRIVATE)


def test_the_interfaces_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the kernel chooses the address, as for any socket."""
    monkeypatch.setattr(module, "MAX_ADDRESSES", 1)
    listeners = Interfaces(ANY)
    assert listeners.at(0, "127.0.0.1") == module.FIRST_INDEX
    assert listeners.at(0, "127.0.0.2") == 0
    assert listeners.at(0, "127.0.0.1") == module.FIRST_INDEX


def test_a_listener_on_one_address_is_one_interface() -> None:
    assert Interfaces(TWO).at(1, PRIVATE) == 1


def test_interfaces_of_other_settings_know_the_addresses_of_earlier_ones() -> None:
    """A call that began before the reload keeps its interfaces, and an address one index."""
    addresses = LocalAddresses()
    before = Interfaces(ANY[:1], addresses=addresses)
    known = before.at(0, PUBLIC)
    after = Interfaces((*ANY[:1], *TWO[:1], ANY[1]), addresses=addresses)
    assert after.at(0, PUBLIC) == known
    for each in (before, after):
        assert each[known].advertised == PUBLIC
        assert each[after.at(0, PRIVATE)].advertised == PRIVATE
    assert after[after.at(2, PRIVATE)].transport == "TCP"  # of a listener that came later


def test_nothing_is_sent_from_an_address_of_a_listener_that_was_removed() -> None:
    closed = Interfaces(ANY[:1], closed=frozenset({0}), routes=routes())
    at = closed.at(0, PUBLIC)
    assert closed.is_ours(parse_uri(f"sip:x@{PUBLIC}".encode()))
    assert outgoing(closed, UPSTREAM, preferred=at) is None
