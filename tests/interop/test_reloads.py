"""The settings change under calls: none is refused, and none is lost."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.interop.ports import free_port
from tests.interop.program import AGENT, NUMBER

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

RATE = 100  # calls per second
CALLS = 400
NEW = "+33612345699"


def test_no_call_is_refused_or_lost_while_the_settings_are_read_again(scene: Scene) -> None:
    scene.start(log_level="info")
    scene.api.change(default={"delay": 0.3})
    callee = scene.callee("callee_answers", calls=CALLS + 1)
    caller = scene.caller("caller_hangs_up", hold=200, calls=CALLS, options=("-r", str(RATE)))
    program = scene.program
    for turn in range(1, 4):
        program.wait_metric(turn * CALLS // 4, "calls_admitted_total")
        text = program.settings.read_text()
        row = f'[[numbers]]\nnumber = "{NEW}{turn}"\nagent = "{AGENT}"\n'
        program.settings.write_text(text.replace("[policy]", f"{row}\n[policy]"))
        program.signal(signal.SIGHUP)
        program.wait_metric(turn, "settings_reloads_total", outcome="applied")
    caller.finish(60)
    scene.caller("caller_hangs_up", number=f"{NEW}3").finish()
    callee.finish()
    assert program.metric("calls_refused_total") == 0
    assert program.metric("calls_ended_total", outcome="answered") == CALLS + 1
    assert program.metric("numbers", source="settings") == 4
    assert scene.api.stats()["stage_requests"] == CALLS + 1
    assert NUMBER in program.settings.read_text()


def test_a_call_goes_on_over_a_listener_that_the_settings_no_longer_have(scene: Scene) -> None:
    scene.start(limits={"drain_timeout": 5.0}, log_level="info")
    scene.api.change(default={"delay": 0.5})
    callee = scene.callee("callee_answers")
    caller = scene.caller("caller_hangs_up")
    program = scene.program
    program.wait_metric(1, "calls_admitted_total")
    text, other = program.settings.read_text(), free_port()
    program.settings.write_text(text.replace(f"port = {program.port}\n", f"port = {other}\n"))
    program.signal(signal.SIGHUP)
    program.wait_metric(1, "settings_reloads_total", outcome="applied")
    caller.finish()
    callee.finish()
