"""RFC 3261 17.2.2 and RFC 4320: timer J, and the late 100."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from sip_stager.transaction.base import TransactionState
from tests.support.conversation import ALICE, ALICE_TCP
from tests.support.messages import request
from tests.transaction.layer_scene import QUICK, SLOW, USUAL, Scene

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.transaction.timers import Timers

SLOW_OR_NOT = pytest.mark.parametrize("late", [False, True], ids=["trying", "proceeding"])


def asked(scene: Scene, source: Flow, *, late: bool = False) -> None:
    """Receive a request; ``late`` lets the time pass after which 100 is sent."""
    scene.receive(request("OPTIONS"), source)
    if late:
        scene.clock.advance(3.5)
        assert scene.take() == ["100 OPTIONS"]
    assert scene.servers[-1].state is (
        TransactionState.PROCEEDING if late else TransactionState.TRYING
    )


def test_a_new_transaction_is_trying_and_passes_its_request(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.2: "The state machine is initialized in the "Trying" state and is passed a
    request other than INVITE or ACK when initialized. This request is passed up to the TU."
    """
    asked(scene, source)
    assert scene.passed == ["OPTIONS"]
    assert scene.take() == []


def test_a_retransmission_is_discarded_while_trying(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.2: "Once in the "Trying" state, any further request retransmissions are
    discarded."
    """
    asked(scene, source)
    scene.receive(request("OPTIONS"), source)
    assert scene.passed == ["OPTIONS"]
    assert scene.take() == []


@SLOW_OR_NOT
@pytest.mark.parametrize("status", [200, 302, 481, 503, 603])
def test_a_final_response_is_sent_once(
    scene: Scene, source: Flow, status: int, *, late: bool
) -> None:
    """RFC 3261 17.2.2: "If the TU passes a final response (status codes 200-699) to the server
    while in the "Proceeding" state, the transaction MUST enter the "Completed" state, and the
    response MUST be passed to the transport layer for transmission."

    RFC 3261 17.2.2, erratum 1470: the same in the "Trying" state.
    """
    asked(scene, source, late=late)
    scene.respond(status)
    assert scene.servers[-1].state is TransactionState.COMPLETED
    assert scene.times(f"{status} OPTIONS", 100) == [0]


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 16), (SLOW, 64)])
def test_timer_j_is_64_t1_and_0_over_a_reliable_transport(
    timers: Timers, seconds: float, source: Flow
) -> None:
    """RFC 3261 17.2.2: "When the server transaction enters the "Completed" state, it MUST set
    Timer J to fire in 64*T1 seconds for unreliable transports, and zero seconds for reliable
    transports."

    RFC 3261 17.2.2: "The server transaction remains in this state until Timer J fires, at which
    point it MUST transition to the "Terminated" state."
    """
    scene = Scene(timers)
    asked(scene, source)
    scene.respond(200)
    assert scene.lifetime() == (seconds if source == ALICE else 0)
    assert scene.over


def test_a_retransmission_gets_the_final_response_again(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.2: "While in the "Completed" state, the server transaction MUST pass the final
    response to the transport layer for retransmission whenever a retransmission of the request is
    received."
    """
    asked(scene, source)
    scene.respond(200)
    scene.receive(request("OPTIONS"), source)
    scene.receive(request("OPTIONS"), source)
    assert scene.take() == ["200 OPTIONS"] * 3
    assert len(set(scene.transport.sent)) == 1
    assert scene.passed == ["OPTIONS"]


def test_another_final_response_is_discarded(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.2: "Any other final responses passed by the TU to the server transaction MUST
    be discarded while in the "Completed" state."
    """
    asked(scene, source)
    for status in (200, 500, 200):
        scene.respond(status)
    scene.receive(request("OPTIONS"), source)
    assert scene.take() == ["200 OPTIONS"] * 2


def test_a_terminated_transaction_is_destroyed(scene: Scene) -> None:
    """RFC 3261 17.2.2: "The server transaction MUST be destroyed the instant it enters the
    "Terminated" state."
    """
    asked(scene, ALICE)
    scene.respond(200)
    assert scene.lifetime() == 32
    scene.receive(request("OPTIONS"))
    assert scene.passed == ["OPTIONS", "OPTIONS"]


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 3.5), (QUICK, 1.75), (SLOW, 7.0)])
def test_100_is_sent_when_a_clients_timer_e_is_t2_and_not_before(
    timers: Timers, seconds: float, source: Flow
) -> None:
    """RFC 4320 4.1: "An SIP element MUST NOT respond to a non-INVITE request with a Status-Code of
    100 over any unreliable transport, such as UDP, before the amount of time it takes a client
    transaction's Timer E to be reset to T2."

    RFC 4320 4.1: "Without regard to transport, an SIP element MUST respond to a non-INVITE request
    with a Status-Code of 100 if it has not otherwise responded after the amount of time it takes a
    client transaction's Timer E to be reset to T2."

    RFC 3261 17.2.2: "While in the "Trying" state, if the TU passes a provisional response to the
    server transaction, the server transaction MUST enter the "Proceeding" state. The response MUST
    be passed to the transport layer for transmission."
    """
    scene = Scene(timers)
    asked(scene, source)
    assert scene.times("100 OPTIONS", 100) == [seconds]
    assert scene.servers[-1].state is TransactionState.PROCEEDING


def test_a_request_that_is_answered_in_time_gets_no_100(scene: Scene, source: Flow) -> None:
    asked(scene, source)
    scene.clock.advance(3.375)
    scene.respond(200)
    assert scene.times("200 OPTIONS", 100) == [0]


def test_the_100_copies_the_request_and_has_no_tag(scene: Scene) -> None:
    """RFC 3261 8.2.6.2: a 100 has the Via, From, To, Call-ID and CSeq of its request."""
    sent = request("OPTIONS", via="SIP/2.0/UDP 192.0.2.1, SIP/2.0/UDP 192.0.2.8")
    scene.receive(sent)
    scene.clock.advance(3.5)
    answer = parse(scene.transport.sent[-1][0])
    assert isinstance(answer, Response)
    for name in (b"via", b"from", b"to", b"call-id", b"cseq"):
        assert answer.values(name) == sent.values(name)
    assert answer.to_tag == b""


def test_a_retransmission_gets_100_again_while_proceeding(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.2: "If a retransmission of the request is received while in the "Proceeding"
    state, the most recently sent provisional response MUST be passed to the transport layer for
    retransmission."
    """
    asked(scene, source, late=True)
    scene.receive(request("OPTIONS"), source)
    assert scene.take() == ["100 OPTIONS"]
    assert scene.passed == ["OPTIONS"]


@SLOW_OR_NOT
@pytest.mark.parametrize("status", [100, 180, 199])
def test_no_other_provisional_response_is_sent(
    scene: Scene, source: Flow, status: int, *, late: bool
) -> None:
    """RFC 4320 4.1: "An SIP element MUST NOT send any provisional response with a Status-Code other
    than 100 to a non-INVITE request."
    """
    asked(scene, source, late=late)
    scene.respond(status)
    scene.receive(request("OPTIONS"), source)
    assert scene.take() == (["100 OPTIONS"] if late else [])


@SLOW_OR_NOT
def test_no_408_is_sent_and_retransmissions_are_absorbed(
    scene: Scene, source: Flow, *, late: bool
) -> None:
    """RFC 4320 4.2: "A transaction-stateful SIP element MUST NOT send a response with Status-Code
    of 408 to a non-INVITE request. As a consequence, an element that cannot respond before the
    transaction expires will not send a final response at all."
    """
    asked(scene, source, late=late)
    scene.respond(408)
    scene.receive(request("OPTIONS"), source)
    assert scene.take() == []
    assert scene.passed == ["OPTIONS"]
    assert scene.lifetime() == (32 if source == ALICE else 0)
    assert scene.over


@pytest.mark.parametrize("status", [200, 408])
def test_a_terminated_transaction_sends_nothing(scene: Scene, status: int) -> None:
    """RFC 4320 4.2: "A transaction-stateful SIP proxy MUST NOT send any response to a non-INVITE
    request unless it has a matching server transaction that is not in the Terminated state."
    """
    asked(scene, ALICE_TCP)
    scene.respond(status)
    assert scene.lifetime() == 0
    scene.take()
    scene.respond(200)
    assert scene.take() == []


def test_a_transaction_terminated_without_a_response_sends_none(scene: Scene) -> None:
    scene.receive(request("BYE"))
    scene.servers[-1].terminate()
    assert scene.take() == []
    assert scene.over


@pytest.mark.parametrize("status", [None, 200], ids=["100 was sent", "answered"])
def test_the_request_is_released_when_no_longer_needed(scene: Scene, status: int | None) -> None:
    scene.receive(request("MESSAGE", body="x" * 100))
    assert kept() == 1
    if status is None:
        scene.clock.advance(3.5)
    else:
        scene.respond(status)
    scene.requests.clear()
    scene.events.clear()
    assert [kept(), scene.alive] == [0, 1]


def kept() -> int:
    """Return the number of requests with that body in memory."""
    gc.collect()
    return sum(isinstance(one, Request) and one.body == b"x" * 100 for one in gc.get_objects())
