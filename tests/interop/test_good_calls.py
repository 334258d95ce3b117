"""Calls that are staged, forwarded and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import stage_request_count, staged_id
from tests.support.needed import need_ipv6

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


@pytest.mark.parametrize(
    ("_shared_scene", "outgoing"), [("udp", "udp"), ("tcp", "tcp")], indirect=["_shared_scene"]
)
@pytest.mark.parametrize("incoming", ["udp", "tcp"])
def test_a_call_is_staged_forwarded_and_answered(
    shared_scene: Scene, incoming: str, outgoing: str
) -> None:
    before = stage_request_count(shared_scene)
    callee = shared_scene.callee("callee_answers")
    shared_scene.caller("caller_hangs_up", transport=incoming, hold=50).finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    assert staged_id(invite)
    assert stage_request_count(shared_scene) == before + 1
    assert f"/{outgoing.upper()} " in invite.values("Via")[0]


def test_a_call_over_ipv6_is_answered(scene: Scene) -> None:
    need_ipv6()
    scene.start(address="::1")
    callee = scene.callee("callee_answers")
    scene.caller("caller_hangs_up", hold=50).finish()
    callee.finish()
    assert "[::1]" in callee.received("INVITE")[0].values("Record-Route")[0]


def test_the_asynchronous_mode_polls_until_the_call_is_staged(scene: Scene) -> None:
    scene.start(mode="async", api={"delay": 0.5})
    callee = scene.callee("callee_answers")
    scene.caller("caller_hangs_up").finish()
    callee.finish()
    stats = scene.api.stats()
    assert stats["stage_requests"] == 1
    assert stats["polls"] >= 2


def test_a_retransmitted_invite_is_staged_and_forwarded_once(scene: Scene) -> None:
    scene.start(api={"delay": 1.7})
    callee = scene.callee("callee_answers")
    caller = scene.caller("caller_repeats_invite")
    caller.finish()
    callee.finish()
    assert len(caller.sent("INVITE")) >= 3
    assert len(caller.received("100")) >= 2  # it may ring by the time that the last is read
    assert len(callee.received("INVITE")) == 1
    assert scene.api.stats()["stage_requests"] == 1


def test_a_callee_may_take_longer_than_t1_to_ring(shared_scene: Scene) -> None:
    """After T1 an unanswered message would be retransmitted."""
    callee = shared_scene.callee("callee_answers", hold=1200)
    caller = shared_scene.caller("caller_hangs_up")
    caller.finish()
    callee.finish()
    assert len(callee.received("INVITE")) == 1
    assert len(caller.received("180")) == 1


def test_a_retransmitted_200_reaches_the_caller_and_its_ack_the_callee(shared_scene: Scene) -> None:
    callee = shared_scene.callee("callee_answers")
    caller = shared_scene.caller("caller_loses_ack")
    caller.finish()
    callee.finish()
    answers = [each for each in caller.received("200") if "INVITE" in each.values("CSeq")[0]]
    assert len(answers) >= 2
    assert len(callee.received("ACK")) == 1
