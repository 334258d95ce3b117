"""Calls that cannot be staged: each treatment for each cause."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import product
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
    staged_request,
)
from tests.interop.program import AGENT
from tests.interop.silent_upstream import SilentUpstream
from tests.support.inside import assert_nothing_internal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.message_trace import TracedMessage
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
LATER: dict[str, object] = {
    "status": 503,
    "retry_after": "30",
}  # for this call only, unlike that of a 429
KINDS = ("forward", "refuse", "redirect", "moved", "agent")
PAIRS = list(product(CAUSES, KINDS))
BUSY_HERE, NOT_ACCEPTABLE, SLOW, IN_VAIN = (number(len(PAIRS) + more) for more in range(4))


def agent(cause: str) -> str:
    """Return the agent whose staging fails with this cause."""
    return AGENT[:-1] + "0123456789abcdef"[list(CAUSES).index(cause)]


def start(scene: Scene) -> None:
    """Start with a number for each pair of a cause and a treatment."""
    treatments = {
        "forward": "forward",
        "refuse": "refuse 603 Not now",
        "redirect": f"redirect sip:queue@{scene.second_upstream}",
        "moved": "moved sip:queue@192.0.2.9",
        "agent": [f"agent {AGENT}", "refuse"],
    }
    rows = [
        number_row(
            number(index),
            agent(cause),
            **{cause: treatments[kind], "ringing": "180" if cause == "after_ringing" else "never"},
        )
        for index, (cause, kind) in enumerate(PAIRS)
    ]
    rows += [
        number_row(BUSY_HERE, AGENT, api_unreachable="refuse 486"),
        number_row(NOT_ACCEPTABLE, AGENT, api_unreachable="refuse 488"),
        number_row(
            IN_VAIN, agent("refused"), refused=[f"agent {agent('invalid_response')}", "forward"]
        ),
        number_row(SLOW, AGENT, deadline=0.3, timeout="refuse 480", refused="refuse 500"),
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


def logged_cause(cause: str) -> str:
    """Return the cause in log and metrics."""
    return "refused" if cause == "after_ringing" else cause


@contextmanager
def treated(scene: Scene, cause: str, kind: str) -> Iterator[None]:
    """Assert that one call gets this treatment, with one staging request per agent."""
    labels = {"trunk": "sipp", "cause": logged_cause(cause)}
    refusals = int(kind == "refuse")
    with (
        expect_stage_requests(scene, times=2 if kind == "agent" else 1),
        expect_metric(scene, "calls_refused_total", refusals, status="603", **labels),
        expect_metric(scene, "calls_treated_total", 1 - refusals, treatment=kind, **labels),
        expect_metric(scene, "stagings_ended_total", trunk="sipp", outcome=logged_cause(cause)),
        expect_metric(scene, "local_ringing_total", int(cause == "after_ringing"), trunk="sipp"),
    ):
        yield


def assert_logged(scene: Scene, message: TracedMessage, cause: str, kind: str) -> None:
    """Assert that the log has the treatment of the call and its cause."""
    named: dict[str, object] = {"call_id": call_id(message), "cause": logged_cause(cause)}
    if kind == "refuse":
        scene.program.wait_logged("call_ended", status=603, **named)
    else:
        scene.program.wait_logged("call_treated", treatment=kind, **named)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_call_is_forwarded_without_a_staged_agent(module_scene: Scene, cause: str) -> None:
    with treated(module_scene, cause, "forward"):
        invite = place_answered_call(module_scene, number=dialled(cause, "forward"))
    assert invite.values("X-Rounded-Call-Id") == []
    assert_logged(module_scene, invite, cause, "forward")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_call_is_refused_with_the_code_and_the_reason_of_the_policy(
    module_scene: Scene, cause: str
) -> None:
    with treated(module_scene, cause, "refuse"):
        refusal = place_refused_call(module_scene, 603, number=dialled(cause, "refuse"))
    assert refusal.start_line == "SIP/2.0 603 Not now"
    assert refusal.values("Warning")[0].startswith(f'399 sip-stager "{logged_cause(cause)}: ')
    assert_nothing_internal(refusal.data, str(module_scene.api.port))
    assert_logged(module_scene, refusal, cause, "refuse")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_call_is_redirected_to_a_queue(module_scene: Scene, cause: str) -> None:
    """The URI of the policy is another target of the same INVITE."""
    with (
        SilentUpstream(module_scene.upstream) as upstream,
        treated(module_scene, cause, "redirect"),
    ):
        invite = place_answered_call(module_scene, number=dialled(cause, "redirect"), which=1)
        upstream.assert_nothing_received()
    assert invite.start_line == f"INVITE sip:queue@{module_scene.second_upstream} SIP/2.0"
    assert invite.values("X-Rounded-Call-Id") == []
    assert_logged(module_scene, invite, cause, "redirect")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_trunk_gets_a_302_with_another_target(module_scene: Scene, cause: str) -> None:
    """RFC 3261 8.1.3.4: the URI of a 302 is in its Contact."""
    with treated(module_scene, cause, "moved"):
        moved = place_refused_call(module_scene, 302, number=dialled(cause, "moved"))
    assert moved.values("Contact") == ["<sip:queue@192.0.2.9>"]
    assert_logged(module_scene, moved, cause, "moved")


@pytest.mark.parametrize("cause", CAUSES)
def test_another_agent_is_staged_instead(module_scene: Scene, cause: str) -> None:
    with treated(module_scene, cause, "agent"):
        invite = place_answered_call(module_scene, number=dialled(cause, "agent"))
    assert staged_request(module_scene, invite)["agent_id"] == AGENT
    assert_logged(module_scene, invite, cause, "agent")


def test_if_the_fallback_agent_fails_the_next_treatment_applies(module_scene: Scene) -> None:
    with expect_stage_requests(module_scene, times=2):
        invite = place_answered_call(module_scene, number=IN_VAIN)
    assert invite.values("X-Rounded-Call-Id") == []
    module_scene.program.wait_logged("call_ended", call_id=call_id(invite))
    treatments = module_scene.program.logged("call_treated", call_id=call_id(invite))
    assert [(each["cause"], each["treatment"]) for each in treatments] == [
        ("refused", "agent"),
        ("invalid_response", "forward"),
    ]


@pytest.mark.parametrize(("called", "status"), [(BUSY_HERE, 486), (NOT_ACCEPTABLE, 488)])
def test_the_apis_retry_after_is_not_passed_to_the_carrier(
    module_scene: Scene, called: str, status: int
) -> None:
    """RFC 3261 21.5.4: the carrier would keep all calls away because of one number."""
    assert place_refused_call(module_scene, status, number=called).values("Retry-After") == []


def test_an_agent_that_is_not_ready_by_the_deadline_is_a_timeout(module_scene: Scene) -> None:
    """The request to the API is closed."""
    aborted = module_scene.api.stats()["aborted"]
    with (
        expect_stage_requests(module_scene),
        expect_metric(module_scene, "calls_refused_total", cause="timeout", status="480"),
    ):
        place_refused_call(module_scene, 480, number=SLOW)
    module_scene.api.wait_stats(aborted=aborted + 1)


def test_an_unreachable_api_is_a_different_cause_from_a_slow_one(scene: Scene) -> None:
    scene.start(policy={"timeout": "refuse 480", "api_unreachable": "refuse 486"})
    scene.api.kill()
    with expect_metric(scene, "calls_refused_total", cause="api_unreachable", status="486"):
        place_refused_call(scene, 486)
