"""An API that is busy, closes connections or fails, and calls that are answered nevertheless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import ANSWERS, TALKS, place_answered_call, stage_request_count, staged_id

if TYPE_CHECKING:
    from tests.interop.message_trace import TracedMessage
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

TRIES = 100  # calls, one after another, until the breaker admits one after a second


def place_one_after_another(scene: Scene, calls: int) -> list[TracedMessage]:
    """Place calls that are all answered; return the INVITEs that the callee received."""
    callee = scene.callee(ANSWERS, calls=calls)
    scene.caller(TALKS, calls=calls, options=("-l", "1", "-r", "1000")).finish()
    callee.finish()
    return callee.received("INVITE")


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_is_staged_after_the_retry_after_of_the_api(scene: Scene, status: int) -> None:
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


def test_an_api_that_closes_each_connection_fails_no_call(scene: Scene) -> None:
    """No call is staged twice either."""
    scene.start(api={"fault": "close_after"})
    invites = place_one_after_another(scene, 5)
    assert len({staged_id(invite) for invite in invites}) == 5
    assert stage_request_count(scene) == 5


def test_the_breaker_spares_calls_the_wait_for_a_failing_api(scene: Scene) -> None:
    scene.start(
        api={"fault": "truncated_body"},
        staging={"breaker_min_calls": 3, "breaker_open_time": 1.0},
        policy={"api_unreachable": "forward"},
    )
    invites = place_one_after_another(scene, 4)
    assert [invite.values("X-Rounded-Call-Id") for invite in invites] == [[]] * 4
    assert stage_request_count(scene) == 3
    assert breaker_transitions(scene, "open") == 1
    scene.api.change(default={})
    assert any(place_answered_call(scene).values("X-Rounded-Call-Id") for _ in range(TRIES))
    assert stage_request_count(scene) == 4
    assert breaker_transitions(scene, "closed") == 1


def breaker_transitions(scene: Scene, state: str) -> int:
    """Return how often the breaker entered a state."""
    name = f'sip_stager_breaker_transitions_total{{state="{state}"}} '
    (line,) = (line for line in scene.program.metrics().splitlines() if line.startswith(name))
    return round(float(line.removeprefix(name)))
