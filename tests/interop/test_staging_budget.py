"""The time for staging: the minimum of all timeouts of a call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import (
    call_id,
    expect_metric,
    expect_stage_requests,
    number,
    number_row,
    place_answered_call,
    place_refused_call,
    staged_id,
)
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

PATIENT, IMPATIENT = "127.0.0.1", "127.0.0.2"
STUCK, BOUNDED, RINGS = map(number, range(3))


def start(scene: Scene) -> None:
    """Start with a trunk that gives up after 0.8 s, and a number for each case."""
    trunk = {"name": "impatient", "networks": [f"{IMPATIENT}/32"], "ringback_timeout": 0.8}
    scene.start(
        api={"delay": 30},
        behaviours={RINGS: {"delay": 1.2}},
        deadline=60.0,
        policy={"timeout": "refuse 480", "ringing": "never", "margin": 0.3},
        tables=[
            ("[[trunks]]", trunk),
            number_row(STUCK, AGENT),
            number_row(BOUNDED, AGENT, deadline=0.4),
            number_row(RINGS, AGENT, ringing="180", ringing_delay=0.1),
        ],
    )


@pytest.mark.parametrize(
    ("source", "called", "expires", "budget"),
    [
        pytest.param(IMPATIENT, STUCK, 300, "0.5", id="the trunk, without ringing"),
        pytest.param(PATIENT, STUCK, 1, "0.7", id="the INVITE"),
        pytest.param(IMPATIENT, BOUNDED, 1, "0.4", id="the number's deadline"),
    ],
)
def test_staging_is_limited_by_the_shortest_timeout_of_a_call(
    module_scene: Scene, source: str, called: str, expires: int, budget: str
) -> None:
    """RFC 3261 13.2.1: Expires bounds how long an INVITE is held.

    Log and Warning have the elapsed time; the request to the API is closed.
    """
    script = f"INVITE | Expires: {expires}; < 100; < 480; ACK"
    aborted = module_scene.api.stats()["aborted"]
    with (
        expect_stage_requests(module_scene),
        expect_metric(module_scene, "calls_refused_total", cause="timeout", status="480"),
    ):
        refusal = place_refused_call(module_scene, 480, script, number=called, source=source)
    module_scene.api.wait_stats(aborted=aborted + 1)
    line = module_scene.program.wait_logged("call_ended", call_id=call_id(refusal))
    assert line["elapsed_seconds"] > 0.9 * float(budget)
    assert line["text"] == f"the API did not stage the call within {budget} s"
    (warning,) = refusal.values("Warning")
    told = re.fullmatch(r'399 \S+ "timeout: the agent could not be staged, (.*) s"', warning)
    assert told
    assert float(told[1]) == pytest.approx(line["elapsed_seconds"], abs=0.06)


def test_a_trunk_that_gets_local_ringing_waits_for_the_agent(module_scene: Scene) -> None:
    script = "INVITE; < 100; < 180; < 200; ACK; BYE; < 200"
    assert staged_id(place_answered_call(module_scene, script, number=RINGS, source=IMPATIENT))
