"""Local ringing while a call is staged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import (
    ANSWERS,
    TALKS,
    call_id,
    expect_metric,
    expect_stage_requests,
    number,
    number_row,
    staged_id,
)
from tests.interop.program import AGENT
from tests.interop.silent_upstream import SilentUpstream

if TYPE_CHECKING:
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

pytestmark = pytest.mark.interop

RINGS, PROGRESSES, KEEPS_QUIET, WANTS_IT_RELIABLE, IS_QUICK, IS_STUCK = map(number, range(6))
RINGS_TOO = "< INVITE; 180; 200; < ACK; < BYE; 200"
SLOW: dict[str, object] = {"delay": 0.5}


def start(scene: Scene) -> None:
    """Start with a number for each mode."""
    scene.start(
        behaviours={KEEPS_QUIET: SLOW, WANTS_IT_RELIABLE: SLOW, IS_STUCK: {"delay": 30}},
        deadline=20.0,
        policy={"ringing_delay": 0.1},
        tables=[
            number_row(RINGS, AGENT, ringing="180"),
            number_row(PROGRESSES, AGENT, ringing="183"),
            number_row(KEEPS_QUIET, AGENT, ringing="never"),
            number_row(WANTS_IT_RELIABLE, AGENT),
            number_row(IS_QUICK, AGENT, ringing_delay=10.0),
            number_row(IS_STUCK, AGENT),
        ],
    )


def tag(caller: Sipp, status: str, which: int = 0) -> str:
    """Return the To tag of one of the responses with this code that the caller received."""
    (value,) = caller.received(status)[which].values("To")
    return value.partition(";tag=")[2]


def assert_staged(scene: Scene, callee: Sipp) -> None:
    """Assert that the callee got one INVITE, with the staged id of that call."""
    (invite,) = callee.received("INVITE")
    line = scene.program.wait_logged("call_forwarded", call_id=call_id(invite))
    assert line["staged_id"] == staged_id(invite)
    assert scene.api.record(staged_id(invite))["agent_id"] == AGENT


@pytest.mark.parametrize(("called", "status"), [(RINGS, "180"), (PROGRESSES, "183")])
def test_local_ringing_has_an_early_dialog_of_its_own(
    module_scene: Scene, called: str, status: str
) -> None:
    """RFC 3261 12.1: the callee's dialog follows ours, as that of another fork would."""
    callee = module_scene.callee(RINGS_TOO)
    script = f"INVITE; < 100; < {status}; < 180; < 200; ACK; BYE; < 200"
    with (
        expect_stage_requests(module_scene),
        expect_metric(module_scene, "local_ringing_total", trunk="sipp"),
    ):
        with module_scene.api.paused():
            caller = module_scene.caller(script, number=called)
            caller.wait_received(status)
        caller.finish()
        callee.finish()
    assert_staged(module_scene, callee)
    ours = caller.received(status)[0]
    assert ours.values("Contact")
    assert ours.values("Content-Type") == []
    assert ours.body == b""
    assert tag(caller, status)
    assert tag(caller, status) != tag(caller, "180", -1) == tag(caller, "200")


@pytest.mark.parametrize(
    ("called", "field"),
    [(KEEPS_QUIET, "Supported: 100rel"), (WANTS_IT_RELIABLE, "Require: 100rel")],
)
def test_there_is_no_local_ringing_by_policy_or_if_it_must_be_reliable(
    module_scene: Scene, called: str, field: str
) -> None:
    """RFC 3262 3: if the INVITE requires 100rel, ringing would have to be sent reliably."""
    callee = module_scene.callee(ANSWERS)
    with (
        expect_stage_requests(module_scene),
        expect_metric(module_scene, "local_ringing_total", times=0),
    ):
        caller = module_scene.caller(TALKS.replace("INVITE", f"INVITE | {field}"), number=called)
        caller.finish()
        callee.finish()
    assert_staged(module_scene, callee)
    assert caller.received("180") + caller.received("183") == []


def test_there_is_no_local_ringing_if_the_agent_is_ready_before(
    module_scene: Scene,
) -> None:
    callee = module_scene.callee(RINGS_TOO)
    with (
        expect_stage_requests(module_scene),
        expect_metric(module_scene, "local_ringing_total", times=0),
    ):
        caller = module_scene.caller(
            "INVITE; < 100; < 180; < 200; ACK; BYE; < 200", number=IS_QUICK
        )
        caller.finish()
        callee.finish()
    assert_staged(module_scene, callee)
    assert tag(caller, "180") == tag(caller, "200")


def test_a_cancel_during_local_ringing_ends_our_early_dialog(module_scene: Scene) -> None:
    """RFC 3261 9.2: the 487 ends the early dialog that our ringing began."""
    aborted = module_scene.api.stats()["aborted"]
    script = "INVITE; < 100; < 180; CANCEL; < 200; < 487; ACK"
    with (
        SilentUpstream(module_scene.upstream) as upstream,
        expect_stage_requests(module_scene),
        expect_metric(module_scene, "local_ringing_total", trunk="sipp"),
        expect_metric(module_scene, "calls_ended_total", outcome="cancelled"),
    ):
        caller = module_scene.caller(script, number=IS_STUCK)
        caller.finish()
        upstream.assert_nothing_received()
    module_scene.api.wait_stats(aborted=aborted + 1)
    assert tag(caller, "180") == tag(caller, "200") == tag(caller, "487")
