"""A short soak, so that the long one cannot rot; and that what must not happen is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.call_leg import SHORT, Timers
from soak.call_plan import draw
from soak.callee import Callee
from soak.caller import Caller
from soak.messages import Message
from soak.report import findings
from soak.run import Seen, Wanted, run
from soak.traffic import Soak
from soak.verdict import Call, unexplained

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KEPT_32_S = 'sip_stager_transactions{kind="invite_client"}'  # timer D, whatever T1 is
_QUICK = Timers(t1=0.03, t2=0.24, t4=0.3)
_INVITE = (
    b"INVITE sip:a SIP/2.0\r\nX-Rounded-Call-Id: 1\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n"
)


class Nowhere:
    """A wire that leads nowhere."""

    reliable = closed = False

    def send(self, data: bytes) -> None:
        """Lose it."""


async def test_three_hundred_calls_with_faults_on_all_sides_leave_nothing(tmp_path: Path) -> None:
    wanted = Wanted(
        calls=300,
        seconds=60,
        rate=100,
        seed=20,
        loss=0.02,
        python=sys.executable,
        settle=1,
        timers=_QUICK,
    )
    seen = await run(wanted, tmp_path)
    assert seen.in_time
    assert seen.soak.strange == []
    assert seen.soak.judged + seen.soak.unjudged == 300
    del seen.gauges[_KEPT_32_S]
    assert [finding for finding in findings(seen) if not finding.kept] == []


def call(caller: str = "hangs up", api: str = "good", callee: str = "answers") -> Call:
    """Return a call that went well: it was answered, acknowledged and hung up."""
    plan = replace(draw(1, 1), caller=caller, api=api, callee=callee, transport="UDP")
    one = Call(
        plan,
        Caller(plan, b"a", SHORT, b"SIP/2.0/UDP a", Nowhere),
        Callee(plan, SHORT, b"sip:callee@a"),
        [],
    )
    one.caller.status, one.caller.byes = 200, {b"callee": 200}
    one.callee.finals, one.callee.branches = [200], {b"z9hG4bK1"}
    one.callee.invite = Message(_INVITE + one.caller.requests.body)
    one.callee.staged_id, one.callee.acknowledged = b"1", {b"callee"}
    return one


async def test_a_call_that_went_well_is_explained() -> None:
    assert list(unexplained(call())) == []


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (lambda one: setattr(one.caller, "status", 486), "heard 486 and not 200"),
        (lambda one: setattr(one.caller, "status", 0), "heard nothing and not 200"),
        (lambda one: one.callee.finals.__setitem__(0, 486), "heard 200 and not 486"),
        (lambda one: one.callee.finals.clear(), "heard 200 and not 408"),
        (lambda one: one.callee.branches.add(b"z9hG4bK2"), "invited twice"),
        (lambda one: setattr(one.callee, "staged_id", b""), "no staged id"),
        (lambda one: setattr(one.caller.requests, "body", b""), "body is another"),
        (lambda one: one.callee.unacknowledged.add(b"callee"), "2xx was not acknowledged"),
        (lambda one: one.caller.byes.update(callee=0), "caller's BYE was not answered"),
        (lambda one: one.callee.byes.update(caller=481), "callee's BYE was answered 481"),
        (lambda one: setattr(one.caller, "cancelled", True), "CANCEL was answered by nobody"),
        (lambda one: setattr(one.caller, "reinvite_status", 0), "re-INVITE was answered by nobody"),
        (lambda one: one.caller.unexpected.append("a surprise"), "a surprise"),
    ],
)
async def test_what_no_fault_explains_is_told(happens: Callable[[Call], None], words: str) -> None:
    one = call()
    happens(one)
    assert any(words in told for told in unexplained(one))


@pytest.mark.parametrize(
    ("caller", "api"), [("unmapped number", "good"), ("from no trunk", "good"), ("hangs up", "500")]
)
async def test_a_call_that_must_not_be_forwarded_is_told_when_it_is(caller: str, api: str) -> None:
    assert "the callee was invited" in list(unexplained(call(caller, api)))


async def test_what_a_vanished_caller_does_not_hear_is_explained() -> None:
    one = call("vanishes")
    one.caller.status, one.caller.gone = 0, True
    one.callee.unacknowledged.add(b"callee")
    one.callee.byes[b"callee"] = 0
    assert list(unexplained(one)) == []


@given(began=st.floats(0, 1e7))
async def test_what_timer_b_has_ended_is_explained_whatever_the_clock_says(began: float) -> None:
    one = call()
    one.caller.status, one.caller.byes, one.caller.began = 408, {}, began
    one.caller.ended_at = began + SHORT.patience
    one.callee.unacknowledged.add(b"callee")
    assert list(unexplained(one)) == []
    one.caller.ended_at -= 1
    assert "the caller heard 408 and not 200" in list(unexplained(one))


def test_the_same_seed_gives_the_same_calls() -> None:
    assert [draw(7, index) for index in range(50)] == [draw(7, index) for index in range(50)]
    assert draw(7, 1) != draw(8, 1)


async def test_an_id_that_is_lost_is_told() -> None:
    seen = Seen(Soak(1, SHORT, ("127.0.0.1", 9), 9, 0))
    seen.figures = {
        'sip_stager_stagings_ended_total{trunk="a",outcome="staged"}': 9,
        'sip_stager_stagings_ended_total{trunk="a",outcome="busy"}': 3,
        'sip_stager_stagings_answered_total{trunk="a"}': 4,
        'sip_stager_stagings_wasted_total{trunk="a",reason="refused"}': 2,
        'sip_stager_stagings_wasted_total{trunk="a",reason="abandoned"}': 5,
        "sip_stager_stagings_reserved": 2,
        "sip_stager_log_lines_dropped_total": 0,
    }
    (lost,) = [one for one in findings(seen) if one.what.startswith("staged ids")]
    assert (lost.value, lost.kept) == ("1", False)


@pytest.mark.parametrize(("grown", "kept"), [(0, True), (2, True), (10, False)])
async def test_memory_that_grows_is_told(grown: int, kept: bool) -> None:  # noqa: FBT001
    soak = Soak(1, SHORT, ("127.0.0.1", 9), 9, 0)
    seen = Seen(soak, memory=[60 << 20] * 300 + [(60 + grown) << 20] * 100)
    seen.figures["sip_stager_log_lines_dropped_total"] = 0
    (memory,) = [finding for finding in findings(seen) if finding.what.startswith("memory")]
    assert memory.kept is kept
