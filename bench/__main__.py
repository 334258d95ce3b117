"""``python -m bench``: what a staged call costs, and how much later it rings."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench import capture
from bench.interpreter import describe
from bench.kamailio import server
from bench.load import Load
from bench.measurement import Measured, measure, measure_claims, measure_direct, measure_kamailio
from bench.process import PRIORITY
from bench.report import Report
from bench.targets import verdicts
from sip_stager.staging.reserved import MAX_RESERVED
from tests.interop.sipp import MISSING, SIPP

if TYPE_CHECKING:
    from collections.abc import Iterator

_FASTEST = 1000  # calls per second, to be held longer than the others
_SLOW = (200, 200.0)  # a rate and a delay: an API that is slower than most
_DIRECT = 5.0  # seconds of each load without the program

_console = Console(width=None if sys.stdout.isatty() else 200)


def main(
    rates: Annotated[str, typer.Option(help="Calls per second")] = "50,100,200,400,800,1000",
    delays: Annotated[str, typer.Option(help="Delays of the API in ms")] = "0,150",
    seconds: Annotated[float, typer.Option(help="How long each load lasts")] = 20,
    hold: Annotated[float, typer.Option(help=f"The same, for {_FASTEST} cps")] = 60,
    slow: Annotated[bool, typer.Option(help="Also 200 cps with an API of 200 ms")] = True,
    python: Annotated[str, typer.Option(help="The interpreter for the program")] = sys.executable,
    json: Annotated[Path | None, typer.Option(help="Default: a new one in bench-results/")] = None,
    kamailio: Annotated[bool, typer.Option(help="Also let Kamailio do the same job")] = False,
    claims: Annotated[bool, typer.Option(help="Also callers whose call was staged before")] = False,
    clients: Annotated[bool, typer.Option(help="Also compare HTTP clients")] = False,
) -> None:
    """Measure; exit with 1 when a target was missed."""
    _check_tools()
    yardstick = _kamailio() if kamailio else None
    points = [(rate, delay) for delay in _figures(delays) for rate in map(int, _figures(rates))]
    loads = {rate: Load(rate, hold if rate == _FASTEST else seconds) for rate, _ in points}
    if slow:
        points.append(_SLOW)
        loads.setdefault(_SLOW[0], Load(_SLOW[0], seconds))
    measured = list(_measured(points, loads, python, yardstick, claims=claims))
    report = Report(describe(python), _machine(), measured)
    _console.print(report.table())
    path = json or Path("bench-results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report.write(path)
    _console.print(f"written to {path}")
    if clients:
        figures = path.with_name(f"{path.stem}-clients.json")
        command = [python, "-m", "bench.http_clients", "--json", str(figures)]
        subprocess.run(command, check=True)
    if not all(verdict.met for point in report.points for verdict in verdicts(point)):
        raise typer.Exit(1)


def _check_tools() -> None:
    if SIPP is None:
        raise typer.BadParameter(MISSING)
    if not (shutil.which("dumpcap") or shutil.which("tcpdump")):
        raise typer.BadParameter(capture.MISSING)


def _kamailio() -> str:
    if path := server.find():
        return path
    raise typer.BadParameter(server.MISSING)


def _figures(listed: str) -> list[float]:
    return [float(each) for each in listed.split(",")]


def _measured(
    points: list[tuple[int, float]],
    loads: dict[int, Load],
    python: str,
    kamailio: str | None,
    *,
    claims: bool,
) -> Iterator[Measured]:
    direct: dict[int, float] = {}
    for rate, delay in points:
        load = loads[rate]
        _console.print(f"{rate} cps for {load.seconds:g} s, the API takes {delay:g} ms ...")
        if rate not in direct:
            direct[rate] = measure_direct(Load(rate, min(load.seconds, _DIRECT)))
        point = measure(load, delay, direct[rate], python)
        _console.print(f"  {point}")
        if kamailio:
            other = measure_kamailio(load, delay, direct[rate], kamailio)
            _console.print(f"  {other}")
            point = replace(point, kamailio=other)
        yield point
        if claims and delay:
            kept = Load(rate, min(load.seconds, MAX_RESERVED / rate))
            again = measure_claims(kept, delay, direct[rate], python)
            _console.print(f"  {again}")
            yield again


def _machine() -> dict[str, str]:
    return {
        "system": platform.platform(),
        "cores": str(os.cpu_count()),
        "priority": str(PRIORITY) if os.geteuid() == 0 else "not raised: not root",
        "load_average": " ".join(f"{each:.2f}" for each in os.getloadavg()),
    }


if __name__ == "__main__":
    typer.run(main)
