"""RFC 3261 17.1.4, 17.2.4 and 18.4 with RFC 6026 8.8: send failures and lost flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.transaction.base import TransactionState
from tests.support.conversation import ALICE, BOB
from tests.support.messages import request
from tests.transaction.layer_scene import TCP_TO_BOB, Scene

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow

METHODS = pytest.mark.parametrize("method", ["INVITE", "BYE"])


@METHODS
def test_the_user_is_told_at_once_that_a_request_could_not_be_sent(
    scene: Scene, method: str, flow: Flow
) -> None:
    """RFC 3261 17.1.4: "The client transaction SHOULD inform the TU that a transport failure has
    occurred, and the client transaction SHOULD transition directly to the "Terminated" state."
    """
    scene.transport.failing.add(BOB.host)
    _, user = scene.send(method, flow)
    assert user.results == []
    assert scene.lifetime() == 0
    assert user.results == ["connection refused"]
    assert scene.over


@METHODS
def test_a_retransmission_that_cannot_be_sent_ends_the_transaction(
    scene: Scene, method: str
) -> None:
    _, user = scene.send(method)
    scene.transport.failing.add(BOB.host)
    assert scene.lifetime() == 0.5
    assert user.results == ["connection refused"]


@METHODS
@pytest.mark.parametrize("status", [100, 200, 486])
def test_a_send_failure_after_a_response_is_ignored(scene: Scene, method: str, status: int) -> None:
    scene.transport.failing.add(BOB.host)
    sent, user = scene.send(method)
    scene.answer(sent, status)
    scene.clock.advance(0)
    assert user.results == [str(status)]
    assert scene.alive == 1


@METHODS
def test_the_user_is_told_at_once_that_the_peer_is_unreachable(scene: Scene, method: str) -> None:
    """RFC 3261 18.4: "Host, network, port or protocol unreachable errors [...] SHOULD cause the
    transport layer to inform the transport user of a failure in sending."
    """
    _, user = scene.send(method, BOB)
    scene.client.flow_lost("port unreachable")
    assert scene.take() == [method]
    assert user.results == ["port unreachable"]
    assert scene.over


@METHODS
@pytest.mark.parametrize(
    ("lost", "ended"),
    [
        (BOB, True),
        (BOB._replace(interface=1), True),
        (TCP_TO_BOB, False),
        (BOB._replace(port=5061), False),
        (ALICE, False),
    ],
    ids=str,
)
def test_a_lost_flow_is_one_transport_host_and_port(
    scene: Scene, method: str, lost: Flow, *, ended: bool
) -> None:
    _, user = scene.send(method, BOB)
    scene.layer.flow_lost(lost, "port unreachable")
    assert (user.results == ["port unreachable"]) is ended
    assert scene.alive == (0 if ended else 1)


@METHODS
def test_a_request_lost_with_its_connection_is_sent_once_more(scene: Scene, method: str) -> None:
    """RFC 3261 17.1.4, 18.1.1: a server may close an idle connection just as a request is sent on
    it, and that must not cost a call.
    """
    sent, user = scene.send(method, TCP_TO_BOB)
    scene.client.flow_lost("connection reset")
    assert scene.transport.sent == [(bytes(sent), TCP_TO_BOB)] * 2
    assert user.results == []
    scene.answer(sent, 200)
    assert user.results == ["200"]


@METHODS
def test_a_request_lost_twice_fails(scene: Scene, method: str) -> None:
    _, user = scene.send(method, TCP_TO_BOB)
    scene.client.flow_lost("connection reset")
    scene.client.flow_lost("connection reset again")
    assert scene.take() == [method, method]
    assert user.results == ["connection reset again"]
    assert scene.over


@METHODS
def test_a_lost_request_that_cannot_be_sent_again_fails(scene: Scene, method: str) -> None:
    _, user = scene.send(method, TCP_TO_BOB)
    scene.transport.failing.add(BOB.host)
    scene.client.flow_lost("connection reset")
    assert scene.lifetime() == 0
    assert user.results == ["connection refused"]


@METHODS
def test_a_lost_request_has_no_more_time_than_any_other(scene: Scene, method: str) -> None:
    _, user = scene.send(method, TCP_TO_BOB)
    scene.clock.advance(30)
    scene.client.flow_lost("connection reset")
    assert scene.lifetime() == 2
    assert user.results == ["timed out"]


@METHODS
@pytest.mark.parametrize("status", [100, 200, 486])
def test_a_loss_after_a_response_is_ignored(
    scene: Scene, method: str, flow: Flow, status: int
) -> None:
    """RFC 3261 18.1.1: "Under error conditions, the server may attempt to open a new connection to
    send the response."
    """
    sent, user = scene.send(method, flow)
    scene.answer(sent, status)
    scene.take()
    state = scene.client.state
    scene.client.flow_lost("connection reset")
    assert (scene.client.state, scene.take()) == (state, [])
    assert user.results == [str(status)]


def test_a_lost_cancel_ends_silently(scene: Scene) -> None:
    scene.start(request("CANCEL", branch="z9hG4bK-ours"))
    scene.client.flow_lost("port unreachable")
    assert scene.over


@pytest.mark.parametrize(
    ("method", "status", "state"),
    [
        ("INVITE", 180, TransactionState.PROCEEDING),
        ("INVITE", 200, TransactionState.ACCEPTED),
        ("INVITE", 486, TransactionState.COMPLETED),
        ("OPTIONS", 200, TransactionState.COMPLETED),
    ],
)
def test_a_server_transaction_stays_when_its_response_cannot_be_sent(
    scene: Scene, source: Flow, method: str, status: int, state: TransactionState
) -> None:
    """RFC 6026 7.1: "A server transaction MUST NOT discard transaction state based only on
    encountering a non-recoverable transport error when sending a response. Instead, the associated
    INVITE server transaction state machine MUST remain in its current state. (Timers will
    eventually cause it to transition to the "Terminated" state)."

    RFC 6026 8.8: "the server transaction SHOULD inform the TU that a failure has occurred, and MUST
    remain in the current state."
    """
    scene.receive(request(method), source)
    scene.transport.failing.add(ALICE.host)
    scene.respond(status)
    assert scene.servers[0].state is state
    scene.transport.failing.clear()
    if state is TransactionState.COMPLETED and (source == ALICE or method == "INVITE"):
        scene.receive(request(method), source)
        assert scene.take() == [f"{status} {method}"]
