"""What a caller hears of us while his call is staged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import ANSWERS, TALKS, asked, call_id, counted, number, row, staged_id
from tests.interop.program import AGENT
from tests.interop.silent_upstream import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

pytestmark = pytest.mark.interop

RINGS, PROGRESSES, KEEPS_QUIET, WANTS_IT_RELIABLE, IS_QUICK, IS_STUCK = map(number, range(6))
RINGS_TOO = "< INVITE; 180; 200; < ACK; < BYE; 200"
SLOW: dict[str, object] = {"delay": 0.5}


def start(scene: Scene) -> None:
    """Give each mode a number of its own."""
    scene.start(
        behaviours={KEEPS_QUIET: SLOW, WANTS_IT_RELIABLE: SLOW, IS_STUCK: {"delay": 30}},
        deadline=20.0,
        policy={"ringing_delay": 0.1},
        tables=[
            row(RINGS, AGENT, ringing="180"),
            row(PROGRESSES, AGENT, ringing="183"),
            row(KEEPS_QUIET, AGENT, ringing="never"),
            row(WANTS_IT_RELIABLE, AGENT),
            row(IS_QUICK, AGENT, ringing_delay=10.0),
            row(IS_STUCK, AGENT),
        ],
    )


def tag(caller: Sipp, status: str, which: int = 0) -> str:
    """Return the To tag of one of the responses with this code that the caller received."""
    (value,) = caller.received(status)[which].values("To")
    return value.partition(";tag=")[2]


def assert_staged(scene: Scene, callee: Sipp) -> None:
    """The callee was called once, with the id that the API gave for that call."""
    (invite,) = callee.received("INVITE")
    line = scene.program.wait_logged("call_forwarded", call_id=call_id(invite))
    assert line["staged_id"] == staged_id(invite)
    assert scene.api.record(staged_id(invite))["agent_id"] == AGENT


@pytest.mark.parametrize(("called", "status"), [(RINGS, "180"), (PROGRESSES, "183")])
def test_a_caller_hears_ringing_in_a_dialog_that_the_real_one_ends(
    started: Scene, called: str, status: str
) -> None:
    """RFC 3261 12.1: the real dialog follows ours, as another fork's would."""
    callee = started.callee(RINGS_TOO)
    script = f"INVITE; < 100; < {status}; < 180; < 200; ACK; BYE; < 200"
    with asked(started), counted(started, "local_ringing_total", trunk="sipp"):
        with started.api.held():
            caller = started.caller(script, number=called)
            caller.wait_received(status)
        caller.finish()
        callee.finish()
    assert_staged(started, callee)
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
def test_a_caller_hears_nothing_where_the_policy_says_so_or_he_wants_it_reliable(
    started: Scene, called: str, field: str
) -> None:
    """RFC 3262 3: to an INVITE that requires 100rel it would have to be sent reliably."""
    callee = started.callee(ANSWERS)
    with asked(started), counted(started, "local_ringing_total", times=0):
        caller = started.caller(TALKS.replace("INVITE", f"INVITE | {field}"), number=called)
        caller.finish()
        callee.finish()
    assert_staged(started, callee)
    assert caller.received("180") + caller.received("183") == []


def test_a_caller_hears_nothing_of_us_where_the_agent_is_ready_before_it(started: Scene) -> None:
    callee = started.callee(RINGS_TOO)
    with asked(started), counted(started, "local_ringing_total", times=0):
        caller = started.caller("INVITE; < 100; < 180; < 200; ACK; BYE; < 200", number=IS_QUICK)
        caller.finish()
        callee.finish()
    assert_staged(started, callee)
    assert tag(caller, "180") == tag(caller, "200")


def test_a_caller_who_hangs_up_while_we_ring_ends_our_dialog(started: Scene) -> None:
    """RFC 3261 9.2: the 487 ends the early dialog that our ringing began."""
    aborted = started.api.stats()["aborted"]
    script = "INVITE; < 100; < 180; CANCEL; < 200; < 487; ACK"
    with (
        Silence(started.upstream) as upstream,
        asked(started),
        counted(started, "local_ringing_total", trunk="sipp"),
        counted(started, "calls_ended_total", outcome="cancelled"),
    ):
        caller = started.caller(script, number=IS_STUCK)
        caller.finish()
        upstream.check()
    started.api.wait_stats(aborted=aborted + 1)
    assert tag(caller, "180") == tag(caller, "200") == tag(caller, "487")
