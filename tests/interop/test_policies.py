"""What callers get whose call can not be staged: each treatment, for each cause."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import product
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
    told,
)
from tests.interop.program import AGENT
from tests.interop.silent_upstream import Silence
from tests.support.inside import assert_nothing_internal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.message_trace import Traced
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

CAUSES: dict[str, dict[str, object]] = {
    "timeout": {"status": 408},
    "api_unreachable": {"fault": "truncated_body"},
    "refused": {"status": 422},
    "busy": {"status": 429},
    "invalid_response": {"fault": "crlf_call_id"},
    "after_ringing": {"delay": 0.3, "status": 422},
}
LATER: dict[str, object] = {"status": 503, "retry_after": "30"}  # of one call only, unlike a 429's
KINDS = ("forward", "refuse", "redirect", "moved", "agent")
PAIRS = list(product(CAUSES, KINDS))
BUSY_HERE, NOT_ACCEPTABLE, SLOW, IN_VAIN = (number(len(PAIRS) + more) for more in range(4))


def agent(cause: str) -> str:
    """Return the agent whose staging fails so."""
    return AGENT[:-1] + "0123456789abcdef"[list(CAUSES).index(cause)]


def start(scene: Scene) -> None:
    """Give each pair of a cause and a treatment a number of its own."""
    treatments = {
        "forward": "forward",
        "refuse": "refuse 603 Not now",
        "redirect": f"redirect sip:queue@{scene.second}",
        "moved": "moved sip:queue@192.0.2.9",
        "agent": [f"agent {AGENT}", "refuse"],
    }
    rows = [
        row(
            number(index),
            agent(cause),
            **{cause: treatments[kind], "ringing": "180" if cause == "after_ringing" else "never"},
        )
        for index, (cause, kind) in enumerate(PAIRS)
    ]
    rows += [
        row(BUSY_HERE, AGENT, api_unreachable="refuse 486"),
        row(NOT_ACCEPTABLE, AGENT, api_unreachable="refuse 488"),
        row(IN_VAIN, agent("refused"), refused=[f"agent {agent('invalid_response')}", "forward"]),
        row(SLOW, AGENT, deadline=0.3, timeout="refuse 480", refused="refuse 500"),
    ]
    by = {agent(cause): behaviour for cause, behaviour in CAUSES.items()}
    scene.start(
        behaviours={**by, SLOW: {"delay": 30}, BUSY_HERE: LATER, NOT_ACCEPTABLE: LATER},
        policy={"refusal": 500, "ringing_delay": 0.1},
        deadline=10.0,
        staging={"breaker_min_calls": 1000, "retries": 0},
        tables=rows,
    )


def dialled(cause: str, kind: str) -> str:
    """Return the number of a pair."""
    return number(PAIRS.index((cause, kind)))


def word(cause: str) -> str:
    """Return what log and metrics call the failure."""
    return "refused" if cause == "after_ringing" else cause


@contextmanager
def treated(scene: Scene, cause: str, kind: str) -> Iterator[None]:
    """One call is treated so; the API is asked once, and again where another agent stands in."""
    labels = {"trunk": "sipp", "cause": word(cause)}
    refusals = int(kind == "refuse")
    with (
        asked(scene, times=2 if kind == "agent" else 1),
        counted(scene, "calls_refused_total", refusals, status="603", **labels),
        counted(scene, "calls_treated_total", 1 - refusals, treatment=kind, **labels),
        counted(scene, "stagings_ended_total", trunk="sipp", outcome=word(cause)),
        counted(scene, "local_ringing_total", int(cause == "after_ringing"), trunk="sipp"),
    ):
        yield


def assert_told(scene: Scene, message: Traced, cause: str, kind: str) -> None:
    """The log says what became of the call of this message, and why."""
    named: dict[str, object] = {"call_id": call_id(message), "cause": word(cause)}
    if kind == "refuse":
        scene.program.wait_logged("call_refused", status=603, **named)
    else:
        scene.program.wait_logged("call_treated", treatment=kind, **named)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_call_goes_on_without_a_staged_agent(started: Scene, cause: str) -> None:
    with treated(started, cause, "forward"):
        invite = put_through(started, number=dialled(cause, "forward"))
    assert invite.values("X-Rounded-Call-Id") == []
    assert_told(started, invite, cause, "forward")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_call_is_refused_with_the_code_and_the_reason_of_the_policy(
    started: Scene, cause: str
) -> None:
    with treated(started, cause, "refuse"):
        refusal = refused(started, 603, number=dialled(cause, "refuse"))
    assert refusal.start_line == "SIP/2.0 603 Not now"
    assert refusal.values("Warning")[0].startswith(f'399 sip-stager "{word(cause)}: ')
    assert_nothing_internal(refusal.data, str(started.api.port))
    assert_told(started, refusal, cause, "refuse")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_call_goes_to_a_queue(started: Scene, cause: str) -> None:
    """The URI of the policy is another target of the same INVITE."""
    with Silence(started.upstream) as upstream, treated(started, cause, "redirect"):
        invite = put_through(started, number=dialled(cause, "redirect"), which=1)
        upstream.check()
    assert invite.start_line == f"INVITE sip:queue@{started.second} SIP/2.0"
    assert invite.values("X-Rounded-Call-Id") == []
    assert_told(started, invite, cause, "redirect")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_trunk_is_told_where_to_call_instead(started: Scene, cause: str) -> None:
    """RFC 3261 8.1.3.4: the URI of a 302 is in its Contact."""
    with treated(started, cause, "moved"):
        moved = refused(started, 302, number=dialled(cause, "moved"))
    assert moved.values("Contact") == ["<sip:queue@192.0.2.9>"]
    assert_told(started, moved, cause, "moved")


@pytest.mark.parametrize("cause", CAUSES)
def test_another_agent_is_staged_instead(started: Scene, cause: str) -> None:
    with treated(started, cause, "agent"):
        invite = put_through(started, number=dialled(cause, "agent"))
    assert told(started, invite)["agent_id"] == AGENT
    assert_told(started, invite, cause, "agent")


def test_what_follows_stands_for_an_agent_that_fails_as_well(started: Scene) -> None:
    with asked(started, times=2):
        invite = put_through(started, number=IN_VAIN)
    assert invite.values("X-Rounded-Call-Id") == []
    started.program.wait_logged("call_answered", call_id=call_id(invite))
    treatments = started.program.logged("call_treated", call_id=call_id(invite))
    assert [(each["cause"], each["treatment"]) for each in treatments] == [
        ("refused", "agent"),
        ("invalid_response", "forward"),
    ]


@pytest.mark.parametrize(
    ("called", "status", "after"), [(BUSY_HERE, 486, ["30"]), (NOT_ACCEPTABLE, 488, [])]
)
def test_the_time_to_wait_goes_back_where_the_code_allows_it(
    started: Scene, called: str, status: int, after: list[str]
) -> None:
    """RFC 3261 20.33: Retry-After goes with the codes that it belongs to."""
    assert refused(started, status, number=called).values("Retry-After") == after


def test_an_agent_that_is_not_ready_by_the_deadline_is_over_time(started: Scene) -> None:
    """The request to the API is closed."""
    aborted = started.api.stats()["aborted"]
    with (
        asked(started),
        counted(started, "calls_refused_total", cause="timeout", status="480"),
    ):
        refused(started, 480, number=SLOW)
    started.api.wait_stats(aborted=aborted + 1)


def test_an_api_that_is_down_is_another_cause_than_one_that_is_slow(scene: Scene) -> None:
    scene.start(policy={"timeout": "refuse 480", "api_unreachable": "refuse 486"})
    scene.api.kill()
    with counted(scene, "calls_refused_total", cause="api_unreachable", status="486"):
        refused(scene, 486)
