"""RFC 3261 17.2.1: timers G, H and I; the Accepted state is in test_accepted.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.responses import make_response
from sip_stager.transaction.base import TransactionState
from sip_stager.transaction.invite_server import InviteServerTransaction
from sip_stager.transaction.timers import Timer
from tests.support.conversation import ALICE, ALICE_TCP
from tests.support.messages import request
from tests.transaction.layer_scene import QUICK, SLOW, USUAL, Scene

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request
    from sip_stager.transaction.timers import Timers


def test_a_new_transaction_is_proceeding_and_passes_its_invite(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1: "When a server transaction is constructed for a request, it enters the
    "Proceeding" state."

    RFC 3261 17.2.1: "The request MUST be passed to the TU."
    """
    scene.receive(request(), source)
    assert scene.passed == ["INVITE"]
    assert scene.servers[0].state is TransactionState.PROCEEDING


def test_every_provisional_response_is_sent_once(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1: "So long as the server transaction is in the "Proceeding" state, each of
    these MUST be passed to the transport layer for transmission."

    RFC 3261 17.2.1: "They are not sent reliably by the transaction layer (they are not
    retransmitted by it) and do not cause a change in the state of the server transaction."
    """
    scene.receive(request(), source)
    for status in (100, 180, 183, 180):
        scene.respond(status)
    assert scene.take() == ["100 INVITE", "180 INVITE", "183 INVITE", "180 INVITE"]
    assert scene.times("", 200) == []
    assert scene.servers[0].state is TransactionState.PROCEEDING


def test_a_retransmission_gets_the_last_provisional_response(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1: "If a request retransmission is received while in the "Proceeding" state,
    the most recent provisional response that was received from the TU MUST be passed to the
    transport layer for retransmission."
    """
    scene.receive(request(), source)
    scene.receive(request(), source)
    assert scene.take() == []
    scene.respond(100)
    scene.respond(180)
    scene.receive(request(), source)
    assert scene.take() == ["100 INVITE", "180 INVITE", "180 INVITE"]
    assert scene.passed == ["INVITE"]


