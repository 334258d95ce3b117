"""The verdicts of the benchmark of fairness, and a small run of it."""

from __future__ import annotations

import pytest

from bench.fairness import CASES, Figures, Result, measure

BEFORE = Figures(100, 0, 0.03, ())


@pytest.mark.parametrize(
    ("during", "missed"),
    [
        (Figures(100, 0, 0.044, ()), False),
        (Figures(100, 0, 0.046, ()), True),
        (Figures(100, 1, 0.03, ("480 Temporarily Unavailable",)), True),
    ],
)
def test_a_lost_call_or_half_as_much_again_of_the_added_time_is_missed(
    during: Figures, *, missed: bool
) -> None:
    assert Result("a flood", BEFORE, during).missed is missed


def test_differences_that_are_the_machines_are_not_missed() -> None:
    assert not Result("", Figures(9, 0, 0.002, ()), Figures(9, 0, 0.019, ())).missed


def test_a_failing_agent_takes_no_call_from_a_healthy_one() -> None:
    assert len(CASES) >= 4
    result = measure("a failing agent", 1.0)
    assert (result.before.calls, result.during.calls) == (20, 20)
    assert (result.before.lost, result.during.lost) == (0, 0)
