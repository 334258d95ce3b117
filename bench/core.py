"""The CPU that the core needs for a call: ``python -m bench.core [--against TREE]``.

A whole call without sockets and without staging is measured step by step (``whole_call.py``).  Two
trees run in processes of their own and take turns, so that a busy machine affects both alike: two
source trees, or ours and ``build/compiled``, the same with a compiled core (``make build``).  Each
tree gets several processes one after another, because the memory layout of a process alone makes a
difference of some percent.

Of times the minimum over all turns is printed, which other programs disturbed least; of ratios the
median.  Bytecodes are what Python itself executes, without C code; their number hardly varies.
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
_SCRIPTS = (Path("bench/whole_call.py"), Path("tests/bench/whole_call.py"))  # now, before 0.1.0
# Transactions end 32 s after their calls, and their ends count too: the warm-up lasts until as many
# end as begin.
_WARM_UP_TIME = 37.0  # seconds of the core's clock
WARM_UP_CALLS = int(_WARM_UP_TIME * whole_call.RATE)
_BYTECODE_CALLS = 20  # tracing is slow, and the number hardly varies

Turn = list[float]
"""CPU seconds or bytecodes of one call, by step."""


def _script_of(tree: Path) -> Path:
    """Return the path of a tree's ``whole_call.py``, or of our own for ``build/compiled``."""
    for script in _SCRIPTS:
        if (tree / script).is_file():
            return tree / script
    if (tree / "sip_stager").is_dir():
        return HERE / _SCRIPTS[0]
    raise FileNotFoundError(f"{tree} has neither {_SCRIPTS[0]} nor sip_stager")


@dataclass
class Figures:
    """The results of one tree: the seconds of each turn, and the bytecodes."""

    turns: list[Turn] = field(default_factory=list)
    bytecodes: Turn = field(default_factory=list)


class Tree:
    """A process that places calls through the core of a source tree."""

    def __init__(self, path: Path, python: str) -> None:
        script = _script_of(path)
        self._process = subprocess.Popen(
            [python, "-P", str(script)],
            cwd=path,
            env={**os.environ, "PYTHONPATH": f"{path}:{script.parents[1]}", "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def place(self, calls: int, measure: str = "seconds") -> Turn:
        """Place calls and return the average of each step."""
        commands, results = self._process.stdin, self._process.stdout
        assert commands is not None
        assert results is not None
        commands.write(f"{measure} {calls}\n")
        commands.flush()
        turn: Turn = json.loads(results.readline())
        return turn

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def main(
    against: Annotated[Path | None, typer.Option(help="A source tree to compare with")] = None,
    processes: Annotated[int, typer.Option(help="Processes per tree")] = 4,
    turns: Annotated[int, typer.Option(help="Turns per process")] = 10,
    calls: Annotated[int, typer.Option(help="Calls per turn")] = 200,
    python: Annotated[str, typer.Option(help="The Python interpreter")] = sys.executable,
) -> None:
    """Measure the CPU of each step of a call, and its ratio to that of another source tree."""
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
            tree.place(WARM_UP_CALLS)
            of_tree.bytecodes = tree.place(_BYTECODE_CALLS, "bytecodes")
        for turn in range(turns):
            # In alternating order: the second of a pair may find warmer caches.
            for tree, of_tree in trees if turn % 2 else reversed(trees):
                of_tree.turns.append(tree.place(calls))


def table(figures: list[Figures]) -> Table:
    """Return a table of all steps; with two trees, of both and their ratios."""
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
