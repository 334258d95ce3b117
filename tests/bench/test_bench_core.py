"""The benchmark of the core measures calls that go well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from bench.core import HERE, WARM_UP_CALLS, Figures, Tree, table
from bench.whole_call import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

# Bytecodes of a call with the log at info and all observers, on CPython 3.11.  Lower them when work
# falls away; whoever raises one says in the commit what the callers get for it.
BUDGET = {
    "INVITE": 3299,
    "staged": 1764,
    "100": 339,
    "180": 708,
    "200": 1236,
    "ACK": 1122,
    "BYE": 1659,
    "200 of BYE": 1065,
    "timers": 726,
}
TOLERANCE = 1.02


@pytest.fixture(scope="module")
def tree() -> Iterator[Tree]:
    tree = Tree(HERE, sys.executable)
    yield tree
    tree.stop()


def test_every_step_of_a_call_is_timed(tree: Tree) -> None:
    """Each step asserts the number of messages it sends, so a failed call is never measured."""
    times = tree.place(3)
    assert len(times) == len(STEPS)
    assert min(times[:-1]) > 0


def test_equal_calls_execute_the_same_number_of_bytecodes(tree: Tree) -> None:
    """Except for steps that write a log line, which may wake the writer, and for the timers."""
    one, other = tree.place(1, "bytecodes"), tree.place(1, "bytecodes")
    steps = [STEPS.index(name) for name in ("100", "180", "ACK", "BYE", "200 of BYE")]
    assert [one[step] for step in steps] == [other[step] for step in steps]
    assert min(one) > 0


if sys.version_info[:2] == (3, 11):  # other versions compile to other bytecodes

    def test_no_step_executes_more_bytecodes_than_its_budget() -> None:
        """Counts are the same on every machine, unlike times; old calls' transactions end too."""
        tree = Tree(HERE, sys.executable)
        tree.place(WARM_UP_CALLS)
        counts = dict(zip(STEPS, tree.place(20, "bytecodes"), strict=True))
        tree.stop()
        assert counts.keys() == BUDGET.keys()
        over = {step: n for step, n in counts.items() if n > TOLERANCE * BUDGET[step]}
        assert over == {}


def test_ratios_are_medians_over_turns_and_times_are_minima() -> None:
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