def test_an_ack_before_a_final_response_is_ignored(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1, figure 7: "Proceeding" ignores an ACK."""
    scene.receive(request(), source)
    scene.respond(180)
    scene.receive(request("ACK"), source)
    assert scene.passed == ["INVITE"]
    assert scene.take() == ["180 INVITE"]
    assert scene.servers[0].state is TransactionState.PROCEEDING


@pytest.mark.parametrize("status", [300, 486, 503, 699])
def test_a_non_2xx_is_sent(scene: Scene, source: Flow, status: int) -> None:
    """RFC 3261 17.2.1: "While in the "Proceeding" state, if the TU passes a response with status
    code from 300 to 699 to the server transaction, the response MUST be passed to the transport
    layer for transmission, and the state machine MUST enter the "Completed" state."
    """
    scene.receive(request(), source)
    scene.respond(status)
    assert scene.take() == [f"{status} INVITE"]
    assert scene.servers[0].state is TransactionState.COMPLETED


@pytest.mark.parametrize(
    ("timers", "expected"),
    [
        (USUAL, [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        (QUICK, [0, 0.25, 0.75, 1.75, 3.75, 5.75, 7.75, 9.75, 11.75, 13.75, 15.75]),
        (SLOW, [0, 1, 3, 7, 15, 23, 31, 39, 47, 55, 63]),
    ],
)
def test_timer_g_is_t1_and_doubles_up_to_t2(timers: Timers, expected: list[float]) -> None:
    """RFC 3261 17.2.1: "For unreliable transports, timer G is set to fire in T1 seconds"

    RFC 3261 17.2.1: "If timer G fires, the response is passed to the transport layer once more for
    retransmission, and timer G is set to fire in MIN(2*T1, T2) seconds. From then on, when timer G
    fires, the response is passed to the transport again for transmission, and timer G is reset
    with a value that doubles, unless that value exceeds T2, in which case it is reset with the
    value of T2."
    """
    scene = Scene(timers)
    scene.receive(request())
    scene.respond(486)
    assert scene.times("486 INVITE", 200) == expected


def test_timer_g_is_not_set_over_a_reliable_transport(scene: Scene) -> None:
    """RFC 3261 17.2.1: timer G "is not set to fire for reliable transports"."""
    scene.receive(request(), ALICE_TCP)
    scene.respond(486)
    assert scene.times("486 INVITE", 200) == [0]


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 32), (QUICK, 16), (SLOW, 64)])
def test_timer_h_is_64_t1(timers: Timers, seconds: float, source: Flow) -> None:
    """RFC 3261 17.2.1: "When the "Completed" state is entered, timer H MUST be set to fire in 64*T1
    seconds for all transports."

    RFC 3261 17.2.1: "If timer H fires while in the "Completed" state, it implies that the ACK was
    never received. In this case, the server transaction MUST transition to the "Terminated"
    state"
    """
    scene = Scene(timers)
    scene.receive(request(), source)
    scene.respond(486)
    assert scene.lifetime() == seconds
    assert scene.over


def test_a_retransmission_gets_the_non_2xx_again(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1: "Furthermore, while in the "Completed" state, if a request retransmission is
    received, the server SHOULD pass the response to the transport for retransmission."
    """
    scene.receive(request(), source)
    scene.respond(486)
    scene.receive(request(), source)
    assert scene.take() == ["486 INVITE", "486 INVITE"]
    assert scene.passed == ["INVITE"]


@pytest.mark.parametrize("acknowledged", [False, True], ids=["completed", "confirmed"])
def test_nothing_is_sent_after_a_non_2xx(scene: Scene, source: Flow, *, acknowledged: bool) -> None:
    """RFC 3261 17.2.1, figure 7: responses of the TU are ignored after its 300-699."""
    scene.receive(request(), source)
    scene.respond(486)
    if acknowledged:
        scene.receive(request("ACK"), source)
    for status in (180, 200, 503):
        scene.respond(status)
    assert scene.take() == ["486 INVITE"]


def test_an_ack_ends_the_retransmissions_of_a_non_2xx(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1: "If an ACK is received while the server transaction is in the "Completed"
    state, the server transaction MUST transition to the "Confirmed" state. As Timer G is ignored
    in this state, any retransmissions of the response will cease."
    """
    scene.receive(request(), source)
    scene.respond(486)
    scene.receive(request("ACK"), source)
    assert scene.servers[0].state is TransactionState.CONFIRMED
    assert [timer for timer, _ in scene.lanes.pending(scene.servers[0])] == [Timer.I]
    assert scene.times("486 INVITE", 100) == [0]
    assert scene.passed == ["INVITE"]


def test_messages_after_the_ack_are_absorbed(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.2.1: "The purpose of the "Confirmed" state is to absorb any additional ACK
    messages that arrive, triggered from retransmissions of the final response."
    """
    scene.receive(request(), source)
    scene.respond(486)
    for message in (request("ACK"), request("ACK"), request()):
        scene.receive(message, source)
    assert scene.take() == ["486 INVITE"]
    assert scene.passed == ["INVITE"]


@pytest.mark.parametrize(("timers", "seconds"), [(USUAL, 5.0), (QUICK, 2.5), (SLOW, 10.0)])
def test_timer_i_is_t4_and_0_over_a_reliable_transport(
    timers: Timers, seconds: float, source: Flow
) -> None:
    """RFC 3261 17.2.1: "When this state is entered, timer I is set to fire in T4 seconds for
    unreliable transports, and zero seconds for reliable transports. Once timer I fires, the server
    MUST transition to the "Terminated" state."
    """
    scene = Scene(timers)
    scene.receive(request(), source)
    scene.respond(486)
    scene.receive(request("ACK"), source)
    assert scene.lifetime() == (seconds if source == ALICE else 0)
    assert scene.over


@pytest.mark.parametrize(("status", "acknowledged"), [(200, False), (486, False), (486, True)])
def test_a_terminated_transaction_is_destroyed(
    scene: Scene, status: int, *, acknowledged: bool
) -> None:
    """RFC 3261 17.2.1: "Once the transaction is in the "Terminated" state, it MUST be destroyed
    immediately."
    """
    scene.receive(request())
    scene.respond(status)
    if acknowledged:
        scene.receive(request("ACK"))
    assert scene.lifetime() == (5 if acknowledged else 32)
    scene.receive(request("ACK"))
    scene.receive(request())
    assert scene.passed == ["INVITE", "ACK", "INVITE"]


class Owner:
    """An owner of an INVITE that must not be called."""

    origin = b"", ""

    def cancel(self, cancel: Request) -> None:
        raise AssertionError

    def stop(self) -> None:
        raise AssertionError


def owned(scene: Scene) -> tuple[InviteServerTransaction, dict[Hashable, object]]:
    """Receive an INVITE, give it an owner, and register it in a store."""
    scene.receive(request())
    server = scene.servers[-1]
    assert isinstance(server, InviteServerTransaction)
    server.owner = Owner()
    store: dict[Hashable, object] = {"key": server}
    server.register(store, "key")
    return server, store


@pytest.mark.parametrize("status", [200, 486])
def test_the_owner_of_an_invite_is_released_with_the_final_response(
    scene: Scene, status: int
) -> None:
    server, store = owned(scene)
    scene.respond(180)
    kept = [server.owner is not None]
    assert store
    scene.respond(status)
    assert [*kept, server.owner] == [True, None]
    assert bool(store) is (status == 200), "a 2xx keeps its key: the call goes on"
    assert scene.lifetime() == 32
    assert not store


def test_the_owner_of_an_invite_is_released_when_the_transaction_is_terminated(
    scene: Scene,
) -> None:
    server, store = owned(scene)
    server.terminate()
    assert server.owner is None
    assert not store
    assert scene.over


def test_an_invite_leaves_its_second_store_once(scene: Scene) -> None:
    server, store = owned(scene)
    server.unregister()
    assert not store
    store["key"] = "the same INVITE, sent anew"
    scene.respond(487)
    server.terminate()
    assert store


def test_a_stateless_response_leaves_nothing_and_a_retransmission_gets_another(
    scene: Scene,
) -> None:
    """RFC 3261 8.2.7: "If a stateless UAS receives a retransmission of a request, it regenerates
    the response and resends it, just as if it were replying to the first instance of the request."
    """
    for _ in range(2):
        server, store = owned(scene)
        server.respond_statelessly(make_response(request(), 403, b"ours"))
        assert scene.alive == 0
        assert not store
    assert scene.take() == ["403 INVITE"] * 2
    assert scene.passed == ["INVITE"] * 2
    assert scene.over


def test_the_to_tag_is_that_of_the_last_provisional_response(scene: Scene) -> None:
    server, _ = owned(scene)
    tags = [server.to_tag]
    for tag in (b"", b"one", b"two"):
        server.respond(make_response(request(), 180, tag))
        tags.append(server.to_tag)
    assert tags == [b"", b"", b"one", b"two"]
