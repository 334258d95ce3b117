"""RFC 3261 17.1.2: timers E, F and K."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest

from sip_stager.transaction.base import TransactionState
from sip_stager.transaction.timers import Timer
from tests.support.conversation import BOB
from tests.support.messages import request
from tests.transaction.layer_scene import QUICK, SLOW, TCP_TO_BOB, USUAL, Scene

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.transaction.timers import Timers

UNHEARD_OR_NOT = pytest.mark.parametrize("heard", [False, True], ids=["trying", "proceeding"])


def test_a_new_transaction_is_trying_and_sends_its_request(scene: Scene, flow: Flow) -> None:
    """RFC 3261 17.1.2.2: "The "Trying" state is entered when the TU initiates a new client
    transaction with a request."

    RFC 3261 17.1.2.2: "The request MUST be passed to the transport layer for transmission."
    """
    sent, _ = scene.send("BYE", flow)
    assert scene.client.state is TransactionState.TRYING
    assert scene.transport.sent == [(bytes(sent), flow)]


@pytest.mark.parametrize(
    ("timers", "expected"),
    [
        (USUAL, [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        (QUICK, [0, 0.25, 0.75, 1.75, 3.75, 5.75, 7.75, 9.75, 11.75, 13.75, 15.75]),
        (SLOW, [0, 1, 3, 7, 15, 23, 31, 39, 47, 55, 63]),
    ],
)
def test_timer_e_is_t1_and_doubles_up_to_t2(timers: Timers, expected: list[float]) -> None:
    """RFC 3261 17.1.2.2: "If an unreliable transport is in use, the client transaction MUST set
    timer E to fire in T1 seconds."

    RFC 3261 17.1.2.2: "If timer E fires while still in this state, the timer is reset, but this
    time with a value of MIN(2*T1, T2). When the timer fires again, it is reset to a MIN(4*T1,
    T2)."

    RFC 3261 17.1.2.2: "This process continues so that retransmissions occur with an exponentially
    increasing interval that caps at T2."
    """
    scene = Scene(timers)
    scene.send("BYE")
    assert scene.times("BYE", 200) == expected


def test_nothing_is_retransmitted_over_a_reliable_transport(scene: Scene) -> None:
    """RFC 3261 17.1.2.1: "For unreliable transports, requests are retransmitted at an interval
    which starts at T1 and doubles until it hits T2."
    """
    sent, _ = scene.send("BYE", TCP_TO_BOB)
    scene.answer(sent, 100)
    assert scene.times("BYE", 200) == [0]


@UNHEARD_OR_NOT
@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 16), (SLOW, 64)])
def test_timer_f_times_out_after_64_t1(
    timers: Timers, seconds: float, flow: Flow, *, heard: bool
) -> None:
    """RFC 3261 17.1.2.2: "When entering this state, the client transaction SHOULD set timer F to
    fire in 64*T1 seconds."

    RFC 3261 17.1.2.2: "If Timer F fires while the client transaction is still in the "Trying"
    state, the client transaction SHOULD inform the TU about the timeout, and then it SHOULD enter
    the "Terminated" state."

    RFC 3261 17.1.2.2: "If timer F fires while in the "Proceeding" state, the TU MUST be informed
    of a timeout, and the client transaction MUST transition to the terminated state."
    """
    scene = Scene(timers)
    sent, user = scene.send("BYE", flow)
    if heard:
        scene.answer(sent, 100)
        assert user.results.pop() == "100"
    assert scene.lifetime() == seconds
    assert user.results == ["timed out"]
    assert scene.over


def test_a_provisional_response_is_passed(scene: Scene, flow: Flow) -> None:
    """RFC 3261 17.1.2.2: "If a provisional response is received while in the "Trying" state, the
    response MUST be passed to the TU, and then the client transaction SHOULD move to the
    "Proceeding" state."
    """
    sent, user = scene.send("BYE", flow)
    scene.answer(sent, 100)
    assert user.results == ["100"]
    assert scene.client.state is TransactionState.PROCEEDING
    scene.answer(sent, 100)
    assert user.results == ["100", "100"]


def test_timer_e_is_t2_after_a_provisional_response(scene: Scene) -> None:
    """RFC 3261 17.1.2.2: "If Timer E fires while in the "Proceeding" state, the request MUST be
    passed to the transport layer for retransmission, and Timer E MUST be reset with a value of T2
    seconds."
    """
    sent, _ = scene.send("BYE")
    scene.answer(sent, 100)
    assert scene.times("BYE", 100) == [0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]


@UNHEARD_OR_NOT
@pytest.mark.parametrize("status", [200, 302, 481, 503, 603])
def test_a_final_response_is_passed_and_ends_the_retransmissions(
    scene: Scene, flow: Flow, status: int, *, heard: bool
) -> None:
    """RFC 3261 17.1.2.2: "If a final response (status codes 200-699) is received while in the
    "Trying" state, the response MUST be passed to the TU, and the client transaction MUST
    transition to the "Completed" state."

    RFC 3261 17.1.2.2: "If a final response (status codes 200-699) is received while in the
    "Proceeding" state, the response MUST be passed to the TU, and the client transaction MUST
    transition to the "Completed" state."
    """
    sent, user = scene.send("BYE", flow)
    if heard:
        scene.answer(sent, 100)
        assert user.results.pop() == "100"
    scene.answer(sent, status)
    assert scene.client.state is TransactionState.COMPLETED
    assert user.results == [str(status)]
    assert scene.times("BYE", 100) == [0]
    assert user.results == [str(status)]


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 5.0), (QUICK, 2.5), (SLOW, 10.0)])
def test_timer_k_is_t4_and_0_over_a_reliable_transport(
    timers: Timers, seconds: float, flow: Flow
) -> None:
    """RFC 3261 17.1.2.2: "Once the client transaction enters the "Completed" state, it MUST set
    Timer K to fire in T4 seconds for unreliable transports, and zero seconds for reliable
    transports."

    RFC 3261 17.1.2.2: "If Timer K fires while in this state, the client transaction MUST
    transition to the "Terminated" state."
    """
    scene = Scene(timers)
    sent, _ = scene.send("BYE", flow)
    scene.answer(sent, 200)
    assert scene.lifetime() == (seconds if flow == BOB else 0)
    assert scene.over


def test_retransmitted_responses_are_absorbed_while_completed(scene: Scene) -> None:
    """RFC 3261 17.1.2.2: "The "Completed" state exists to buffer any additional response
    retransmissions that may be received"
    """
    sent, user = scene.send("BYE")
    for status in (200, 200, 100, 481):
        scene.answer(sent, status)
        scene.clock.advance(1)
    assert user.results == ["200"]
    assert scene.dropped == []
    assert scene.take() == ["BYE"]
    assert scene.lifetime() == 1


def test_a_terminated_transaction_is_destroyed(scene: Scene) -> None:
    """RFC 3261 17.1.2.2: "Once the transaction is in the terminated state, it MUST be destroyed
    immediately."
    """
    sent, user = scene.send("BYE")
    scene.answer(sent, 200)
    assert scene.lifetime() == 5
    scene.answer(sent, 200)
    assert scene.dropped == ["stray_response"]
    assert user.results == ["200"]


def test_a_cancel_is_retransmitted_until_its_response_and_has_no_user(scene: Scene) -> None:
    """RFC 3261 9.1: "When the client decides to send the CANCEL, it creates a client transaction
    for the CANCEL"
    """
    sent = request("CANCEL", branch="z9hG4bK-ours")
    scene.start(sent)
    assert scene.times("CANCEL", 4) == [0, 0.5, 1.5, 3.5]
    scene.answer(sent, 100)
    scene.answer(sent, 200)
    assert scene.lifetime() == 5
    assert scene.over


def test_a_cancel_without_a_response_ends_after_64_t1(scene: Scene, flow: Flow) -> None:
    scene.start(request("CANCEL", branch="z9hG4bK-ours"), flow)
    assert scene.lifetime() == 32
    assert scene.over


def test_request_and_user_are_released_with_the_final_response(scene: Scene) -> None:
    sent, user = scene.send("BYE")
    reference = weakref.ref(user)
    del user
    scene.answer(sent, 100)
    kept = [scene.client.request]
    scene.answer(sent, 200)
    assert [*kept, scene.client.request] == [bytes(sent), None]
    assert reference() is None
    assert [timer for timer, _ in scene.lanes.pending(scene.client)] == [Timer.K]
