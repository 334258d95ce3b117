"""Calls against an API that is down."""

from __future__ import annotations

from bench.dead_api import measure


def test_each_caller_hears_a_refusal() -> None:
    figures = measure("refused", 20, 0.5, breaker=True)
    assert figures.statuses == {"503": 10}
    assert figures.outcomes == {"api_unreachable": 10}
