"""What a caller hears of us while his call is staged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import ANSWERS, TALKS, number, row
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

pytestmark = pytest.mark.interop

RINGS, PROGRESSES, KEEPS_QUIET, IS_QUICK, IS_STUCK = map(number, range(5))
RINGS_TOO = "< INVITE; 180; 200; < ACK; < BYE; 200"
SLOW: dict[str, object] = {"delay": 0.5}


def start(scene: Scene) -> None:
    """Give each mode a number of its own."""
    scene.start(
        api=SLOW,
        by={IS_QUICK: {}, IS_STUCK: {"delay": 30}},
        deadline=20.0,
        policy={"ring_after": 0.1},
        tables=[
            row(RINGS, AGENT, ringing="180"),
            row(PROGRESSES, AGENT, ringing="183"),
            row(KEEPS_QUIET, AGENT, ringing="never"),
            row(IS_QUICK, AGENT, ring_after=10.0),
            row(IS_STUCK, AGENT),
        ],
    )


def tag(caller: Sipp, status: str, which: int = 0) -> str:
    """Return the To tag of one of the responses with this code that the caller received."""
    (value,) = caller.received(status)[which].values("To")
    return value.partition(";tag=")[2]


@pytest.mark.parametrize(("called", "status"), [(RINGS, "180"), (PROGRESSES, "183")])
def test_a_caller_hears_ringing_in_a_dialog_that_the_real_one_ends(
    started: Scene, called: str, status: str
) -> None:
    """RFC 3261 12.1: the real dialog follows ours, as another fork's would."""
    callee = started.callee(RINGS_TOO)
    caller = started.caller(
        f"INVITE; < 100; < {status}; < 180; < 200; ACK; BYE; < 200", number=called
    )
    caller.finish()
    callee.finish()
    ours = caller.received(status)[0]
    assert ours.values("Contact")
    assert ours.values("Content-Type") == []
    assert ours.body == b""
    assert tag(caller, status)
    assert tag(caller, status) != tag(caller, "180", -1) == tag(caller, "200")


@pytest.mark.parametrize("script", [TALKS.replace("INVITE", "INVITE | Require: 100rel"), TALKS])
@pytest.mark.parametrize("called", [KEEPS_QUIET, RINGS])
def test_a_caller_hears_nothing_where_the_policy_says_so_or_he_wants_it_reliable(
    started: Scene, called: str, script: str
) -> None:
    """RFC 3262 3: to an INVITE that requires 100rel it would have to be sent reliably."""
    callee = started.callee(ANSWERS)
    caller = started.caller(script, number=called)
    caller.finish()
    callee.finish()
    heard = len(caller.received("180") + caller.received("183"))
    assert heard == (called == RINGS and script == TALKS)


def test_a_caller_hears_nothing_of_us_where_the_agent_is_ready_before_it(started: Scene) -> None:
    callee = started.callee(RINGS_TOO)
    caller = started.caller("INVITE; < 100; < 180; < 200; ACK; BYE; < 200", number=IS_QUICK)
    caller.finish()
    callee.finish()
    assert tag(caller, "180") == tag(caller, "200")


def test_a_caller_who_hangs_up_while_we_ring_ends_our_dialog(started: Scene) -> None:
    caller = started.caller("INVITE; < 100; < 180; CANCEL; < 200; < 487; ACK", number=IS_STUCK)
    caller.finish()
    assert tag(caller, "180") == tag(caller, "200") == tag(caller, "487")
