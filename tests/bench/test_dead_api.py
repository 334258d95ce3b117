"""A small run of the benchmark of calls while the API is down."""

from __future__ import annotations

from bench.dead_api import measure


def test_every_call_is_refused() -> None:
    figures = measure("refused", 20, 0.5, breaker=True)
    assert figures.statuses == {"480": 10}
    assert figures.outcomes == {"api_unreachable": 10}
