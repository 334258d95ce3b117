"""Numbers that the platform knows: they are mapped beside those of the settings, and kept fresh."""

from __future__ import annotations

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
    told,
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
    """Have a list that is fetched again and again, beside one number and one prefix."""
    scene.start(
        staging={"numbers_refresh_interval": 0.2},
        listed=LIST,
        redirected=[REDIRECTED],
        tables=[row(WITHOUT_AGENT[:-1] + "*", OF_PREFIX)],
    )


@pytest.fixture
def listed(started: Scene) -> Iterator[Scene]:
    """Give the stage back with the list as it was."""
    yield started
    started.api.change(phone_numbers={})
    relist(started, LIST)


def relist(scene: Scene, agents: dict[str, str | None]) -> None:
    """Replace the list, and wait until the program has fetched it whole."""
    scene.api.list_numbers(agents, REDIRECTED)
    fetched(scene)


def fetched(scene: Scene, outcome: str = "refreshed") -> None:
    """Wait for the end of a fetch that begins from now on; one that is under way may be older."""
    name = "numbers_refreshes_total"
    scene.program.wait_metric(scene.program.metric(name) + 1, name)
    scene.program.wait_metric(
        scene.program.metric(name, outcome=outcome) + 1, name, outcome=outcome
    )


@pytest.mark.parametrize(
    ("called", "agent"),
    [
        pytest.param(LISTED, THEIRS, id="known from the list alone"),
        pytest.param(NUMBER, AGENT, id="the settings' own"),
        pytest.param(WITHOUT_AGENT, OF_PREFIX, id="listed without an agent"),
    ],
)
def test_a_number_is_staged_for_the_agent_of_the_narrowest_row(
    started: Scene, called: str, agent: str
) -> None:
    with asked(started):
        invite = put_through(started, number=called)
    assert told(started, invite)["agent_id"] == agent


def test_a_number_that_the_platform_redirects_is_not_staged(started: Scene) -> None:
    with (
        asked(started, times=0),
        counted(started, "stagings_started_total", times=0),
        counted(started, "calls_ended_total", outcome="answered"),
    ):
        invite = put_through(started, number=REDIRECTED)
    assert invite.values("X-Rounded-Call-Id") == []
    line = started.program.wait_logged("call_forwarded", call_id=call_id(invite))
    assert line["staged_id"] == ""


def test_the_list_is_refreshed_while_a_call_is_up(listed: Scene) -> None:
    """The call goes on, though its number has gone from the list meanwhile."""
    callee = listed.callee("< INVITE; 200; < ACK; ~1000; UPDATE; < 200; < BYE; 200")
    script = "INVITE; < 100; < 200; ACK; < UPDATE; 200; BYE; < 200"
    caller = listed.caller(script, number=LISTED)
    callee.wait_received("ACK")
    with callee.held():
        relist(listed, {NEW: OTHER})
    caller.finish()
    callee.finish()
    assert told(listed, callee.received("INVITE")[0])["agent_id"] == THEIRS
    assert told(listed, put_through(listed, number=NEW))["agent_id"] == OTHER
    with asked(listed, times=0), counted(listed, "calls_refused_total", cause="unmapped_number"):
        refused(listed, 404, "INVITE; < 404; ACK", number=LISTED)


def test_a_list_that_can_not_be_had_leaves_the_last_one(listed: Scene) -> None:
    listed.api.change(phone_numbers={"status": 503, "message": "Try later"})
    fetched(listed, "failed")
    with asked(listed):
        assert staged_id(put_through(listed, number=LISTED))
    line = listed.program.wait_logged("numbers_refresh_failed")
    assert (line["outcome"], line["http_status"]) == ("failed", 503)
    assert listed.program.metric("platform_numbers", use="staged") == 2
