"""A request of a dialog that is not an INVITE: RFC 3261 16.7 and RFC 4320."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.calls import answer, ended
from tests.support.conversation import ALICE, BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def bye(uri: str = "sip:bob@192.0.2.2", route: str = ROUTE) -> Request:
    return request("BYE", uri, to_tag="bob", cseq=2, extra=(route,))


def relayed(edge: Conversation) -> Request:
    """Relay alice's BYE; return the request that bob gets."""
    edge.receive(bye())
    assert edge.take() == ["bob BYE"]
    return edge.last_request("bob")


@pytest.mark.parametrize("status", [100, 180, 183])
def test_a_provisional_response_is_not_passed_back(edge: Conversation, status: int) -> None:
    """RFC 4320 4.1: "An SIP element MUST NOT send any provisional response with a Status-Code other
    than 100 to a non-INVITE request." Our own 100 comes in its time, and no other.
    """
    asked = relayed(edge)
    assert answer(edge, asked, status) == []
    edge.clock.advance(3.4)
    assert "alice 100 BYE" not in edge.take()
    edge.clock.advance(0.1)
    assert "alice 100 BYE" in edge.take()


def test_a_timeout_gets_no_408(edge: Conversation) -> None:
    """RFC 4320 4.2: "A transaction-stateful SIP element MUST NOT send a response with Status-Code
    of 408 to a non-INVITE request. As a consequence, an element that cannot respond before the
    transaction expires will not send a final response at all."
    """
    relayed(edge)
    edge.clock.advance(33)
    assert set(edge.take()) == {"bob BYE", "alice 100 BYE"}
    assert ended(edge)


def test_a_408_of_the_peer_is_not_forwarded(edge: Conversation) -> None:
    """RFC 4320 4.2: a retransmission is not forwarded anew."""
    asked = relayed(edge)
    assert answer(edge, asked, 408) == []
    edge.receive(bye())
    assert edge.take() == []
    assert ended(edge)


@pytest.mark.parametrize("status", [200, 302, 404, 407, 481, 500, 603])
def test_one_final_response_is_forwarded_at_once(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 5: "This step, combined with the next, ensures that a stateful proxy will
    forward exactly one final response to a non-INVITE request"
    """
    asked = relayed(edge)
    assert answer(edge, asked, status) == [f"alice {status} BYE"]
    first = edge.transport.sent[-1][0]
    assert answer(edge, asked, 200 if status != 200 else 404) == []
    edge.receive(bye())
    assert edge.take() == [f"alice {status} BYE"]
    assert edge.transport.sent[-1][0] == first
    assert ended(edge)


def test_a_late_final_response_is_not_forwarded(edge: Conversation) -> None:
    """RFC 4320 4.2: "A transaction-stateful SIP proxy MUST NOT send any response to a non-INVITE
    request unless it has a matching server transaction that is not in the Terminated state."
    """
    asked = relayed(edge)
    edge.clock.advance(33)
    edge.take()
    assert answer(edge, asked, 200) == []
    assert edge.dropped == ["stray_response"]


@pytest.mark.parametrize("status", [180, 200])
def test_a_response_without_a_via_behind_ours_is_not_forwarded(
    edge: Conversation, status: int
) -> None:
    """RFC 3261 16.7 step 3: "If no Via header field values remain in the response, the response was
    meant for this element and MUST NOT be forwarded."
    """
    came = response(relayed(edge), status)
    own = came.fields[came.names.index(b"via")]
    edge.receive(came.without(b"via").with_first(b"via", own), BOB)
    assert edge.take() == ([] if status == 180 else ["alice 500 BYE"])


def test_two_crossing_byes_are_both_answered(edge: Conversation) -> None:
    """RFC 5407: both sides hang up at once, and each BYE gets its response."""
    asked = relayed(edge)
    edge.receive(
        request("BYE", "sip:alice@192.0.2.1", via="SIP/2.0/UDP 192.0.2.2:5060",
                branch="z9hG4bK-bobs", to_tag="alice", extra=(ROUTE,)), BOB)  # fmt: skip
    crossing = edge.last_request("alice")
    assert edge.take() == ["alice BYE"]
    assert answer(edge, asked, 481) == ["alice 481 BYE"]
    assert answer(edge, crossing, 200, ALICE) == ["bob 200 BYE"]
    assert ended(edge)


def test_a_bye_in_an_early_dialog_is_forwarded(edge: Conversation) -> None:
    """RFC 5407: a caller may hang up in an early dialog; its INVITE ends with 487 after."""
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    invite = edge.last_request("bob")
    answer(edge, invite, 180)
    edge.receive(request("BYE", "sip:bob@192.0.2.2", branch="z9hG4bK-early", to_tag="bob", cseq=2,
                         extra=(ROUTE,)))  # fmt: skip
    assert edge.take() == ["bob BYE"]
    assert answer(edge, edge.last_request("bob"), 200) == ["alice 200 BYE"]
    assert answer(edge, invite, 487) == ["bob ACK", "alice 487 INVITE"]


def test_an_ack_to_a_contact_without_an_address_is_dropped(edge: Conversation) -> None:
    edge.receive(request("ACK", "sip:bob@nowhere.example", to_tag="bob", extra=(ROUTE,)))
    edge.clock.advance(0.1)
    assert edge.take() == []
    assert edge.dropped == ["unroutable"]


def test_an_unreadable_from_of_a_new_call_is_answered_400(edge: Conversation) -> None:
    edge.receive(bytes(request()).replace(b'From: "Alice" <', b'From: "Alice '))
    assert edge.take() == ["alice 400 INVITE"]


def test_a_from_without_a_tag_makes_no_dialog_of_our_route(edge: Conversation) -> None:
    asked = bytes(request("UPDATE", "sip:bob@192.0.2.2", extra=(ROUTE,)))
    edge.receive(asked.replace(b">;tag=alice", b'>;x="'))
    assert edge.take() == ["alice 400 UPDATE"]
    edge.receive(asked.replace(b">;tag=alice", b">", 1).replace(b"z9hG4bK", b"z9hG4bK2"))
    assert edge.take() == ["alice 481 UPDATE"]


def test_an_odd_from_does_not_hide_the_tag_of_its_dialog(edge: Conversation) -> None:
    """RFC 3261 16.3: what the proxy does not need decides over no request."""
    asked = bytes(request("UPDATE", "sip:bob@192.0.2.2", extra=(ROUTE,)))
    edge.receive(asked.replace(b">;tag=alice", b";tag=alice"))
    assert edge.take() == ["bob UPDATE"]


def test_an_unreadable_to_is_answered_400(edge: Conversation) -> None:
    asked = bytes(request("OPTIONS")).replace(b"To: <", b'To: "')
    edge.receive(asked)
    assert edge.take() == ["alice 400 OPTIONS"]
    assert "internal_error" not in edge.dropped
