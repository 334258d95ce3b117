"""All addresses of a name are tried, one after another (RFC 3263 4.2 and 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import CallEnded
from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.proxy.next_hop import MAX_AVOIDED, UNREACHABLE_TIME, Locator
from sip_stager.proxy.request_forwarding import Routed
from sip_stager.sip.uri import parse_uri
from tests.support.calls import answer, ended
from tests.support.conversation import ALICE, BOB, CAROL, DAVE, ROUTE, Conversation
from tests.support.fakes import FakeClock, FakeResolver
from tests.support.messages import request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request

TWO = "192.0.2.2 192.0.2.3"
NAMED = "sip:bob@upstream.example"


def with_addresses(addresses: str, *backups: str) -> Conversation:
    edge = Conversation("sip:upstream.example", backups=backups)
    edge.resolver.names["upstream.example"] = addresses
    return edge


def called(edge: Conversation) -> list[str]:
    """Stage alice's call and forward it; return the messages sent by then."""
    edge.receive(request())
    edge.stager.stagings[-1].succeed()
    edge.clock.advance(0.1)
    return edge.take()


def outcomes(edge: Conversation) -> list[tuple[str, int]]:
    return [(event.outcome, event.status) for event in edge.of(CallEnded)]


def test_the_next_address_is_tried_at_once_if_the_first_refuses() -> None:
    """RFC 3263 4.3: "If there is a transport failure, the client SHOULD try the next element in the
    list": at once, and with the same staged id, which the first never got.
    """
    edge = with_addresses(TWO)
    edge.transport.failing.add("192.0.2.2")
    assert called(edge) == ["alice 100 INVITE", "carol INVITE"]
    carol = edge.last_request("carol")
    assert carol.values(b"x-rounded-call-id") == [b"call-1"]
    assert carol.uri_text == b"sip:+33612345678@upstream.example"
    assert answer(edge, carol, 200, CAROL) == ["alice 200 INVITE"]
    assert outcomes(edge) == [("answered", 200)]
    assert ended(edge)


def test_the_next_address_is_tried_after_the_failover_timeout_if_the_first_is_silent() -> None:
    """RFC 3263 4.3: a timeout is a failure, too; no caller waits 32 s for it."""
    edge = with_addresses(TWO)
    assert called(edge) == ["alice 100 INVITE", "bob INVITE"]
    edge.clock.advance(1.8)
    assert edge.take() == ["bob INVITE", "bob INVITE"]  # repeated at 0.5 and 1.5 s
    edge.clock.advance(0.2)
    assert edge.take() == ["carol INVITE"]
    assert answer(edge, edge.last_request("carol"), 200, CAROL) == ["alice 200 INVITE"]
    assert ended(edge)


def test_a_response_other_than_503_speaks_for_all_addresses_of_its_name() -> None:
    """RFC 3263 4.3: "a failure ... occurs when the transaction layer reports a 503 error response
    or a transport failure of some sort"; any other response is that of the service.
    """
    edge = with_addresses(TWO, "sip:192.0.2.4")
    called(edge)
    assert answer(edge, edge.last_request("bob"), 486) == ["bob ACK", "dave INVITE"]


def test_a_503_leads_to_the_next_address() -> None:
    """RFC 3263 4.3: a 503 of one address says nothing about the others."""
    edge = with_addresses(TWO, "sip:192.0.2.4")
    called(edge)
    assert answer(edge, edge.last_request("bob"), 503) == ["bob ACK", "carol INVITE"]
    assert answer(edge, edge.last_request("carol"), 503, CAROL) == ["carol ACK", "dave INVITE"]


def test_the_branches_of_one_name_share_max_breadth() -> None:
    """RFC 5393 5.3.3: two are pending after a failover."""
    edge = with_addresses(TWO)
    called(edge)
    first = edge.last_request("bob")
    edge.clock.advance(2)
    second = edge.last_request("carol")
    assert first.values(b"max-breadth") == second.values(b"max-breadth") == [b"30"]
    assert first.branch != second.branch


def test_no_more_addresses_are_tried_than_max_breadth_allows() -> None:
    """RFC 5393 5.3.3: each branch needs at least one."""
    edge = with_addresses(TWO)
    edge.transport.failing.add("192.0.2.2")
    edge.receive(request(extra=("Max-Breadth: 1",)))
    edge.stager.stagings[-1].succeed()
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 100 INVITE", "alice 503 INVITE"]


def test_a_cancel_ends_the_search_among_the_addresses() -> None:
    """RFC 3261 16.10: no new branch is created for a cancelled INVITE."""
    edge = with_addresses(TWO)
    called(edge)
    edge.receive(request("CANCEL"))
    edge.take()
    edge.clock.advance(60)
    assert not [line for line in edge.take() if "carol" in line]


def test_an_address_that_was_silent_is_tried_last_for_a_while() -> None:
    """Not every call waits for the same dead address."""
    edge = with_addresses(TWO)
    called(edge)
    edge.clock.advance(2)
    answer(edge, edge.last_request("carol"), 200, CAROL)
    edge.take()
    edge.receive(bytes(request(branch="z9hG4bK-2")).replace(b"call-1@", b"call-2@"))
    edge.stager.stagings[-1].succeed()
    edge.clock.advance(0.1)
    assert "carol INVITE" in edge.take()


