"""A call that is alive outlives the program that began it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


# Over UDP: SIPp gives its calls up when a TCP connection closes.
@pytest.mark.parametrize("gently", [True, False], ids=["asked to end", "killed"])
def test_a_call_goes_on_in_both_directions_after_a_restart(scene: Scene, *, gently: bool) -> None:
    """All that a request of a dialog needs is in its Route (RFC 3261 16.6 step 4)."""
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
