"""A short soak, and the findings and explanations that a soak must report."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.call_leg import SHORT, Timers
from soak.call_plan import draw_plan
from soak.callee import Callee
from soak.caller import Caller
from soak.messages import Message
from soak.report import findings
from soak.run import Observations, Options, run_soak
from soak.traffic import Traffic
from soak.verdict import Call, find_unexplained

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TIMER_D_GAUGE = 'sip_stager_transactions{kind="invite_client"}'  # 32 s, whatever T1 is
_QUICK = Timers(t1=0.03, t2=0.24, t4=0.3)
_INVITE = (
    b"INVITE sip:a SIP/2.0\r\nX-Rounded-Call-Id: 1\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n"
)


class LosingChannel:
    """A channel that loses everything."""

    reliable = closed = False

    def send(self, data: bytes) -> None:
        """Lose a message."""


async def test_after_300_calls_with_faults_on_all_sides_nothing_is_left(tmp_path: Path) -> None:
    options = Options(
        calls=300,
        seconds=60,
        rate=100,
        seed=20,
        loss=0.02,
        python=sys.executable,
        settle=1,
        timers=_QUICK,
    )
    observed = await run_soak(options, tmp_path)
    assert observed.in_time
    assert observed.traffic.unexplained == []
    assert observed.traffic.judged + observed.traffic.unjudged == 300
    del observed.gauges[_TIMER_D_GAUGE]
    assert [finding for finding in findings(observed) if not finding.passed] == []


def call(caller: str = "hangs up", api: str = "good", callee: str = "answers") -> Call:
    """Return a successful call: answered, acknowledged and hung up."""
    plan = replace(draw_plan(1, 1), caller=caller, api=api, callee=callee, transport="UDP")
    one = Call(
        plan,
        Caller(plan, b"a", SHORT, b"SIP/2.0/UDP a", LosingChannel),
        Callee(plan, SHORT, b"sip:callee@a"),
        [],
    )
    one.caller.status, one.caller.byes = 200, {b"callee": 200}
    one.callee.finals, one.callee.branches = [200], {b"z9hG4bK1"}
    one.callee.invite = Message(_INVITE + one.caller.requests.body)
    one.callee.staged_id, one.callee.acknowledged = b"1", {b"callee"}
    return one


async def test_a_successful_call_is_explained() -> None:
    assert list(find_unexplained(call())) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda one: setattr(one.caller, "status", 486), "got 486 instead of 200"),
        (lambda one: setattr(one.caller, "status", 0), "got nothing instead of 200"),
        (lambda one: one.callee.finals.__setitem__(0, 486), "got 200 instead of 486"),
        (lambda one: one.callee.finals.clear(), "got 200 instead of 408"),
        (lambda one: one.callee.branches.add(b"z9hG4bK2"), "got two INVITEs"),
        (lambda one: setattr(one.callee, "staged_id", b""), "no staged id"),
        (lambda one: setattr(one.caller.requests, "body", b""), "body has changed"),
        (lambda one: one.callee.unacknowledged.add(b"callee"), "2xx was not acknowledged"),
        (lambda one: one.caller.byes.update(callee=0), "caller's BYE was not answered"),
        (lambda one: one.callee.byes.update(caller=481), "callee's BYE was answered 481"),
        (lambda one: setattr(one.caller, "cancelled", True), "CANCEL was answered not at all"),
        (
            lambda one: setattr(one.caller, "reinvite_status", 0),
            "re-INVITE was answered not at all",
        ),
        (lambda one: one.caller.unexpected.append("a surprise"), "a surprise"),
    ],
)
async def test_an_outcome_that_no_fault_explains_is_reported(
    change: Callable[[Call], None], text: str
) -> None:
    one = call()
    change(one)
    assert any(text in reported for reported in find_unexplained(one))


@pytest.mark.parametrize(
    ("caller", "api"), [("unmapped number", "good"), ("from no trunk", "good"), ("hangs up", "500")]
)
async def test_a_forwarded_call_that_had_to_be_refused_is_reported(caller: str, api: str) -> None:
    assert "the callee got an INVITE" in list(find_unexplained(call(caller, api)))


async def test_a_caller_that_vanished_explains_missing_messages() -> None:
    one = call("vanishes")
    one.caller.status, one.caller.vanished = 0, True
    one.callee.unacknowledged.add(b"callee")
    one.callee.byes[b"callee"] = 0
    assert list(find_unexplained(one)) == []


@given(started=st.floats(0, 1e7))
async def test_a_408_is_explained_by_timer_b_at_any_time_of_the_clock(started: float) -> None:
    one = call()
    one.caller.status, one.caller.byes, one.caller.started_at = 408, {}, started
    one.caller.ended_at = started + SHORT.transaction_timeout
    one.callee.unacknowledged.add(b"callee")
    assert list(find_unexplained(one)) == []
    one.caller.ended_at -= 1
    assert "the caller got 408 instead of 200" in list(find_unexplained(one))


def test_the_same_seed_draws_the_same_calls() -> None:
    assert [draw_plan(7, index) for index in range(50)] == [
        draw_plan(7, index) for index in range(50)
    ]
    assert draw_plan(7, 1) != draw_plan(8, 1)


async def test_a_lost_staged_id_is_reported() -> None:
    observed = Observations(Traffic(1, SHORT, ("127.0.0.1", 9), 9, 0))
    observed.samples = {
        'sip_stager_stagings_ended_total{trunk="a",outcome="staged"}': 9,
        'sip_stager_stagings_ended_total{trunk="a",outcome="busy"}': 3,
        'sip_stager_stagings_answered_total{trunk="a"}': 4,
        'sip_stager_stagings_wasted_total{trunk="a",reason="refused"}': 2,
        'sip_stager_stagings_wasted_total{trunk="a",reason="abandoned"}': 5,
        "sip_stager_stagings_reserved": 2,
        "sip_stager_log_lines_dropped_total": 0,
    }
    (lost,) = [one for one in findings(observed) if one.subject.startswith("staged ids")]
    assert (lost.value, lost.passed) == ("1", False)


@pytest.mark.parametrize(("growth", "passed"), [(0, True), (2, True), (10, False)])
async def test_growing_memory_is_reported(growth: int, passed: bool) -> None:  # noqa: FBT001
    traffic = Traffic(1, SHORT, ("127.0.0.1", 9), 9, 0)
    observed = Observations(traffic, memory=[60 << 20] * 300 + [(60 + growth) << 20] * 100)
    observed.samples["sip_stager_log_lines_dropped_total"] = 0
    (memory,) = [finding for finding in findings(observed) if finding.subject.startswith("memory")]
    assert memory.passed is passed
