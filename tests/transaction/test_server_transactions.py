"""RFC 3261 17.2, RFC 4320 and RFC 6026: timers G, H, I, J and L."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ALICE, ALICE_TCP
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.ports import Flow
    from tests.transaction.layer_scene import Scene


@pytest.fixture(params=[ALICE, ALICE_TCP], ids=["udp", "tcp"])
def source(request: pytest.FixtureRequest) -> Flow:
    flow: Flow = request.param
    return flow


def test_a_repeated_invite_gets_the_last_provisional_response(scene: Scene, source: Flow) -> None:
    scene.receive(request(), source)
    scene.receive(request(), source)
    assert scene.take() == []
    scene.respond(100)
    scene.respond(180)
    scene.receive(request(), source)
    assert scene.take() == ["100 INVITE", "180 INVITE", "180 INVITE"]
    assert scene.told == ["INVITE"]


def test_timer_g_doubles_up_to_t2_until_timer_h_ends_it(scene: Scene) -> None:
    scene.receive(request())
    scene.respond(486)
    expected = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert scene.times("486 INVITE", 31.875) == expected
    assert scene.alive == 1
    assert scene.times("486 INVITE", 60) == []
    assert scene.over


def test_a_refusal_over_tcp_is_not_repeated_and_timer_h_ends_it(scene: Scene) -> None:
    scene.receive(request(), ALICE_TCP)
    scene.respond(486)
    assert scene.times("486 INVITE", 31.875) == [0]
    assert scene.alive == 1
    scene.clock.advance(0.2)
    assert scene.over


def test_a_repeated_invite_gets_the_refusal_again(scene: Scene, source: Flow) -> None:
    scene.receive(request(), source)
    scene.respond(486)
    scene.receive(request(), source)
    scene.respond(503)
    scene.respond(200)
    assert scene.take() == ["486 INVITE", "486 INVITE"]


@pytest.mark.parametrize(("flow", "seconds"), [(ALICE, 5.0), (ALICE_TCP, 0.0)], ids=["udp", "tcp"])
def test_timer_i_absorbs_what_comes_after_the_ack(scene: Scene, flow: Flow, seconds: float) -> None:
    scene.receive(request(), flow)
    scene.respond(486)
    for message in (request("ACK"), request("ACK"), request()):
        scene.receive(message, flow)
    assert scene.take() == ["486 INVITE"]
    assert scene.times("", seconds) == []
    assert scene.told == ["INVITE"]
    scene.clock.advance(0.125)
    assert scene.over


def test_timer_l_absorbs_invites_and_lets_more_2xx_and_their_acks_pass(
    scene: Scene, source: Flow
) -> None:
    scene.receive(request(), source)
    scene.respond(200)
    scene.receive(request(), source)
    scene.respond(200)
    scene.respond(486)
    scene.respond(180)
    assert scene.take() == ["200 INVITE", "200 INVITE"]
    scene.receive(request("ACK"), source)
    assert scene.told == ["INVITE", "ACK"]
    scene.clock.advance(31.875)
    assert scene.alive == 1
    scene.clock.advance(0.2)
    assert scene.over


def test_an_ack_ahead_of_every_final_response_is_nothing(scene: Scene) -> None:
    scene.receive(request())
    scene.respond(180)
    scene.receive(request("ACK"))
    assert scene.told == ["INVITE"]
    assert scene.take() == ["180 INVITE"]


def test_who_works_on_an_invite_is_forgotten_with_its_final_response(scene: Scene) -> None:
    for number, status in enumerate((200, 486)):
        scene.receive(request(branch=f"z9hG4bK-{number}"))
        server = scene.servers[-1]
        assert hasattr(server, "owner")
        server.owner = scene
        scene.respond(180)
        assert server.owner is scene
        scene.respond(status)
        assert server.owner is None


@pytest.mark.parametrize(("flow", "seconds"), [(ALICE, 32.0), (ALICE_TCP, 0.0)], ids=["udp", "tcp"])
def test_timer_j_repeats_the_answer_to_whoever_asks_again(
    scene: Scene, flow: Flow, seconds: float
) -> None:
    scene.receive(request("OPTIONS"), flow)
    scene.receive(request("OPTIONS"), flow)
    scene.respond(180)
    assert scene.take() == []
    scene.respond(200)
    scene.receive(request("OPTIONS"), flow)
    scene.respond(500)
    assert scene.take() == ["200 OPTIONS", "200 OPTIONS"]
    assert scene.told == ["OPTIONS"]
    if seconds:
        scene.clock.advance(seconds - 0.125)
        assert scene.alive == 1
    scene.clock.advance(0.125)
    assert scene.over


def test_a_request_that_gets_no_answer_is_left_in_silence(scene: Scene) -> None:
    scene.receive(request("BYE"))
    server = scene.servers[-1]
    assert hasattr(server, "abandon")
    server.abandon()
    assert scene.take() == []
    assert scene.over
