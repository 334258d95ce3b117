"""How long a call may be staged: nobody waits longer than whoever has the least patience."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import (
    asked,
    call_id,
    counted,
    number,
    put_through,
    refused,
    row,
    staged_id,
)
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

PATIENT, IMPATIENT = "127.0.0.1", "127.0.0.2"
STUCK, BOUNDED, RINGS = map(number, range(3))


def start(scene: Scene) -> None:
    """Give one trunk 0.8 s of patience, and each kind of number a row."""
    trunk = {"name": "impatient", "networks": [f"{IMPATIENT}/32"], "ringback_timeout": 0.8}
    scene.start(
        api={"delay": 30},
        behaviours={RINGS: {"delay": 1.2}},
        deadline=60.0,
        policy={"timeout": "refuse 480", "ringing": "never", "margin": 0.3},
        tables=[
            ("[[trunks]]", trunk),
            row(STUCK, AGENT),
            row(BOUNDED, AGENT, deadline=0.4),
            row(RINGS, AGENT, ringing="180", ringing_delay=0.1),
        ],
    )


@pytest.mark.parametrize(
    ("source", "called", "expires", "budget"),
    [
        pytest.param(IMPATIENT, STUCK, 300, "0.5", id="the trunk, which hears no ringing"),
        pytest.param(PATIENT, STUCK, 1, "0.7", id="the INVITE"),
        pytest.param(IMPATIENT, BOUNDED, 1, "0.4", id="the number's deadline"),
    ],
)
def test_a_call_is_staged_no_longer_than_the_least_patient_waits(
    started: Scene, source: str, called: str, expires: int, budget: str
) -> None:
    """RFC 3261 13.2.1: Expires bounds how long an INVITE is held.

    Log and Warning say how long that was; the request to the API is closed.
    """
    script = f"INVITE | Expires: {expires}; < 100; < 480; ACK"
    aborted = started.api.stats()["aborted"]
    with asked(started), counted(started, "calls_refused_total", cause="timeout", status="480"):
        refusal = refused(started, 480, script, number=called, source=source)
    started.api.wait_stats(aborted=aborted + 1)
    line = started.program.wait_logged("call_refused", call_id=call_id(refusal))
    assert line["elapsed_seconds"] > 0.9 * float(budget)
    assert line["text"] == f"the API did not stage the call within {budget} s"
    (warning,) = refusal.values("Warning")
    told = re.fullmatch(r'399 \S+ "timeout: the agent could not be staged, (.*) s"', warning)
    assert told
    assert float(told[1]) == pytest.approx(line["elapsed_seconds"], abs=0.06)


def test_a_trunk_that_hears_us_ring_waits_for_the_agent(started: Scene) -> None:
    script = "INVITE; < 100; < 180; < 200; ACK; BYE; < 200"
    assert staged_id(put_through(started, script, number=RINGS, source=IMPATIENT))
