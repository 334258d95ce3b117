"""RFC 3261 18.2.2: a request that is repeated on another connection, or from another port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ALICE, ALICE_TCP, STRANGER
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from tests.transaction.layer_scene import Scene

RECONNECTED = ALICE_TCP._replace(port=40001, connection=8)
REBOUND = ALICE._replace(port=40002)
TCP_VIA = "SIP/2.0/TCP 192.0.2.1:5060"
RPORT_VIA = "SIP/2.0/UDP 192.0.2.1:5060;rport"
METHODS = ["INVITE", "BYE", "OPTIONS"]


def came_from(scene: Scene) -> tuple[str, int, int]:
    """Return the transport, the port and the connection of the last message sent."""
    flow = scene.transport.sent[-1][1]
    return flow.transport, flow.port, flow.connection


def repeated(scene: Scene, method: str, *sources: Flow, via: str = TCP_VIA) -> None:
    for source in sources:
        scene.receive(request(method, via=via), source)


@pytest.mark.parametrize("method", METHODS)
def test_a_response_goes_to_the_connection_of_the_last_repetition(
    scene: Scene, method: str
) -> None:
    """RFC 3261 18.2.2: "If that connection is no longer open", the response has to find its way to
    the client, and the client has shown one.
    """
    repeated(scene, method, ALICE_TCP, RECONNECTED)
    scene.respond(200)
    assert came_from(scene) == ("TCP", 5060, 8)
    assert scene.passed == [method]


@pytest.mark.parametrize("status", [100, 180, 486])
def test_a_repetition_gets_the_last_response_on_its_own_connection(
    scene: Scene, status: int
) -> None:
    repeated(scene, "INVITE", ALICE_TCP)
    scene.respond(status)
    assert came_from(scene) == ("TCP", 5060, 7)
    repeated(scene, "INVITE", RECONNECTED)
    assert scene.take() == [f"{status} INVITE"] * 2
    assert came_from(scene) == ("TCP", 5060, 8)


def test_a_2xx_of_the_callee_follows_a_repetition_after_the_first_2xx(scene: Scene) -> None:
    """RFC 6026 7.1: Accepted absorbs the INVITE's repetitions, and passes each 2xx."""
    repeated(scene, "INVITE", ALICE_TCP)
    scene.respond(200)
    repeated(scene, "INVITE", RECONNECTED)
    assert scene.take() == ["200 INVITE"]
    scene.respond(200)
    assert came_from(scene) == ("TCP", 5060, 8)


@pytest.mark.parametrize("method", METHODS)
def test_a_client_behind_a_nat_that_bound_another_port_is_followed(
    scene: Scene, method: str
) -> None:
    """RFC 3581 4: with rport, the response goes to the port that the request came from."""
    repeated(scene, method, ALICE, REBOUND, via=RPORT_VIA)
    scene.respond(200)
    assert came_from(scene) == ("UDP", 40002, 0)


def test_without_rport_the_port_of_the_via_counts_for_repetitions_too(scene: Scene) -> None:
    """RFC 3261 18.2.2: "sent to the [...] port indicated in the "sent-by" value"."""
    repeated(scene, "INVITE", ALICE, REBOUND, via="SIP/2.0/UDP 192.0.2.1:5060")
    scene.respond(180)
    assert came_from(scene) == ("UDP", 5060, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("via", [TCP_VIA, RPORT_VIA])
def test_another_host_does_not_get_the_responses(scene: Scene, method: str, via: str) -> None:
    """RFC 3261 17.2.3: "there could be accidental or malicious duplication of branch parameters
    from different clients."
    """
    scene.receive(request(method, via=via))
    for source in (STRANGER, STRANGER._replace(transport="TCP", connection=9)):
        scene.receive(request(method, via=via), source)
        scene.receive(request("CANCEL", via=via), source)
    scene.respond(200, 0)
    assert scene.transport.sent[-1][1].host == ALICE.host


def test_a_request_repeated_over_another_transport_is_timed_by_that(scene: Scene) -> None:
    """RFC 3261 17.2.1: timer G is for unreliable transports."""
    repeated(scene, "INVITE", ALICE_TCP)
    repeated(scene, "INVITE", ALICE)
    scene.respond(486)
    assert came_from(scene) == ("UDP", 5060, 0)
    assert len(scene.times("486 INVITE", 4)) > 2
    repeated(scene, "INVITE", RECONNECTED)
    assert came_from(scene) == ("TCP", 5060, 8)


def test_the_487_goes_to_the_connection_of_the_cancel(scene: Scene) -> None:
    """RFC 3261 9.1: a CANCEL takes the way of its INVITE, so a new way is the client's."""
    repeated(scene, "INVITE", ALICE_TCP)
    repeated(scene, "CANCEL", RECONNECTED)
    scene.respond(200)
    assert came_from(scene) == ("TCP", 5060, 8)
    scene.respond(487, 0)
    assert came_from(scene) == ("TCP", 5060, 8)


def test_each_invite_of_a_reused_branch_follows_its_own_repetitions(scene: Scene) -> None:
    scene.receive(request(via=TCP_VIA), ALICE_TCP)
    scene.receive(request(via=TCP_VIA, cseq=2), ALICE_TCP)
    repeated(scene, "INVITE", RECONNECTED)
    scene.respond(180, 0)
    assert came_from(scene) == ("TCP", 5060, 8)
    scene.respond(180, 1)
    assert came_from(scene) == ("TCP", 5060, 7)
