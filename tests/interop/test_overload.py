"""Overload: new calls are refused, live ones go on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.program import Program
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

# Overload that lasts until the end of the test, and in which no new call is admitted.
CONSTANTS = {
    "sip_stager.calls.overload.RELAX_TIME": 1000.0,
    "sip_stager.calls.overload.MIN_RATE": 0.001,
    "sip_stager.calls.overload.MIN_SHARE": 0.0,
    "sip_stager.calls.overload.MAX_GROWTH": 0.0,
}
PAUSE = 0.25  # seconds; the lag of the loop, which is measured each 0.1 s
TURN = 0.03  # seconds between two pauses, shorter than the time between two measurements


def overload(program: Program) -> None:
    """Pause the program again and again, so that its event loop is late."""

    def is_shedding() -> bool:
        for _ in range(3):
            with program.paused():
                time.sleep(PAUSE)
            time.sleep(TURN)
        return program.metric("overload_state", state="shedding") == 1

    program.wait_until(is_shedding, "overload", timeout=60)


def test_in_overload_new_calls_are_refused_and_live_ones_go_on(scene: Scene) -> None:
    """RFC 3261 21.5.4, 8.2.7."""
    scene.start(constants=CONSTANTS)
    callee = scene.callee("callee_answers")
    live = scene.caller("caller_hangs_up", hold=6000)
    callee.wait_received("ACK")
    overload(scene.program)
    for _ in range(3):
        refusal = place_refused_call_beside(scene)
        assert 1 <= int(refusal["Retry-After"]) <= 10
        assert "overload: too many calls" in refusal["Warning"]
    live.finish()
    callee.finish()
    program = scene.program
    assert program.metric("calls_refused_total", cause="overload", status="503") == 3
    assert program.metric("requests_received_total", method="ACK") == 4
    assert program.metric("messages_dropped_total") == 0
    assert program.metric("transactions", kind="invite_server") <= 1  # that of the live call
    assert program.logged("overload_began")


def place_refused_call_beside(scene: Scene) -> dict[str, str]:
    """Place a call that is refused while another one is up; return fields of the refusal."""
    caller = scene.caller("INVITE; < 503; ACK")
    caller.finish()
    (refusal,) = caller.received("503")
    return {name: refusal.values(name)[0] for name in ("Retry-After", "Warning")}
