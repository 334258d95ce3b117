"""The call that the core is measured with is one that goes well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from bench.core import HERE, Figures, Tree, table
from bench.whole_call import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    tree = Tree(HERE, sys.executable)
    yield tree
    tree.stop()


def test_each_step_of_each_call_is_timed(tree: Tree) -> None:
    """Each asserts that it sends what it should, so a call that goes wrong is not measured."""
    times = tree.place(3)
    assert len(times) == len(STEPS)
    assert min(times[:-1]) > 0


def test_equal_calls_run_equal_bytecodes(tree: Tree) -> None:
    """But where a line of the log may have to wake who writes it, and in the timers."""
    one, other = tree.place(1, "bytecodes"), tree.place(1, "bytecodes")
    steps = [STEPS.index(name) for name in ("100", "180", "ACK", "BYE", "200 of BYE")]
    assert [one[step] for step in steps] == [other[step] for step in steps]
    assert min(one) > 0


def test_a_ratio_is_the_median_over_turns_and_a_time_the_least() -> None:
    now, before = figures(2e-6, 3e-6, 4e-6), figures(4e-6, 4e-6, 5e-6)
    now.bytecodes = [3 * count for count in before.bytecodes]
    ratios = ["0.750", "300", "100", "3.000"]
    assert cells(table([now, before]), 0) == ["INVITE", "2.0", "4.0", *ratios]
    assert cells(table([now, before]), -1)[:4] == ["the call", "18.0", "36.0", "0.750"]
    assert cells(table([now]), 0) == ["INVITE", "2.0", "300"]


def figures(*seconds: float) -> Figures:
    return Figures([[each] * len(STEPS) for each in seconds], [100.0] * len(STEPS))


def cells(shown: Table, row: int) -> list[str]:
    return [str(list(column.cells)[row]) for column in shown.columns]
