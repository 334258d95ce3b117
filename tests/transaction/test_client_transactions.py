"""RFC 3261 17.1 and RFC 6026: timers A, B, D, E, F, K and M."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.transaction.invite_client import InviteClientTransaction
from tests.support.conversation import BOB
from tests.support.messages import response
from tests.transaction.layer_scene import TCP_TO_BOB

if TYPE_CHECKING:
    from sip_stager.ports import Flow
    from tests.transaction.layer_scene import Scene

A = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
E = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_timer_a_doubles_until_timer_b_ends_it(scene: Scene) -> None:
    _, answers = scene.send("INVITE")
    assert scene.times("INVITE", 31.875) == A
    assert answers.heard == []
    assert scene.times("INVITE", 60) == []
    assert answers.heard == ["timed out"]
    assert scene.over


def test_timer_e_doubles_up_to_t2_until_timer_f_ends_it(scene: Scene) -> None:
    _, answers = scene.send("BYE")
    assert scene.times("BYE", 31.875) == E
    assert answers.heard == []
    assert scene.times("BYE", 60) == []
    assert answers.heard == ["timed out"]
    assert scene.over


def test_timer_e_is_t2_after_a_provisional_response(scene: Scene) -> None:
    sent, answers = scene.send("BYE")
    scene.clock.advance(0.125)
    scene.answer(sent, 100)
    assert scene.take() == ["BYE"]
    assert scene.times("BYE", 31.75) == [
        0.375,
        4.375,
        8.375,
        12.375,
        16.375,
        20.375,
        24.375,
        28.375,
    ]
    scene.clock.advance(1)
    assert answers.heard == ["100", "timed out"]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_nothing_is_repeated_over_a_reliable_transport(scene: Scene, method: str) -> None:
    _, answers = scene.send(method, TCP_TO_BOB)
    assert scene.times(method, 31.875) == [0]
    scene.clock.advance(0.2)
    assert answers.heard == ["timed out"]
    assert scene.over


def test_a_provisional_response_ends_timers_a_and_b(scene: Scene) -> None:
    sent, answers = scene.send("INVITE")
    scene.answer(sent, 100)
    scene.answer(sent, 180)
    assert scene.times("INVITE", 200) == [0]
    assert answers.heard == ["100", "180"]
    assert scene.alive == 1


@pytest.mark.parametrize(("flow", "seconds"), [(BOB, 32.0), (TCP_TO_BOB, 0.0)], ids=["udp", "tcp"])
def test_timer_d_keeps_acknowledging_a_refusal(scene: Scene, flow: Flow, seconds: float) -> None:
    sent, answers = scene.send("INVITE", flow)
    scene.answer(sent, 486)
    assert scene.take() == ["INVITE", "ACK"]
    scene.answer(sent, 486)
    scene.answer(sent, 180)
    scene.answer(sent, 200)
    assert scene.take() == ["ACK"]
    assert answers.heard == ["486"]
    if seconds:
        scene.clock.advance(seconds - 0.125)
        assert scene.alive == 1
    scene.clock.advance(0.125)
    assert scene.over


def test_the_ack_of_a_refusal_is_the_rfcs(scene: Scene) -> None:
    sent, _ = scene.send("INVITE")
    scene.answer(sent, 486)
    data, flow = scene.transport.sent[-1]
    assert flow == BOB
    assert data == (
        b"ACK sip:+33612345678@198.51.100.1 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-ours\r\n"
        b'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice\r\n'
        b"Call-ID: call-1@192.0.2.1\r\n"
        b"To: <sip:+33612345678@198.51.100.1>;tag=bob\r\n"
        b"CSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )


def test_timer_m_passes_every_2xx_on(scene: Scene) -> None:
    sent, answers = scene.send("INVITE")
    scene.answer(sent, 200)
    scene.clock.advance(31.875)
    scene.receive(response(sent, 200, tag="other"), BOB)
    scene.answer(sent, 180)
    scene.answer(sent, 486)
    assert scene.take() == ["INVITE"]
    assert answers.heard == ["200", "200"]
    scene.clock.advance(0.125)
    assert scene.over
    scene.answer(sent, 200)
    assert scene.dropped == ["stray_response"]


@pytest.mark.parametrize(("flow", "seconds"), [(BOB, 5.0), (TCP_TO_BOB, 0.0)], ids=["udp", "tcp"])
def test_timer_k_absorbs_repeated_answers(scene: Scene, flow: Flow, seconds: float) -> None:
    sent, answers = scene.send("BYE", flow)
    scene.answer(sent, 200)
    scene.answer(sent, 200)
    assert scene.times("BYE", seconds) == [0][: int(seconds)]
    assert answers.heard == ["200"]
    assert scene.dropped == []
    scene.clock.advance(0.125)
    assert scene.over


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_who_sent_hears_at_once_that_it_could_not_be_sent(scene: Scene, method: str) -> None:
    scene.transport.failing.add(BOB.host)
    _, answers = scene.send(method)
    assert answers.heard == []
    scene.clock.advance(0)
    assert answers.heard == ["connection refused"]
    assert scene.over


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_failure_that_comes_after_the_answer_is_no_news(scene: Scene, method: str) -> None:
    scene.transport.failing.add(BOB.host)
    sent, answers = scene.send(method)
    scene.answer(sent, 200)
    scene.clock.advance(0)
    assert answers.heard == ["200"]
    assert scene.alive == 1


def test_a_cancelled_call_is_given_up_after_64_t1(scene: Scene) -> None:
    sent, answers = scene.send("INVITE")
    client = next(iter(scene.layer.invite_clients.values()))
    assert isinstance(client, InviteClientTransaction)
    scene.answer(sent, 180)
    scene.clock.advance(100)
    client.give_up_in_time()
    scene.clock.advance(31.875)
    assert answers.heard == ["180"]
    scene.clock.advance(0.125)
    assert answers.heard == ["180", "timed out"]
    assert scene.over


@pytest.mark.parametrize("status", [200, 487])
def test_a_cancelled_call_that_ends_is_not_given_up(scene: Scene, status: int) -> None:
    sent, answers = scene.send("INVITE")
    client = next(iter(scene.layer.invite_clients.values()))
    assert isinstance(client, InviteClientTransaction)
    scene.answer(sent, 180)
    client.give_up_in_time()
    scene.answer(sent, status)
    scene.clock.advance(100)
    assert answers.heard == ["180", str(status)]


def test_what_was_abandoned_is_silent(scene: Scene) -> None:
    sent, answers = scene.send("INVITE")
    next(iter(scene.layer.invite_clients.values())).abandon()
    scene.answer(sent, 200)
    assert scene.times("INVITE", 100) == [0]
    assert answers.heard == []
    assert scene.dropped == ["stray_response"]


def test_a_response_belongs_to_the_branch_and_the_method(scene: Scene) -> None:
    sent, answers = scene.send("INVITE")
    data = bytes(response(sent, 200))
    scene.receive(data.replace(b"z9hG4bK-ours", b"z9hG4bK-other"), BOB)
    scene.receive(data.replace(b"CSeq: 1 INVITE", b"CSeq: 1 CANCEL"), BOB)
    assert scene.dropped == ["stray_response"] * 2
    scene.receive(data.replace(b"Content-Length: 0", b"Content-Length: 9"), BOB)
    scene.receive(data.replace(b"Via:", b"X-Via:"), BOB)
    scene.receive(data.replace(b"CSeq:", b"X-CSeq:"), BOB)
    assert scene.dropped[2:] == ["malformed"] * 3
    assert answers.heard == []
    scene.receive(data, BOB)
    assert answers.heard == ["200"]
