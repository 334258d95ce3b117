"""What the core does with a call: ``python -m bench.core``, and ``--against`` another tree.

A whole call without sockets and without staging, step by step (``whole_call.py``).  Two trees are
measured by turns, each in a process of its own, so that a busy machine is unjust to both, and in
one process after another, for where the memory lies makes a difference of some percent.  Of a ratio
of times the median over all turns is given, and of times the least, which others disturbed least.
Bytecodes are counted, and nearly the same each time: what Python executes itself, without the C.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import whole_call
from bench.interpreter import describe

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parents[1]
_PLACES = (Path("bench/whole_call.py"), Path("tests/bench/whole_call.py"))  # now, and before 0.1.0
_LINGERING = 37.0  # seconds; transactions end 32 s after their calls, and their ends count too
_WARM_UP = int(_LINGERING * whole_call.RATE)  # calls
_COUNTED = 20  # calls

Turn = list[float]
"""Seconds of CPU or bytecodes of one call, by step."""


def _script_of(tree: Path) -> Path:
    """Return where a source tree has its ``whole_call.py``; raises ``FileNotFoundError``."""
    for place in _PLACES:
        if (tree / place).is_file():
            return place
    raise FileNotFoundError(f"{tree} has no {' or '.join(map(str, _PLACES))}")


@dataclass
class Figures:
    """What the calls of one tree measured: the seconds of each turn, and the bytecodes."""

    turns: list[Turn] = field(default_factory=list)
    bytecodes: Turn = field(default_factory=list)


class Tree:
    """A process that places calls through the program of a source tree."""

    def __init__(self, path: Path, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-P", str(path / _script_of(path))],
            cwd=path,
            env={**os.environ, "PYTHONPATH": str(path), "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def place(self, calls: int, measure: str = "seconds") -> Turn:
        """Place so many calls."""
        taken, given = self._process.stdin, self._process.stdout
        assert taken is not None
        assert given is not None
        taken.write(f"{measure} {calls}\n")
        taken.flush()
        turn: Turn = json.loads(given.readline())
        return turn

    def stop(self) -> None:
        """End it."""
        self._process.communicate()


def main(
    against: Annotated[
        Path | None, typer.Option(help="Another source tree to compare with")
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes of each tree")] = 4,
    turns: Annotated[int, typer.Option(help="Turns of each process")] = 10,
    calls: Annotated[int, typer.Option(help="Calls in a turn")] = 200,
    python: Annotated[str, typer.Option(help="The interpreter")] = sys.executable,
) -> None:
    """Measure the CPU that each step of a call costs, and its ratio to another tree's."""
    paths = [path.resolve() for path in (HERE, against) if path]
    figures = [Figures() for _ in paths]
    for _ in range(processes):
        _measure(figures, paths, python, turns, calls)
    console = Console()
    console.print(f"{describe(python)}, {processes} processes, {turns} turns of {calls} calls each")
    console.print(table(figures))


def _measure(
    figures: list[Figures], paths: list[Path], python: str, turns: int, calls: int
) -> None:
    with ExitStack() as children:
        trees = [
            (Tree(path, python), of_tree) for path, of_tree in zip(paths, figures, strict=True)
        ]
        for tree, of_tree in trees:
            children.callback(tree.stop)
            tree.place(_WARM_UP)
            of_tree.bytecodes = tree.place(_COUNTED, "bytecodes")
        for turn in range(turns):
            for tree, of_tree in trees if turn % 2 else reversed(trees):
                of_tree.turns.append(tree.place(calls))


def table(figures: list[Figures]) -> Table:
    """Show each step, and where there is another tree, its figures and the ratios to them."""
    compared = ("before", "ratio") if len(figures) > 1 else ()
    shown = Table("step", "us", *compared, "bytecodes", *compared)
    for step, name in enumerate(whole_call.STEPS):
        shown.add_row(name, *_row(figures, itemgetter(step)))
    shown.add_section()
    shown.add_row("the call", *_row(figures, sum))
    return shown


def _row(figures: list[Figures], of_turn: Callable[[Turn], float]) -> list[str]:
    times = [[of_turn(turn) for turn in each.turns] for each in figures]
    counts = [of_turn(each.bytecodes) for each in figures]
    row = [f"{1e6 * min(each):.1f}" for each in times]
    if len(figures) < 2:
        return [*row, f"{counts[0]:.0f}"]
    ratio = statistics.median(now / before for now, before in zip(*times, strict=True))
    row += [f"{ratio:.3f}", *(f"{count:.0f}" for count in counts)]
    return [*row, f"{counts[0] / counts[1]:.3f}" if counts[1] else ""]


if __name__ == "__main__":
    typer.run(main)
