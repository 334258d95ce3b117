"""Stopping: no new calls, and an end to those that ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.events import CallEnded, CallRefused
from sip_stager.model.call import Policy
from tests.support.conversation import BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


def ringing() -> Conversation:
    """Place a call that rings upstream, and refuse new calls."""
    edge = Conversation()
    edge.receive(response(edge.forward(request()), 180), BOB)
    edge.take()
    edge.shutdown.refuse_new_calls()
    return edge


def another() -> bytes:
    return bytes(request(branch="z9hG4bK-another")).replace(b"call-1@", b"call-2@")


def test_a_new_call_is_refused_with_the_status_of_its_policy_and_retry_after() -> None:
    edge = Conversation()
    edge.shutdown.refuse_new_calls()
    edge.receive(another())
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.value(b"retry-after")) == (503, b"5")
    (told,) = edge.of(CallRefused)
    assert told.cause == "stopped"
    edge.admission.policy = Policy(refusal=480)
    edge.receive(another().replace(b"call-2@", b"call-3@").replace(b"-another", b"-third"))
    assert edge.last_response("alice").status == 480
    assert edge.stager.stagings == []


def test_options_gets_503() -> None:
    """RFC 3261 11.2: the response code "MUST be the same that would have been chosen had the
    request been an INVITE"."""
    edge = Conversation()
    edge.shutdown.refuse_new_calls()
    edge.receive(request("OPTIONS"))
    answer = edge.last_response("alice")
    assert (answer.status, answer.value(b"retry-after")) == (503, b"5")


def test_a_bye_without_a_dialog_gets_481_as_ever() -> None:
    """RFC 3261 21.5.4: a 503 would keep the sender from hanging up its other calls."""
    edge = ringing()
    edge.receive(request("BYE", branch="z9hG4bK-bye", cseq=2))
    assert edge.take() == ["alice 481 BYE"]


def test_options_gets_503_in_an_outage_if_the_trunk_wants_that() -> None:
    """RFC 3261 11.2: the response code "MUST be the same that would have been chosen had the
    request been an INVITE". The cause is for every call, but may end at any moment: no Retry-After.
    """
    edge = Conversation()
    edge.admission.outage = "breaker_open: the API failed too often"
    edge.receive(request("OPTIONS"))
    answer = edge.last_response("alice")
    assert (answer.status, answer.value(b"retry-after")) == (503, None)
    warning = b'399 sip-stager "breaker_open: the API failed too often"'
    assert answer.value(b"warning") == warning
    edge.admission.outage = ""
    edge.receive(request("OPTIONS", branch="z9hG4bK-later"))
    assert edge.last_response("alice").status == 200


def test_a_ringing_call_may_still_be_answered() -> None:
    edge = ringing()
    assert edge.shutdown.pending == 1
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert edge.take() == ["alice 200 INVITE"]
    assert edge.shutdown.pending == 0
    bye = request("BYE", "sip:bob@192.0.2.2", branch="z9hG4bK-bye", to_tag="bob", cseq=2,
                  extra=(ROUTE,))  # fmt: skip
    edge.relay(bye)
    assert edge.take() == ["bob BYE"]


def test_a_ringing_call_is_cancelled_upstream_and_refused_at_the_end() -> None:
    edge = ringing()
    edge.shutdown.end_calls()
    assert sorted(edge.take()) == ["alice 503 INVITE", "bob CANCEL"]
    assert edge.shutdown.pending == 0
    assert b"stopped" in (edge.last_response("alice").value(b"warning") or b"")
    (ended,) = edge.of(CallEnded)
    assert (ended.outcome, ended.status) == ("stopped", 503)


def test_a_ringing_call_is_refused_with_the_status_of_its_policy() -> None:
    edge = Conversation()
    edge.admission.policy = Policy(refusal=480)
    edge.receive(response(edge.forward(request()), 180), BOB)
    edge.shutdown.end_calls()
    assert edge.last_response("alice").status == 480


def test_a_re_invite_ends_with_500_and_its_call_goes_on() -> None:
    """RFC 3261 12.2.1.2: 481 and 408 would end the dialog, and 503 would mean that no call is
    possible.
    """
    edge = Conversation()
    edge.relay(request(uri="sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,)))
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.shutdown.end_calls()
    assert edge.last_response("alice").status == 500
    assert edge.of(CallEnded) == []


def test_an_answered_call_is_not_stopped() -> None:
    edge = Conversation()
    edge.receive(response(edge.forward(request()), 200), BOB)
    edge.take()
    edge.shutdown.end_calls()
    assert edge.take() == []


def test_a_call_being_staged_is_refused_and_its_staging_cancelled() -> None:
    edge = Conversation()
    edge.receive(another())
    edge.shutdown.end_calls()
    assert edge.last_response("alice").status == 503
    assert edge.stager.stagings[0].cancelled
    (told,) = edge.of(CallRefused)
    assert told.cause == "stopped"


def test_both_copies_of_a_call_are_refused() -> None:
    edge = Conversation()
    edge.receive(another())
    edge.receive(another().replace(b"-another", b"-by-another-way"))
    edge.take()
    edge.shutdown.end_calls()
    assert edge.take() == ["alice 503 INVITE", "alice 503 INVITE"]
    edge.clock.advance(1)
    assert edge.shutdown.pending == 0


class Mistaken:
    """An owner of an INVITE whose ``stop`` raises."""

    origin = b"", ""

    def cancel(self, cancel: Request) -> None:
        raise AssertionError

    def stop(self) -> None:
        raise ZeroDivisionError


def test_every_call_is_stopped_even_if_one_raises() -> None:
    edge = Conversation()
    edge.receive(request())
    (first,) = edge.layer.invite_servers.values()
    edge.receive(another())
    first.owner = Mistaken()
    with pytest.raises(ZeroDivisionError):
        edge.shutdown.end_calls()
    assert edge.last_response("alice").status == 503


def test_an_answered_call_is_settled_once_its_ack_may_have_come() -> None:
    """RFC 3261 13.3.1.4: the callee repeats its 2xx until the ACK comes, and hangs up without
    one.
    """
    edge = ringing()
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert edge.shutdown.settling
    edge.clock.advance(64)
    assert not edge.shutdown.settling


def test_a_cancel_is_settled_with_its_response_and_that_of_its_invite() -> None:
    edge = ringing()
    invite = edge.last_request("bob")
    edge.shutdown.end_calls()
    assert edge.shutdown.settling
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert edge.shutdown.settling
    edge.receive(response(invite, 487), BOB)
    edge.clock.advance(5)
    assert not edge.shutdown.settling
