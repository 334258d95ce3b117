"""A request of a dialog that is not an INVITE, where something goes wrong on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ALICE, BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def bye(uri: str = "sip:bob@192.0.2.2", route: str = ROUTE) -> Request:
    return request("BYE", uri, to_tag="bob", cseq=2, extra=(route,))


def test_a_provisional_response_goes_no_further(edge: Conversation) -> None:
    """RFC 4320 4.1: no provisional response but 100 to a non-INVITE request."""
    edge.receive(bye())
    edge.receive(response(edge.last_request("bob"), 183), BOB)
    assert edge.take() == ["bob BYE"]


def test_nobody_is_told_408_when_nobody_answers(edge: Conversation) -> None:
    """RFC 4320 4.2: a 408 to a non-INVITE request comes too late to be of use."""
    edge.receive(bye())
    edge.clock.advance(33)
    assert set(edge.take()) == {"bob BYE", "alice 100 BYE"}
    assert edge.alive == 0


def test_a_request_that_can_not_be_sent_is_answered_500(edge: Conversation) -> None:
    edge.transport.failing.add("192.0.2.2")
    edge.receive(bye())
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 500 BYE"]


def test_a_contact_without_an_address_is_answered_500(edge: Conversation) -> None:
    edge.receive(bye("sip:bob@nowhere.example"))
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 500 BYE"]


def test_a_contact_with_a_name_is_looked_up(edge: Conversation) -> None:
    edge.receive(bye("sip:bob@upstream.example"))
    edge.clock.advance(0.1)
    assert edge.take() == ["bob BYE"]


def test_an_ack_to_a_contact_without_an_address_is_dropped(edge: Conversation) -> None:
    edge.receive(request("ACK", "sip:bob@nowhere.example", to_tag="bob", extra=(ROUTE,)))
    edge.clock.advance(0.1)
    assert edge.take() == []
    assert edge.dropped == ["unroutable"]


def test_an_ack_whose_route_can_not_be_read_is_dropped(edge: Conversation) -> None:
    edge.receive(request("ACK", "sip:bob@192.0.2.2", to_tag="bob", extra=('Route: "<sip:a',)))
    assert edge.dropped == ["malformed"]


def test_a_from_that_can_not_be_read_is_answered_400_on_a_new_call(edge: Conversation) -> None:
    edge.receive(bytes(request()).replace(b'From: "Alice"', b'From: "Alice'))
    assert edge.take() == ["alice 400 INVITE"]


def test_a_to_that_can_not_be_read_is_answered_400(edge: Conversation) -> None:
    asked = bytes(request("OPTIONS")).replace(b"To: <", b'To: "<')
    edge.receive(asked)
    assert edge.take() == ["alice 400 OPTIONS"]
    assert "own_mistake" not in edge.dropped


def test_a_strict_router_behind_us_gets_its_own_uri(edge: Conversation) -> None:
    """RFC 3261 16.6 step 6: the Request-URI goes to the end of the Route."""
    edge.receive(bye("sip:bob@203.0.113.9", ROUTE + ", <sip:192.0.2.2>"), ALICE)
    sent = edge.last_request("bob")
    assert sent.uri_text == b"sip:192.0.2.2"
    assert sent.values(b"route") == [b"<sip:bob@203.0.113.9>"]
