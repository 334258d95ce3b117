"""Timer C ends calls that ring for ever (RFC 3261 16.6 step 11, 16.7 step 2 and 16.8)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from sip_stager.events import CallEnded
from sip_stager.transaction.timers import Timers
from tests.support import conversation
from tests.support.calls import answer, called, cancelled, ended
from tests.support.conversation import BOB, CAROL, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


C = Timers().c


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def rung_out(edge: Conversation) -> Request:
    """Place a call that timer C ends; return the INVITE of bob."""
    invite = called(edge)
    answer(edge, invite, 180)
    edge.clock.advance(C)
    assert edge.take() == ["bob CANCEL"]
    return invite


def test_timer_c_is_larger_than_3_minutes() -> None:
    """RFC 3261 16.6 step 11: "The timer MUST be larger than 3 minutes." """
    assert C > 180


@pytest.mark.parametrize("in_dialog", [False, True])
def test_timer_c_is_set_for_each_invite(edge: Conversation, *, in_dialog: bool) -> None:
    """RFC 3261 16.6 step 11: "Timer C MUST be set for each client transaction when an INVITE
    request is proxied."
    """
    if in_dialog:
        edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
        edge.take()
    else:
        called(edge)
    answer(edge, edge.last_request("bob"), 100, tag="")
    edge.clock.advance(C - 0.1)
    assert edge.take() == []
    edge.clock.advance(0.1)
    assert edge.take() == ["bob CANCEL"]


@pytest.mark.parametrize("status", [101, 180, 183, 199])
def test_timer_c_is_reset_by_every_provisional_response_but_100(
    edge: Conversation, status: int
) -> None:
    """RFC 3261 16.7 step 2: "if the response is a provisional response with status codes 101 to 199
    inclusive (i.e., anything but 100), the proxy MUST reset timer C for that client transaction."
    """
    invite = called(edge)
    for _ in range(3):
        edge.clock.advance(20)
        answer(edge, invite, status)
        edge.clock.advance(C - 21)
    assert edge.take() == []
    edge.clock.advance(21)
    assert edge.take() == ["bob CANCEL"]


def test_timer_c_is_not_reset_by_100(edge: Conversation) -> None:
    """RFC 3261 16.7 step 2."""
    invite = called(edge)
    answer(edge, invite, 180)
    edge.clock.advance(100)
    answer(edge, invite, 100, tag="")
    edge.clock.advance(C - 100)
    assert edge.take() == ["bob CANCEL"]


def test_timer_c_cancels_an_invite_with_a_provisional_response(edge: Conversation) -> None:
    """RFC 3261 16.8: "If timer C should fire, the proxy MUST either reset the timer with any value
    it chooses, or terminate the client transaction. If the client transaction has received a
    provisional response, the proxy MUST generate a CANCEL request matching that transaction."

    The caller hears 408, for it did not cancel anything.
    """
    invite = rung_out(edge)
    assert edge.last_request("bob").top_via == invite.top_via
    answer(edge, edge.last_request("bob"), 200)
    assert answer(edge, invite, 487) == ["bob ACK", "alice 408 INVITE"]
    assert [event.outcome for event in edge.of(CallEnded)] == ["timeout"]
    assert ended(edge)


def test_timer_c_without_a_provisional_response_is_a_408(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 3261 16.8: "If the client transaction has not received a provisional response, the proxy
    MUST behave as if the transaction received a 408 (Request Timeout) response."

    That needs a T1 so large that timer B takes longer than timer C.
    """
    monkeypatch.setattr(conversation, "Timers", partial(Timers, t1=400.0 / 64))
    edge = Conversation("sip:192.0.2.2;transport=tcp")
    invite = called(edge)
    edge.clock.advance(C)
    assert edge.take()[0] == "alice 408 INVITE"
    assert answer(edge, invite, 180) == []
    assert edge.dropped == ["stray_response"]


def test_an_invite_that_timer_c_cancelled_is_abandoned_after_64_t1(edge: Conversation) -> None:
    """RFC 3261 9.1."""
    rung_out(edge)
    edge.clock.advance(33)
    assert "alice 408 INVITE" in edge.take()
    assert ended(edge)


def test_a_2xx_that_crosses_the_cancel_of_timer_c_wins(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "Any 2xx response" is forwarded."""
    assert answer(edge, rung_out(edge), 200) == ["alice 200 INVITE"]
    assert [event.outcome for event in edge.of(CallEnded)] == ["answered"]


def test_a_refusal_that_crosses_the_cancel_of_timer_c_is_passed_back(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "the proxy MUST forward a response from the responses stored in the
    response context." Only a 487 is merely the effect of our own CANCEL.
    """
    assert answer(edge, rung_out(edge), 486) == ["bob ACK", "alice 486 INVITE"]


def test_a_provisional_response_after_timer_c_does_not_restart_it(edge: Conversation) -> None:
    """RFC 3261 16.8: the transaction is being terminated."""
    invite = rung_out(edge)
    assert answer(edge, invite, 180) == ["alice 180 INVITE"]
    edge.clock.advance(33)
    assert "alice 408 INVITE" in edge.take()


def test_a_cancel_after_timer_c_sends_no_second_cancel(
    edge: Conversation,
) -> None:
    """RFC 3261 16.7 step 10: a pending client transaction "has not had an associated CANCEL
    generated for it."
    """
    invite = rung_out(edge)
    assert cancelled(edge) == ["alice 200 CANCEL"]
    assert answer(edge, invite, 487) == ["bob ACK", "alice 487 INVITE"]


def test_timer_c_does_not_shorten_the_end_of_a_cancelled_call(edge: Conversation) -> None:
    """RFC 3261 9.1: the end of a cancelled INVITE is awaited for 64*T1, and not less."""
    invite = called(edge)
    answer(edge, invite, 180)
    edge.clock.advance(C - 1)
    assert cancelled(edge) == ["alice 200 CANCEL", "bob CANCEL"]
    edge.clock.advance(20)
    assert "alice 487 INVITE" not in edge.take()
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]


def test_no_other_target_is_tried_after_timer_c() -> None:
    """RFC 3261 16.8 with 16.6: after three minutes the caller gets a response, and the search
    ends.
    """
    edge = Conversation(backups=("sip:192.0.2.3",))
    assert answer(edge, rung_out(edge), 487) == ["bob ACK", "alice 408 INVITE"]


def test_each_target_has_its_own_timer_c() -> None:
    """RFC 3261 16.6 step 11: "for each client transaction" """
    edge = Conversation(backups=("sip:192.0.2.3",))
    invite = called(edge)
    answer(edge, invite, 180)
    edge.clock.advance(100)
    assert answer(edge, invite, 404) == ["bob ACK", "carol INVITE"]
    answer(edge, edge.last_request("carol"), 100, CAROL, tag="")
    edge.clock.advance(C - 1)
    assert edge.take() == []
    edge.clock.advance(1)
    assert edge.take() == ["carol CANCEL"]


def test_a_call_that_is_answered_has_no_timer_c(edge: Conversation) -> None:
    """RFC 3261 16.8: timer C ends client transactions, not dialogs."""
    invite = called(edge)
    answer(edge, invite, 180)
    edge.receive(response(invite, 200), BOB)
    edge.take()
    edge.clock.advance(C + 60)
    assert edge.take() == []
