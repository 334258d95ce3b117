"""The call that the core is measured with is one that goes well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.bench.core import HERE, Tree, table
from tests.bench.whole_call import STEPS

if TYPE_CHECKING:
    from rich.table import Table


def test_each_step_of_each_call_is_timed() -> None:
    """Each asserts that it sends what it should, so a call that goes wrong is not measured."""
    tree = Tree(HERE, sys.executable)
    times = tree.place(3)
    tree.stop()
    assert len(times) == len(STEPS)
    assert min(times[:-1]) > 0


def test_a_ratio_is_the_median_over_turns_and_a_time_the_least() -> None:
    now = [[seconds] * len(STEPS) for seconds in (2e-6, 3e-6, 4e-6)]
    before = [[seconds] * len(STEPS) for seconds in (4e-6, 4e-6, 5e-6)]
    assert cells(table([now, before]), 0) == ["INVITE", "2.0", "4.0", "0.750"]
    assert cells(table([now, before]), -1) == ["the call", "18.0", "36.0", "0.750"]
    assert cells(table([now]), 0) == ["INVITE", "2.0"]


def cells(shown: Table, row: int) -> list[str]:
    return [str(list(column.cells)[row]) for column in shown.columns]