def in_dialog(method: str) -> tuple[Conversation, Request]:
    edge = with_addresses(TWO)
    later = request(method, uri=NAMED, to_tag="b", extra=(ROUTE,))
    return edge, later


def test_a_request_of_a_dialog_goes_to_the_next_address_if_the_first_refuses() -> None:
    """RFC 3263 4.3: for every request outside of an existing transaction."""
    edge, bye = in_dialog("BYE")
    edge.transport.failing.add("192.0.2.2")
    edge.relay(bye)
    assert edge.take() == ["carol BYE"]
    assert answer(edge, edge.last_request("carol"), 200, CAROL) == ["alice 200 BYE"]
    assert ended(edge)


def test_a_request_of_a_dialog_goes_to_the_next_address_if_the_first_is_silent() -> None:
    edge, bye = in_dialog("BYE")
    edge.relay(bye)
    edge.clock.advance(2)
    assert edge.take()[-1] == "carol BYE"
    first = edge.last_request("bob")
    assert answer(edge, edge.last_request("carol"), 200, CAROL) == ["alice 200 BYE"]
    assert answer(edge, first, 200, BOB) == []  # a second final response to one request
    assert ended(edge)


def test_a_request_that_no_address_takes_is_answered_500() -> None:
    """RFC 3261 16.9: as if a 503 had come."""
    edge, bye = in_dialog("BYE")
    edge.transport.failing |= {"192.0.2.2", "192.0.2.3"}
    edge.receive(bye)
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 500 BYE"]
    assert ended(edge)


def test_a_provisional_response_ends_the_search_for_a_living_address() -> None:
    edge, info = in_dialog("INFO")
    edge.relay(info)
    assert edge.take() == ["bob INFO"]
    assert answer(edge, edge.last_request("bob"), 100, tag="") == []
    edge.clock.advance(20)
    assert not [line for line in edge.take() if "carol" in line]


def test_a_later_invite_goes_to_the_next_address_only_if_the_first_refuses() -> None:
    """RFC 3261 14.1: a second copy at the same user agent would be refused while it is silent."""
    edge, invite = in_dialog("INVITE")
    edge.relay(invite)
    edge.clock.advance(20)
    assert not [line for line in edge.take() if "carol" in line]
    edge, invite = in_dialog("INVITE")
    edge.transport.failing.add("192.0.2.2")
    edge.relay(invite)
    assert edge.take() == ["alice 100 INVITE", "carol INVITE"]


def test_the_ack_goes_to_the_address_that_took_the_invite() -> None:
    """RFC 3261 13.2.2.4: it gets no response, so nothing would show that it was lost."""
    edge, invite = in_dialog("INVITE")
    edge.transport.failing.add("192.0.2.2")
    edge.relay(invite)
    edge.take()
    edge.relay(request("ACK", uri=NAMED, branch="z9hG4bK-ack", to_tag="b", extra=(ROUTE,)))
    assert edge.take() == ["carol ACK"]


def test_a_look_up_is_made_for_the_peer_that_sent_the_request() -> None:
    edge, bye = in_dialog("BYE")
    edge.relay(bye)
    assert edge.resolver.sources == [ALICE.host]


# The order.

ADDRESSES = [flow.host for flow in (ALICE, BOB, CAROL, DAVE)]


def locator() -> tuple[Locator, FakeClock]:
    clock = FakeClock()
    interfaces = Interfaces((Interface("UDP", "198.51.100.1", "a", 5060),))
    return Locator(interfaces, FakeResolver(clock, {"n": " ".join(ADDRESSES)}), clock), clock


def found(locator: Locator, clock: FakeClock) -> list[Flow]:
    flows: list[Flow] = []

    def located(flow: Flow | None, further: Sequence[Flow]) -> None:
        assert flow is not None
        flows.extend([flow, *further])

    locator.find(Routed(request(), None, parse_uri(b"sip:n")), ALICE, located)
    clock.advance(0.1)
    return flows


@given(st.lists(st.sampled_from(ADDRESSES), max_size=6))
def test_every_address_is_tried_once_and_those_that_failed_come_last(failed: list[str]) -> None:
    finder, clock = locator()
    for host in failed:
        finder.try_last(BOB._replace(host=host))
    hosts = [flow.host for flow in found(finder, clock)]
    well = [host for host in ADDRESSES if host not in failed]
    assert hosts == well + [host for host in ADDRESSES if host in failed]
    clock.advance(UNREACHABLE_TIME)
    assert [flow.host for flow in found(finder, clock)] == ADDRESSES


def test_the_number_of_addresses_that_are_tried_last_is_bounded() -> None:
    finder, _ = locator()
    for port in range(MAX_AVOIDED + 5):
        finder.try_last(BOB._replace(port=port))
    assert len(finder.unreachable) == MAX_AVOIDED


@pytest.mark.parametrize("addresses", ["", "2001:db8::7"])
def test_a_name_without_an_address_of_our_own_family_is_out_of_reach(addresses: str) -> None:
    edge = Conversation(
        "sip:upstream.example", interfaces=(Interface("UDP", "198.51.100.1", "a", 5060),)
    )
    edge.resolver.names["upstream.example"] = addresses
    assert called(edge) == ["alice 100 INVITE", "alice 503 INVITE"]
