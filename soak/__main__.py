"""``python -m soak``: many calls with faults on all sides, after which nothing may be left."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from secrets import randbelow
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from soak.report import findings, findings_table, outcome_table, write_json
from soak.run import Options, run_soak

_console = Console(width=None if sys.stdout.isatty() else 160)


def main(
    calls: Annotated[int, typer.Option(help="Number of calls")] = 100_000,
    minutes: Annotated[float, typer.Option(help="Stop placing calls after this time")] = 20,
    rate: Annotated[float, typer.Option(help="Maximum of calls per second")] = 300,
    seed: Annotated[int, typer.Option(help="Repeats a run; 0 chooses a new seed")] = 0,
    loss: Annotated[float, typer.Option(help="Fraction of datagrams that are lost")] = 0.02,
    mode: Annotated[str, typer.Option(help="The API's mode: sync or async")] = "sync",
    upstream: Annotated[str, typer.Option(help="Transport to the upstream: udp or tcp")] = "udp",
    python: Annotated[
        str, typer.Option(help="The Python interpreter that runs the program")
    ] = sys.executable,
    json: Annotated[Path, typer.Option(help="The results file")] = Path("reports/soak.json"),
) -> None:
    """Place calls; exit with 1 if something is left over or a call ended inexplicably."""
    seed = seed or 1 + randbelow(10**6)
    options = Options(calls, minutes * 60, rate, seed, loss, python, upstream, mode)
    repeat = f'make soak SOAK="--calls {calls} --seed {seed}"'
    _console.print(f"{calls} calls with seed {seed}; repeat with: {repeat}", highlight=False)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        observed = uvloop.run(run_soak(options, Path(directory)))
    for table in (outcome_table(observed, 0), outcome_table(observed, 1), findings_table(observed)):
        _console.print(table)
    for line in observed.errors[:3]:
        _console.print(line[:2000], markup=False, highlight=False)
    write_json(observed, options, json)
    _console.print(f"written to {json}")
    if not observed.in_time:
        _console.print(f"The time ran out after {observed.traffic.placed} of {calls} calls.")
    if not all(finding.passed for finding in findings(observed)):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
