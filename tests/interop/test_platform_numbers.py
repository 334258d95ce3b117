"""The platform's numbers: they are mapped in addition to the settings, and refreshed."""

from __future__ import annotations

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
    staged_request,
)
from tests.interop.program import AGENT, NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

THEIRS, OTHER, OF_PREFIX = (AGENT[:-1] + digit for digit in "abc")
LISTED, REDIRECTED, NEW, WITHOUT_AGENT = (number(index) for index in (0, 1, 2, 20))
LIST: dict[str, str | None] = {LISTED: THEIRS, NUMBER: THEIRS, WITHOUT_AGENT: None}


def start(scene: Scene) -> None:
    """Start with a list that is fetched repeatedly, one number and one prefix."""
    scene.start(
        staging={"numbers_refresh_interval": 0.2},
        listed=LIST,
        redirected=[REDIRECTED],
        tables=[number_row(WITHOUT_AGENT[:-1] + "*", OF_PREFIX)],
    )


@pytest.fixture
def listed(module_scene: Scene) -> Iterator[Scene]:
    """Return the scene; restore the list at the end of the test."""
    yield module_scene
    module_scene.api.change(phone_numbers={})
    relist(module_scene, LIST)


def relist(scene: Scene, agents: dict[str, str | None]) -> None:
    """Replace the list, and wait until the program has fetched it."""
    scene.api.list_numbers(agents, REDIRECTED)
    wait_fetched(scene)


def wait_fetched(scene: Scene, outcome: str = "refreshed") -> None:
    """Wait for the end of a fetch that starts from now on; an active one may have the old list."""
    name = "numbers_refreshes_total"
    scene.program.wait_metric(scene.program.metric(name) + 1, name)
    scene.program.wait_metric(
        scene.program.metric(name, outcome=outcome) + 1, name, outcome=outcome
    )


@pytest.mark.parametrize(
    ("called", "agent"),
    [
        pytest.param(LISTED, THEIRS, id="only in the list"),
        pytest.param(NUMBER, AGENT, id="in the settings"),
        pytest.param(WITHOUT_AGENT, OF_PREFIX, id="listed without an agent"),
    ],
)
def test_a_number_is_staged_for_the_agent_of_its_most_specific_entry(
    module_scene: Scene, called: str, agent: str
) -> None:
    with expect_stage_requests(module_scene):
        invite = place_answered_call(module_scene, number=called)
    assert staged_request(module_scene, invite)["agent_id"] == agent


def test_a_number_that_the_platform_redirects_is_not_staged(module_scene: Scene) -> None:
    with (
        expect_stage_requests(module_scene, times=0),
        expect_metric(module_scene, "stagings_started_total", times=0),
        expect_metric(module_scene, "calls_ended_total", outcome="answered"),
    ):
        invite = place_answered_call(module_scene, number=REDIRECTED)
    assert invite.values("X-Rounded-Call-Id") == []
    line = module_scene.program.wait_logged("call_forwarded", call_id=call_id(invite))
    assert line["staged_id"] == ""


def test_the_list_is_refreshed_during_a_call(listed: Scene) -> None:
    """The call continues although its number is no longer in the list."""
    callee = listed.callee("< INVITE; 200; < ACK; ~1000; UPDATE; < 200; < BYE; 200")
    script = "INVITE; < 100; < 200; ACK; < UPDATE; 200; BYE; < 200"
    caller = listed.caller(script, number=LISTED)
    callee.wait_received("ACK")
    with callee.paused():
        relist(listed, {NEW: OTHER})
    caller.finish()
    callee.finish()
    assert staged_request(listed, callee.received("INVITE")[0])["agent_id"] == THEIRS
    assert staged_request(listed, place_answered_call(listed, number=NEW))["agent_id"] == OTHER
    with (
        expect_stage_requests(listed, times=0),
        expect_metric(listed, "calls_refused_total", cause="unmapped_number"),
    ):
        place_refused_call(listed, 404, "INVITE; < 404; ACK", number=LISTED)


def test_a_failed_fetch_leaves_the_previous_list(listed: Scene) -> None:
    listed.api.change(phone_numbers={"status": 503, "message": "Try later"})
    wait_fetched(listed, "failed")
    with expect_stage_requests(listed):
        assert staged_id(place_answered_call(listed, number=LISTED))
    line = listed.program.wait_logged("numbers_refresh_failed")
    assert (line["outcome"], line["http_status"]) == ("failed", 503)
    assert listed.program.metric("platform_numbers", use="staged") == 2
