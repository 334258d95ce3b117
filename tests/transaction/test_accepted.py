"""RFC 6026: the transactions of an accepted INVITE stay for timers L and M."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.transaction.base import TransactionState
from tests.support.conversation import BOB
from tests.support.messages import request, response
from tests.transaction.layer_scene import QUICK, SLOW, USUAL, Scene

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.transaction.timers import Timers


@pytest.mark.parametrize("heard", [False, True], ids=["calling", "proceeding"])
def test_a_2xx_is_passed_and_not_acknowledged(scene: Scene, flow: Flow, *, heard: bool) -> None:
    """RFC 6026 8.4: "When a 2xx response is received while in either the "Calling" or "Proceeding"
    states, the client transaction MUST transition to the "Accepted" state [...] The 2xx response
    MUST be passed up to the TU."

    RFC 6026 8.4: "The client transaction MUST NOT generate an ACK to the 2xx response -- its
    handling is delegated to the TU."
    """
    sent, user = scene.send("INVITE", flow)
    if heard:
        scene.answer(sent, 180)
        assert user.results.pop() == "180"
    assert scene.take() == ["INVITE"]
    scene.answer(sent, 200)
    assert scene.client.state is TransactionState.ACCEPTED
    assert user.results == ["200"]
    assert scene.times("", 31.875) == []


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 16), (SLOW, 64)])
def test_timer_m_is_64_t1(timers: Timers, seconds: float, flow: Flow) -> None:
    """RFC 6026 8.4: "Timer M MUST be started with a value of 64*T1."

    RFC 6026 8.4: "If Timer M fires while the client transaction is in the "Accepted" state, the
    client transaction MUST move to the "Terminated" state."
    """
    scene = Scene(timers)
    sent, _ = scene.send("INVITE", flow)
    scene.answer(sent, 200)
    assert scene.lifetime() == seconds
    assert scene.over


def test_every_2xx_is_passed_while_accepted_also_of_other_forks(scene: Scene) -> None:
    """RFC 6026 8.4: "Any 2xx responses that match this client transaction and that are received
    while in the "Accepted" state MUST be passed up to the TU. The client transaction MUST NOT
    generate an ACK to the 2xx response. The client transaction takes no further action."
    """
    sent, user = scene.send("INVITE")
    scene.answer(sent, 200)
    scene.answer(sent, 200)
    scene.clock.advance(20)
    scene.receive(response(sent, 202, tag="other"), BOB)
    assert user.results == ["200", "200", "202"]
    assert scene.take() == ["INVITE"]
    assert scene.lifetime() == 12  # timer M is not restarted


def test_only_2xx_responses_are_passed_while_accepted(scene: Scene) -> None:
    """RFC 6026 7.2: "Accepted" handles only 2xx and timer M."""
    sent, user = scene.send("INVITE")
    for status in (200, 180, 486):
        scene.answer(sent, status)
    assert user.results == ["200"]
    assert scene.take() == ["INVITE"]


def test_a_2xx_is_sent_once_and_not_retransmitted(scene: Scene, source: Flow) -> None:
    """RFC 6026 8.5: "If, while in the "Proceeding" state, the TU passes a 2xx response to the
    server transaction, the server transaction MUST pass this response to the transport layer for
    transmission. It is not retransmitted by the server transaction; retransmissions of 2xx
    responses are handled by the TU. The server transaction MUST then transition to the "Accepted"
    state."
    """
    scene.receive(request(), source)
    scene.respond(200)
    assert scene.servers[0].state is TransactionState.ACCEPTED
    assert scene.times("200 INVITE", 200) == [0]


def test_a_retransmission_is_absorbed_while_accepted(scene: Scene, source: Flow) -> None:
    """RFC 6026 7.1: "While in the "Accepted" state, any retransmissions of the INVITE received will
    match this transaction state machine and will be absorbed by the machine without changing its
    state. These retransmissions are not passed onto the TU."
    """
    scene.receive(request(), source)
    scene.respond(200)
    scene.receive(request(), source)
    assert scene.take() == ["200 INVITE"]
    assert scene.passed == ["INVITE"]
    assert scene.servers[0].state is TransactionState.ACCEPTED


def test_more_2xx_are_sent_while_accepted_and_nothing_else(scene: Scene, source: Flow) -> None:
    """RFC 6026 8.7: "While in the "Accepted" state, if the TU passes a 2xx response, the server
    transaction MUST pass the response to the transport layer for transmission."
    """
    scene.receive(request(), source)
    for status in (200, 200, 180, 486, 202):
        scene.respond(status)
    assert scene.take() == ["200 INVITE", "200 INVITE", "202 INVITE"]


def test_an_ack_is_passed_while_accepted(scene: Scene, source: Flow) -> None:
    """RFC 6026 7.1: "Any ACKs received from the network while in the "Accepted" state MUST be
    passed directly to the TU and not absorbed."
    """
    scene.receive(request(), source)
    scene.respond(200)
    scene.receive(request("ACK"), source)
    scene.receive(request("ACK"), source)
    assert scene.passed == ["INVITE", "ACK", "ACK"]
    assert scene.servers[0].state is TransactionState.ACCEPTED


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 16), (SLOW, 64)])
def test_timer_l_is_64_t1(timers: Timers, seconds: float, source: Flow) -> None:
    """RFC 6026 8.7: "When the INVITE server transaction enters the "Accepted" state, Timer L MUST
    be set to fire in 64*T1 for all transports."

    RFC 6026 7.1: "When Timer L fires and the state machine is in the "Accepted" state, the machine
    MUST transition to the "Terminated" state."
    """
    scene = Scene(timers)
    scene.receive(request(), source)
    scene.respond(200)
    scene.clock.advance(1)
    scene.respond(200)
    assert scene.lifetime() == seconds - 1
    assert scene.over
