"""No call is staged twice where what was staged before was not used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.silence import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

HANGS_UP = """
    INVITE
    < 100
    ~100
    CANCEL
    < 200
    < 487
    ACK
    """
TALKS = """
    INVITE
    < 100
    < 180?
    < 200
    ACK
    ~50
    BYE
    < 200
    """
ANSWERS = """
    < INVITE
    200
    < ACK
    < BYE
    200
    """


@pytest.mark.parametrize("pause", [False, True])
def test_a_caller_who_redials_gets_the_agent_that_was_staged_for_him(
    scene: Scene, *, pause: bool
) -> None:
    """He hangs up while he waits, and calls again while it is staged, or after."""
    scene.start(api={"delay": 1.0}, staging={"after_hangup": "keep"})
    with Silence(scene.upstream) as upstream:
        scene.caller(HANGS_UP).finish()
        if pause:
            scene.api.wait_stats(under_way=0)
        upstream.check()
    callee = scene.callee(ANSWERS)
    scene.caller(TALKS).finish()
    callee.finish()
    assert scene.api.stats()["stage_requests"] == 1
