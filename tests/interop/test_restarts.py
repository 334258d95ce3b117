"""Calls survive a restart of the program."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


# Over UDP only: SIPp ends its calls when a TCP connection closes.
@pytest.mark.parametrize("gently", [True, False], ids=["terminated", "killed"])
def test_a_call_continues_in_both_directions_after_a_restart(scene: Scene, *, gently: bool) -> None:
    """RFC 3261 16.6 step 4: everything that a request within a dialog needs is in its Route."""
    scene.start()
    callee = scene.callee("""
        < INVITE; 180; 200; < ACK
        < UPDATE; 200
        INVITE; < 100; < 200; ACK
        < BYE; 200
        """)
    caller = scene.caller("""
        INVITE; < 100; < 180; < 200; ACK; ~50
        UPDATE; < 200
        < INVITE; 200; < ACK
        BYE; < 200
        """)
    callee.wait_received("ACK")
    scene.restart_program(gently=gently)
    caller.finish()
    callee.finish()
    assert len(callee.received("BYE")) == 1
    assert scene.api.stats()["stage_requests"] == 1


def test_a_call_that_rings_when_the_program_is_terminated_can_still_be_answered(
    scene: Scene,
) -> None:
    scene.start(limits={"drain_timeout": 20})
    callee = scene.callee("< INVITE; 180; ~1000; 200; < ACK; < BYE; 200")
    caller = scene.caller("INVITE; < 100; < 180; < 200; ~200; ACK; ~3000; BYE; < 200")
    callee.wait_received("INVITE")
    caller.wait_received("180")
    scene.program.signal(signal.SIGTERM)
    assert scene.program.wait(60) == 0
    scene.restart_program(gently=True)
    caller.finish()
    callee.finish()
    assert len(callee.received("ACK")) == 1


def test_a_call_that_rings_after_the_drain_timeout_is_ended_on_both_sides(scene: Scene) -> None:
    scene.start(limits={"drain_timeout": 0.5})
    callee = scene.callee("< INVITE; 180; < CANCEL; 200; 487 INVITE; < ACK")
    caller = scene.caller("INVITE; < 100; < 180; < 503; ACK")
    caller.wait_received("180")
    scene.program.signal(signal.SIGTERM)
    caller.finish()
    callee.finish()
    assert scene.program.wait(60) == 0
    assert scene.program.logged("call_ended", cause="stopped", status=503)
