"""What the core does with a call: ``python -m tests.bench.core``, and ``--against`` another tree.

A whole call without sockets and without staging, step by step (``whole_call.py``).  Two trees are
measured by turns, each in a process of its own, so that a busy machine is unjust to both, and in
one process after another, for where the memory lies makes a difference of some percent.  Of a ratio
the median over all turns is given, and of times the least, which others disturbed least.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.bench import whole_call
from tests.bench.interpreter import describe

HERE = Path(__file__).parents[2]
WHOLE_CALL = Path(whole_call.__file__).relative_to(HERE)
_WARM_UP = 200  # calls

Turn = list[float]
"""Seconds of CPU a call, by step."""


class Tree:
    """A process that places calls through the program of a source tree."""

    def __init__(self, path: Path, python: str) -> None:
        self.turns: list[Turn] = []
        self._process = subprocess.Popen(
            [python, "-P", str(path / WHOLE_CALL)],
            cwd=path,
            env={**os.environ, "PYTHONPATH": str(path), "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def place(self, calls: int) -> Turn:
        """Place so many calls."""
        taken, given = self._process.stdin, self._process.stdout
        assert taken is not None
        assert given is not None
        taken.write(f"{calls}\n")
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
    processes: Annotated[int, typer.Option(help="Processes of each tree")] = 8,
    turns: Annotated[int, typer.Option(help="Turns of each process")] = 10,
    calls: Annotated[int, typer.Option(help="Calls in a turn")] = 200,
    python: Annotated[str, typer.Option(help="The interpreter")] = sys.executable,
) -> None:
    """Measure the CPU that each step of a call costs, and its ratio to another tree's."""
    paths = [path.resolve() for path in (HERE, against) if path]
    measured: list[list[Turn]] = [[] for _ in paths]
    for _ in range(processes):
        for before, now in zip(measured, _by_turns(paths, python, turns, calls), strict=True):
            before.extend(now)
    console = Console()
    console.print(f"{describe(python)}, {processes} processes, {turns} turns of {calls} calls each")
    console.print(table(measured))


def _by_turns(paths: list[Path], python: str, turns: int, calls: int) -> list[list[Turn]]:
    with ExitStack() as children:
        trees = [Tree(path, python) for path in paths]
        for tree in trees:
            children.callback(tree.stop)
            tree.place(_WARM_UP)
        for turn in range(turns):
            for tree in trees if turn % 2 else reversed(trees):
                tree.turns.append(tree.place(calls))
    return [tree.turns for tree in trees]


def table(trees: list[list[Turn]]) -> Table:
    """Show each step in microseconds, and where there is another tree, its time and the ratio."""
    shown = Table("step", "us", *(("before", "ratio") if len(trees) > 1 else ()))
    for step, name in enumerate(whole_call.STEPS):
        shown.add_row(name, *_row([[turn[step] for turn in turns] for turns in trees]))
    shown.add_section()
    shown.add_row("the call", *_row([[sum(turn) for turn in turns] for turns in trees]))
    return shown


def _row(trees: list[list[float]]) -> list[str]:
    least = [f"{1e6 * min(times):.1f}" for times in trees]
    if len(trees) < 2:
        return least
    ratios = [now / before for now, before in zip(*trees, strict=True)]
    return [*least, f"{statistics.median(ratios):.3f}"]


if __name__ == "__main__":
    typer.run(main)
