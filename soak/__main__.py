"""``python -m soak``: very many calls with faults on all sides; then nothing may be left."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from secrets import randbelow
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from soak.report import findings, judged, outcomes, write
from soak.run import Wanted, run

_console = Console(width=None if sys.stdout.isatty() else 160)


def main(
    calls: Annotated[int, typer.Option(help="How many")] = 100_000,
    minutes: Annotated[float, typer.Option(help="Stop placing calls after so long")] = 20,
    rate: Annotated[float, typer.Option(help="Calls per second at most")] = 300,
    seed: Annotated[int, typer.Option(help="Repeats a run; 0 takes a new one")] = 0,
    loss: Annotated[float, typer.Option(help="Part of the datagrams that is lost")] = 0.02,
    mode: Annotated[str, typer.Option(help="sync or async")] = "sync",
    upstream: Annotated[str, typer.Option(help="udp or tcp")] = "udp",
    python: Annotated[str, typer.Option(help="The interpreter for the program")] = sys.executable,
    json: Annotated[Path, typer.Option(help="Where the figures go")] = Path("reports/soak.json"),
) -> None:
    """Place calls; exit with 1 when something is left over or cannot be explained."""
    seed = seed or 1 + randbelow(10**6)
    wanted = Wanted(calls, minutes * 60, rate, seed, loss, python, upstream, mode)
    again = f'make soak SOAK="--calls {calls} --seed {seed}"'
    _console.print(f"{calls} calls with seed {seed}; the same again: {again}", highlight=False)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        seen = uvloop.run(run(wanted, Path(directory)))
    for table in (outcomes(seen, 0), outcomes(seen, 1), judged(seen)):
        _console.print(table)
    for line in seen.errors[:3]:
        _console.print(line[:2000], markup=False, highlight=False)
    write(seen, wanted, json)
    _console.print(f"written to {json}")
    if not seen.in_time:
        _console.print(f"The time ran out after {seen.soak.placed} of {calls} calls.")
    if not all(finding.kept for finding in findings(seen)):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
