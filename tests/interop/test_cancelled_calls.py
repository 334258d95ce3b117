"""CANCEL in each phase of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.silence import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_cancelled_while_staging_goes_nowhere(scene: Scene, transport: str) -> None:
    scene.start(api={"delay": 3})
    with Silence(scene.upstream) as upstream:
        caller = scene.caller("caller_cancels_staging", transport=transport, hold=200)
        caller.finish(timeout=2.5)
        scene.api.wait_stats(stage_requests=1, aborted=1)
        upstream.check()


def test_a_call_cancelled_while_ringing_is_cancelled_upstream(scene: Scene) -> None:
    scene.start()
    callee = scene.callee("callee_is_cancelled")
    scene.caller("caller_cancels_ringing").finish()
    callee.finish()
    (cancel,) = callee.received("CANCEL")
    (invite,) = callee.received("INVITE")
    assert cancel.values("Via") == invite.values("Via")[:1]
    (ack,) = callee.received("ACK")
    assert ack.values("Via") == invite.values("Via")[:1]
