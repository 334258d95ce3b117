"""An API that is busy, closes connections or fails, and calls that come through all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import ANSWERS, TALKS, put_through, staged_id, stagings

if TYPE_CHECKING:
    from tests.interop.message_trace import Traced
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

TRIES = 100  # calls, one after another, until the breaker lets one through: it waits for a second


def one_after_another(scene: Scene, calls: int) -> list[Traced]:
    """Place calls that are all answered; return the INVITEs that came to the callee."""
    callee = scene.callee(ANSWERS, calls=calls)
    scene.caller(TALKS, calls=calls, options=("-l", "1", "-r", "1000")).finish()
    callee.finish()
    return callee.received("INVITE")


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_is_staged_after_the_time_that_the_api_asked_for(scene: Scene, status: int) -> None:
    scene.start(
        api={"status": status, "retry_after": "1"},
        staging={"warm_connections": 0, "agents_refresh_interval": 0},
        deadline=20.0,
    )
    callee = scene.callee(ANSWERS)
    caller = scene.caller(TALKS)
    scene.api.wait_stats(stage_requests=1, active=0)
    scene.api.change(default={})
    caller.finish()
    callee.finish()
    assert staged_id(callee.received("INVITE")[0])
    responses = scene.api.stats()["responses"]
    assert responses.keys() == {str(status), "201"}
    assert responses["201"] == 1


def test_an_api_that_closes_each_connection_costs_no_call(scene: Scene) -> None:
    """Nor is any staged twice."""
    scene.start(api={"fault": "close_after"})
    invites = one_after_another(scene, 5)
    assert len({staged_id(invite) for invite in invites}) == 5
    assert stagings(scene) == 5


def test_calls_do_not_wait_for_an_api_that_fails_until_it_is_well_again(scene: Scene) -> None:
    scene.start(
        api={"fault": "truncated_body"},
        staging={"breaker_min_calls": 3, "breaker_open_time": 1.0},
        policy={"api_unreachable": "forward"},
    )
    invites = one_after_another(scene, 4)
    assert [invite.values("X-Rounded-Call-Id") for invite in invites] == [[]] * 4
    assert stagings(scene) == 3
    assert moves(scene, "open") == 1
    scene.api.change(default={})
    assert any(put_through(scene).values("X-Rounded-Call-Id") for _ in range(TRIES))
    assert stagings(scene) == 4
    assert moves(scene, "closed") == 1


def moves(scene: Scene, state: str) -> int:
    """Return how often the breaker came to be so."""
    name = f'sip_stager_breaker_transitions_total{{state="{state}"}} '
    (line,) = (line for line in scene.program.metrics().splitlines() if line.startswith(name))
    return round(float(line.removeprefix(name)))
