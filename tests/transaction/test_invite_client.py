"""RFC 3261 17.1.1: timers A, B and D; the Accepted state is in test_accepted.py."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest

from sip_stager.transaction.base import TransactionState
from sip_stager.transaction.invite_client import InviteClientTransaction
from tests.support.conversation import BOB
from tests.transaction.layer_scene import QUICK, SLOW, TCP_TO_BOB, USUAL, RecordingUser, Scene

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request
    from sip_stager.transaction.timers import Timers


def ringing(scene: Scene, flow: Flow, *, heard: bool) -> tuple[Request, RecordingUser]:
    """Send an INVITE; ``heard`` receives a provisional response, so that it is Proceeding."""
    sent, user = scene.send("INVITE", flow)
    if heard:
        scene.answer(sent, 180)
        user.results.clear()
    assert scene.client.state is (
        TransactionState.PROCEEDING if heard else TransactionState.CALLING
    )
    assert scene.take() == ["INVITE"]
    return sent, user


EITHER = pytest.mark.parametrize("heard", [False, True], ids=["calling", "proceeding"])


def test_a_new_transaction_is_calling_and_sends_its_invite(scene: Scene, flow: Flow) -> None:
    """RFC 3261 17.1.1.2: "The initial state, "calling", MUST be entered when the TU initiates a
    new client transaction with an INVITE request."

    RFC 3261 17.1.1.2: "The client transaction MUST pass the request to the transport layer for
    transmission."
    """
    sent, _ = scene.send("INVITE", flow)
    assert scene.client.state is TransactionState.CALLING
    assert scene.transport.sent == [(bytes(sent), flow)]


@pytest.mark.parametrize(
    ("timers", "expected"),
    [
        (USUAL, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),
        (QUICK, [0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75]),
        (SLOW, [0, 1, 3, 7, 15, 31, 63]),
    ],
)
def test_timer_a_is_t1_and_doubles(timers: Timers, expected: list[float]) -> None:
    """RFC 3261 17.1.1.2: "If an unreliable transport is being used, the client transaction MUST
    start timer A with a value of T1."

    RFC 3261 17.1.1.2: "When timer A fires, the client transaction MUST retransmit the request by
    passing it to the transport layer, and MUST reset the timer with a value of 2*T1."

    RFC 3261 17.1.1.2: "This process MUST continue so that the request is retransmitted with
    intervals that double after each transmission."

    RFC 3261 17.1.1.2: "Whatever the value of T1, the exponential backoffs on retransmissions
    described in this section MUST be used."
    """
    scene = Scene(timers)
    scene.send("INVITE")
    assert scene.times("INVITE", 200) == expected


def test_timer_a_is_not_started_over_a_reliable_transport(scene: Scene) -> None:
    """RFC 3261 17.1.1.2: "If a reliable transport is being used, the client transaction SHOULD
    NOT start timer A (Timer A controls request retransmissions)."
    """
    scene.send("INVITE", TCP_TO_BOB)
    assert scene.times("INVITE", 200) == [0]


def test_a_retransmission_is_the_same_message_to_the_same_address(scene: Scene) -> None:
    """RFC 3261 17.1.1.2: "The formal definition of retransmit within the context of the
    transaction layer is to take the message previously sent to the transport layer and pass it to
    the transport layer once more."
    """
    sent, _ = scene.send("INVITE")
    scene.clock.advance(0.5)
    assert scene.transport.sent == [(bytes(sent), BOB)] * 2


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 16), (SLOW, 64)])
def test_timer_b_times_out_after_64_t1_without_an_ack(
    timers: Timers, seconds: float, flow: Flow
) -> None:
    """RFC 3261 17.1.1.2: "For any transport, the client transaction MUST start timer B with a
    value of 64*T1 seconds (Timer B controls transaction timeouts)."

    RFC 3261 17.1.1.2: "If the client transaction is still in the "Calling" state when timer B
    fires, the client transaction SHOULD inform the TU that a timeout has occurred."

    RFC 3261 17.1.1.2: "The client transaction MUST NOT generate an ACK."
    """
    scene = Scene(timers)
    _, user = scene.send("INVITE", flow)
    assert scene.lifetime() == seconds
    assert user.results == ["timed out"]
    assert set(scene.take()) == {"INVITE"}
    assert scene.over


def test_a_provisional_response_ends_the_retransmissions_and_timer_b(scene: Scene) -> None:
    """RFC 3261 17.1.1.2: "In the "Proceeding" state, the client transaction SHOULD NOT retransmit
    the request any longer."
    """
    sent, user = scene.send("INVITE")
    scene.answer(sent, 100)
    assert scene.times("INVITE", 200) == [0]
    assert user.results == ["100"]
    assert scene.client.state is TransactionState.PROCEEDING


def test_every_provisional_response_goes_to_the_user(scene: Scene, flow: Flow) -> None:
    """RFC 3261 17.1.1.2: "Furthermore, the provisional response MUST be passed to the TU."

    RFC 3261 17.1.1.2: "Any further provisional responses MUST be passed up to the TU while in the
    "Proceeding" state."
    """
    sent, user = scene.send("INVITE", flow)
    for status in (100, 180, 183, 180, 199):
        scene.answer(sent, status)
    assert user.results == ["100", "180", "183", "180", "199"]


@EITHER
@pytest.mark.parametrize("status", [300, 486, 503, 699])
def test_a_non_2xx_is_acknowledged_over_any_transport_and_passed(
    scene: Scene, flow: Flow, status: int, *, heard: bool
) -> None:
    """RFC 3261 17.1.1.2: "When in either the "Calling" or "Proceeding" states, reception of a
    response with status code from 300-699 MUST cause the client transaction to transition to
    "Completed"."

    RFC 3261 17.1.1.2: "The client transaction MUST pass the received response up to the TU, and
    the client transaction MUST generate an ACK request, even if the transport is reliable [...]
    and then pass the ACK to the transport layer for transmission."

    RFC 3261 17.1.1.2: "The ACK MUST be sent to the same address, port, and transport to which the
    original request was sent."
    """
    sent, user = ringing(scene, flow, heard=heard)
    scene.answer(sent, status)
    assert scene.client.state is TransactionState.COMPLETED
    assert scene.take() == ["ACK"]
    assert scene.transport.sent[-1][1] == flow
    assert user.results == [str(status)]


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 32), (SLOW, 64)])
def test_timer_d_is_at_least_32_seconds_and_0_over_a_reliable_transport(
    timers: Timers, seconds: float, flow: Flow
) -> None:
    """RFC 3261 17.1.1.2: "The client transaction SHOULD start timer D when it enters the
    "Completed" state, with a value of at least 32 seconds for unreliable transports, and a value
    of zero seconds for reliable transports."

    RFC 3261 17.1.1.2: "If timer D fires while the client transaction is in the "Completed" state,
    the client transaction MUST move to the terminated state."
    """
    scene = Scene(timers)
    sent, _ = scene.send("INVITE", flow)
    scene.answer(sent, 486)
    assert scene.lifetime() == (seconds if flow == BOB else 0)
    assert scene.over


def test_a_retransmitted_non_2xx_is_acknowledged_again_and_not_passed(scene: Scene) -> None:
    """RFC 3261 17.1.1.2: "Any retransmissions of the final response that are received while in the
    "Completed" state MUST cause the ACK to be re-passed to the transport layer for retransmission,
    but the newly received response MUST NOT be passed up to the TU."

    RFC 3261 17.1.1.2: "A retransmission of the response is defined as any response which would
    match the same client transaction based on the rules of Section 17.1.3."
    """
    sent, user = scene.send("INVITE")
    for status in (486, 486, 503):
        scene.answer(sent, status)
    assert scene.take() == ["INVITE", "ACK", "ACK", "ACK"]
    assert scene.transport.sent[1] == scene.transport.sent[2] == scene.transport.sent[3]
    assert user.results == ["486"]


def test_other_responses_are_dropped_after_a_non_2xx(scene: Scene) -> None:
    """RFC 6026 8.4, figure 5: "Completed" handles only 300-699 and timer D."""
    sent, user = scene.send("INVITE")
    for status in (486, 180, 200):
        scene.answer(sent, status)
    assert scene.take() == ["INVITE", "ACK"]
    assert user.results == ["486"]
    assert scene.client.state is TransactionState.COMPLETED


@pytest.mark.parametrize(("status", "sent_since"), [(200, []), (486, ["ACK"])])
def test_a_terminated_transaction_is_destroyed(
    scene: Scene, status: int, sent_since: list[str]
) -> None:
    """RFC 3261 17.1.1.2: "The client transaction MUST be destroyed the instant it enters the
    "Terminated" state."
    """
    sent, user = scene.send("INVITE")
    scene.answer(sent, status)
    assert scene.lifetime() == 32
    scene.answer(sent, status)
    assert scene.dropped == ["stray_response"]
    assert user.results == [str(status)]
    assert scene.take() == ["INVITE", *sent_since]


def given_up_in_time(scene: Scene) -> None:
    client = scene.client
    assert isinstance(client, InviteClientTransaction)
    client.start_cancel_timer()


def test_a_cancelled_invite_times_out_after_64_t1(scene: Scene, flow: Flow) -> None:
    """RFC 3261 9.1: "If there is no final response for the original request in 64*T1 seconds [...]
    the client SHOULD then consider the original transaction cancelled and SHOULD destroy the
    client transaction handling the original request."
    """
    _, user = ringing(scene, flow, heard=True)
    scene.clock.advance(100)
    given_up_in_time(scene)
    assert scene.lifetime() == 32
    assert user.results == ["timed out"]
    assert scene.over


@pytest.mark.parametrize("status", [200, 487])
def test_a_cancelled_invite_with_a_final_response_does_not_time_out(
    scene: Scene, status: int
) -> None:
    sent, user = ringing(scene, BOB, heard=True)
    given_up_in_time(scene)
    scene.answer(sent, status)
    scene.clock.advance(100)
    assert user.results == [str(status)]


def test_a_transaction_that_was_terminated_is_silent(scene: Scene) -> None:
    sent, user = scene.send("INVITE")
    client = scene.client
    client.terminate()
    assert client.request is None
    scene.answer(sent, 200)
    assert scene.times("INVITE", 100) == [0]
    assert user.results == []
    assert scene.dropped == ["stray_response"]


@pytest.mark.parametrize(("status", "more_passed"), [(200, True), (486, False)])
def test_a_state_keeps_only_what_it_needs(scene: Scene, status: int, *, more_passed: bool) -> None:
    sent, user = scene.send("INVITE")
    reference = weakref.ref(user)
    del user
    scene.answer(sent, 180)
    kept = [scene.client.request]
    scene.answer(sent, status)
    assert [*kept, scene.client.request] == [bytes(sent), None]
    assert [reference() is not None, scene.lifetime(), reference() is not None] == [
        more_passed,
        32,
        False,
    ]
