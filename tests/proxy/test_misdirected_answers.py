"""RFC 3261 16.7 step 3 for a 2xx: the answer of a callee that lost the Via of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.events import CallEnded, MessageDropped, StagingWasted
from sip_stager.model.vocabulary import CallOutcome, WasteReason
from tests.support.calls import answer, called, cancelled, ended, without_requester
from tests.support.conversation import BOB, CAROL, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request

OTHER = b"Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK-another"
OURS_TWICE = b"v: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-another"


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def misdirected(
    edge: Conversation,
    invite: Request,
    status: int = 200,
    source: Flow = BOB,
    other: bytes = b"",
    **parts: Any,
) -> list[str]:
    """Answer without the caller's Via; return the messages that follow."""
    edge.receive(without_requester(response(invite, status, **parts), other), source)
    return edge.take()


def outcomes(edge: Conversation) -> list[tuple[str, int]]:
    return [(event.outcome, event.status) for event in edge.of(CallEnded)]


@pytest.mark.parametrize("other", [b"", OTHER, OURS_TWICE])
@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("rings", [False, True])
def test_a_2xx_without_the_callers_via_is_dropped_and_the_right_one_passes(
    edge: Conversation, status: int, other: bytes, *, rings: bool
) -> None:
    """RFC 3261 16.7 step 3: "If no Via header field values remain in the response, the response was
    meant for this element and MUST NOT be forwarded."

    RFC 6026 7.2: the client transaction passes every 2xx on, so the right one still counts.
    """
    invite = called(edge)
    if rings:
        answer(edge, invite, 180)
    assert misdirected(edge, invite, status, other=other) == []
    assert edge.dropped == ["stray_response"]
    assert [event.flow for event in edge.of(MessageDropped)] == [BOB]
    edge.clock.advance(20)
    assert edge.take() == []
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
    ack = request("ACK", "sip:bob@192.0.2.2", branch="z9hG4bK-ack", to_tag="bob", extra=(ROUTE,))
    edge.receive(ack)
    assert edge.take() == ["bob ACK"]
    assert outcomes(edge) == [(CallOutcome.ANSWERED, 200)]
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
    assert ended(edge)
    assert edge.take() == []


def test_the_wait_for_the_right_2xx_is_bounded(edge: Conversation) -> None:
    """Repeated wrong ones do not prolong it: after 64*T1 no other 2xx would reach us."""
    invite = called(edge)
    for _ in range(7):
        assert misdirected(edge, invite) == []
        edge.clock.advance(4)
    assert edge.take() == []
    edge.clock.advance(4)
    assert edge.take()[0] == "alice 500 INVITE"
    assert outcomes(edge) == [(CallOutcome.REJECTED, 500)]
    (event,) = edge.of(CallEnded)
    assert event.received is not None
    assert event.received.status == 200
    assert [event.reason for event in edge.of(StagingWasted)] == [WasteReason.REJECTED]
    assert ended(edge)


def test_nobody_else_is_tried_once_one_target_has_answered() -> None:
    """RFC 3261 6: "A 2xx or 6xx class final response always terminates a sequential search."

    A second target would get the staged id that the first has used.
    """
    edge = Conversation(backups=("sip:192.0.2.3",), redirects=2)
    assert misdirected(edge, called(edge)) == []
    edge.clock.advance(31)
    assert edge.take() == []
    edge.clock.advance(2)
    assert {line.split()[0] for line in edge.take()} == {"alice"}
    assert edge.last_response("alice").status == 500
    assert edge.stager.returned_unused == []
    assert ended(edge)


def test_a_caller_who_cancels_meanwhile_gets_487_at_once(edge: Conversation) -> None:
    """RFC 3261 9.1: an INVITE that has its final response is not cancelled upstream."""
    invite = called(edge)
    answer(edge, invite, 180)
    misdirected(edge, invite)
    assert cancelled(edge) == ["alice 200 CANCEL", "alice 487 INVITE"]
    assert answer(edge, invite, 200) == []
    assert outcomes(edge) == [(CallOutcome.CANCELLED, 487)]
    assert ended(edge)


def test_a_wrong_2xx_that_crosses_a_cancel_ends_the_call_with_487(edge: Conversation) -> None:
    invite = called(edge)
    answer(edge, invite, 180)
    assert cancelled(edge) == ["alice 200 CANCEL", "bob CANCEL"]
    assert misdirected(edge, invite) == ["alice 487 INVITE"]
    assert ended(edge)


def test_a_wrong_2xx_after_a_failover_cancels_the_next_target() -> None:
    """RFC 3261 16.7 step 10: it is cancelled as after any 2xx, and the right one passes."""
    edge = Conversation(backups=("sip:192.0.2.3", "sip:192.0.2.4"))
    bob = called(edge)
    edge.clock.advance(2)
    carol = edge.last_request("carol")
    answer(edge, carol, 180, CAROL)
    assert misdirected(edge, bob) == ["carol CANCEL"]
    assert answer(edge, carol, 487, CAROL) == ["carol ACK"]
    assert answer(edge, bob, 200) == ["alice 200 INVITE"]
    assert outcomes(edge) == [(CallOutcome.ANSWERED, 200)]
    assert ended(edge)
    assert not [line for line in edge.take() if "dave" in line]


def test_the_program_stops_while_the_right_2xx_is_awaited(edge: Conversation) -> None:
    misdirected(edge, called(edge))
    edge.shutdown.end_calls()
    assert edge.take() == ["alice 503 INVITE"]
    assert ended(edge)


def test_a_re_invite_awaits_its_right_2xx_too(edge: Conversation) -> None:
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", cseq=2, to_tag="bob", extra=(ROUTE,)))
    invite = edge.last_request("bob")
    edge.take()
    assert misdirected(edge, invite) == []
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
    assert ended(edge)


def test_a_wrong_refusal_is_a_500_of_its_target() -> None:
    """RFC 3261 16.7 step 3 with step 6: the next target is tried, as after any refusal."""
    edge = Conversation(backups=("sip:192.0.2.3",))
    assert misdirected(edge, called(edge), 486) == ["bob ACK", "carol INVITE"]
    carol = edge.last_request("carol")
    assert misdirected(edge, carol, 486, CAROL) == ["carol ACK", "alice 500 INVITE"]
    assert ended(edge)


def test_a_wrong_6xx_ends_the_search() -> None:
    """RFC 3261 16.7 step 5: "it MUST NOT create any new branches in this context." """
    edge = Conversation(backups=("sip:192.0.2.3",))
    assert misdirected(edge, called(edge), 603) == ["bob ACK", "alice 500 INVITE"]
    assert ended(edge)


def test_a_requester_without_a_branch_has_a_via_all_the_same(edge: Conversation) -> None:
    """A caller of RFC 2543: without a Via of its own, no response is forwarded to it."""
    edge.receive(bytes(request()).replace(b";branch=z9hG4bK-alice-1", b""))
    edge.stager.stagings[0].succeed()
    edge.take()
    invite = edge.last_request("bob")
    assert misdirected(edge, invite) == []
    spaced = without_requester(response(invite, 200))
    edge.receive(bytes(spaced).replace(b"Via: SIP/2.0", b"Via : SIP / 2.0"), BOB)
    assert edge.take() == []
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
