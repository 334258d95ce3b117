"""How a call ends is reported once, with the messages that say why."""

from __future__ import annotations

import pytest

from sip_stager.events import CallAcknowledged, CallEnded, CallHungUp, CallRefused
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.support.calls import answer, called
from tests.support.conversation import ALICE, BOB, ROUTE, SEAL, STRANGER, USER, Conversation
from tests.support.messages import request


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def later(method: str, cseq: int = 2) -> bytes:
    """Return a request of alice's dialog."""
    branch = f"z9hG4bK-{method}"
    extra = (ROUTE,)
    return bytes(
        request(method, "sip:bob@192.0.2.2", branch=branch, to_tag="bob", cseq=cseq, extra=extra)
    )


def test_a_rejected_call_is_reported_with_both_responses(edge: Conversation) -> None:
    answer(edge, called(edge), 503, extra=('Warning: 399 x "no worker free"',))
    [event] = edge.of(CallEnded)
    assert event.received is not None
    assert event.sent is not None
    assert (event.received.status, event.sent.status) == (503, 500)
    assert event.received.value(b"warning") == b'399 x "no worker free"'


def test_a_cancelled_call_is_reported_with_its_cancel_and_the_time_of_it(
    edge: Conversation,
) -> None:
    invite = called(edge)
    answer(edge, invite, 180)
    edge.clock.advance(2)
    edge.receive(request("CANCEL", extra=("Reason: Q.850;cause=16",)))
    answer(edge, invite, 487)
    [event] = edge.of(CallEnded)
    assert event.cancel is not None
    assert event.cancel.value(b"reason") == b"Q.850;cause=16"
    assert event.ringing is not None
    assert event.cancelled is not None
    assert event.ringing + 2 <= event.cancelled <= event.elapsed


def test_a_call_that_is_cancelled_while_it_is_staged_is_reported_the_same_way(
    edge: Conversation,
) -> None:
    edge.receive(request())
    edge.clock.advance(1)
    edge.receive(request("CANCEL"))
    [event] = edge.of(CallEnded)
    assert event.cancel is not None
    assert event.sent is not None
    assert (event.sent.status, event.received, event.cancelled) == (487, None, 1)


def test_the_ack_and_the_answered_bye_of_a_call_are_reported(edge: Conversation) -> None:
    answer(edge, called(edge), 200)
    edge.receive(later("ACK", 1))
    edge.receive(later("BYE"))
    assert edge.of(CallHungUp) == []
    answer(edge, edge.last_request("bob"), 200)
    [acknowledged], [hung_up] = edge.of(CallAcknowledged), edge.of(CallHungUp)
    assert acknowledged.ack.call_id == hung_up.bye.call_id == b"call-1@192.0.2.1"
    assert hung_up.response is not None
    assert hung_up.response.status == 200
    assert hung_up.seal == USER.encode()


def test_a_bye_without_a_response_is_reported_once_it_is_given_up(edge: Conversation) -> None:
    edge.receive(later("BYE"))
    edge.clock.advance(33)
    [event] = edge.of(CallHungUp)
    assert event.response is None


@pytest.mark.parametrize("source", [ALICE, BOB, STRANGER])
def test_a_bye_without_our_seal_ends_no_call(edge: Conversation, source: object) -> None:
    bye = later("BYE").replace(USER.encode(), b"forged")
    edge.receive(bye, source)  # type: ignore[arg-type]
    assert edge.of(CallHungUp) == []


def test_another_request_of_a_dialog_ends_no_call(edge: Conversation) -> None:
    edge.receive(later("INFO"))
    answer(edge, edge.last_request("bob"), 200)
    assert edge.of(CallHungUp) == []


@pytest.mark.parametrize(("hops", "status"), [("0", 483), ("x", 400)])
def test_an_invalid_invite_is_reported_as_refused(
    edge: Conversation, hops: str, status: int
) -> None:
    edge.receive(request(max_forwards=hops))
    [event] = edge.of(CallRefused)
    assert (event.status, event.cause) == (status, RefusalCause.INVALID_REQUEST)


def test_the_seal_tells_which_side_hung_up() -> None:
    bye = request("BYE", to_tag="bob", cseq=2)
    assert SEAL.sent_by_caller(USER.encode(), bye)
    from_bob = bytes(bye).replace(b"tag=alice", b"tag=swap").replace(b"tag=bob", b"tag=alice")
    other = parse(from_bob)
    assert isinstance(other, Request)
    assert not SEAL.sent_by_caller(USER.encode(), other)
