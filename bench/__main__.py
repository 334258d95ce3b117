"""``python -m bench``: the CPU of a staged call, and the latency that the program adds."""

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
from bench.measurement import Measurement, measure, measure_claims, measure_direct, measure_kamailio
from bench.process import PRIORITY
from bench.report import Report
from bench.targets import check_targets
from sip_stager.staging.reserved_calls import MAX_RESERVED
from tests.interop.sipp import MISSING, SIPP

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUSTAINED_RATE = 1000  # calls per second, measured for longer than the other rates
_SLOW_API = (200, 200.0)  # a rate in calls per second and a delay of the API in ms
_DIRECT_TIME = 5.0  # seconds of each load without the program

_console = Console(width=None if sys.stdout.isatty() else 200)


def main(
    rates: Annotated[str, typer.Option(help="Calls per second")] = "50,100,200,400,800,1000",
    delays: Annotated[str, typer.Option(help="Delays of the API in ms")] = "0,150",
    seconds: Annotated[float, typer.Option(help="Seconds that each load lasts")] = 20,
    hold: Annotated[
        float, typer.Option(help=f"The same for {_SUSTAINED_RATE} calls per second")
    ] = 60,
    slow: Annotated[
        bool, typer.Option(help="Also measure 200 cps with an API delay of 200 ms")
    ] = True,
    python: Annotated[
        str, typer.Option(help="The Python interpreter that runs the program")
    ] = sys.executable,
    json: Annotated[
        Path | None, typer.Option(help="Results file; default: a new one in bench-results/")
    ] = None,
    kamailio: Annotated[bool, typer.Option(help="Also measure Kamailio with the same job")] = False,
    claims: Annotated[
        bool, typer.Option(help="Also measure redials, which reuse a staged call")
    ] = False,
    clients: Annotated[bool, typer.Option(help="Also compare HTTP clients")] = False,
) -> None:
    """Measure; exit with 1 if a target was missed."""
    _check_tools()
    kamailio_path = _find_kamailio() if kamailio else None
    points = [(rate, delay) for delay in _figures(delays) for rate in map(int, _figures(rates))]
    loads = {rate: Load(rate, hold if rate == _SUSTAINED_RATE else seconds) for rate, _ in points}
    if slow:
        points.append(_SLOW_API)
        loads.setdefault(_SLOW_API[0], Load(_SLOW_API[0], seconds))
    measured = list(_measured(points, loads, python, kamailio_path, claims=claims))
    report = Report(describe(python), _machine(), measured)
    _console.print(report.table())
    path = json or Path("bench-results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report.write(path)
    _console.print(f"written to {path}")
    if clients:
        figures = path.with_name(f"{path.stem}-clients.json")
        command = [python, "-m", "bench.http_clients", "--json", str(figures)]
        subprocess.run(command, check=True)
    if not all(verdict.met for point in report.points for verdict in check_targets(point)):
        raise typer.Exit(1)


def _check_tools() -> None:
    if SIPP is None:
        raise typer.BadParameter(MISSING)
    if not (shutil.which("dumpcap") or shutil.which("tcpdump")):
        raise typer.BadParameter(capture.MISSING)


def _find_kamailio() -> str:
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
) -> Iterator[Measurement]:
    direct: dict[int, float] = {}
    for rate, delay in points:
        load = loads[rate]
        _console.print(f"{rate} cps for {load.seconds:g} s, API delay {delay:g} ms ...")
        if rate not in direct:
            direct[rate] = measure_direct(Load(rate, min(load.seconds, _DIRECT_TIME)))
        point = measure(load, delay, direct[rate], python)
        _console.print(f"  {point}")
        if kamailio:
            other = measure_kamailio(load, delay, direct[rate], kamailio)
            _console.print(f"  {other}")
            point = replace(point, kamailio=other)
        yield point
        if claims and delay:
            # More calls than the program keeps reserved could not all be claimed.
            redials = Load(rate, min(load.seconds, MAX_RESERVED / rate))
            claimed = measure_claims(redials, delay, direct[rate], python)
            _console.print(f"  {claimed}")
            yield claimed


def _machine() -> dict[str, str]:
    return {
        "system": platform.platform(),
        "cores": str(os.cpu_count()),
        "priority": str(PRIORITY) if os.geteuid() == 0 else "not raised: not root",
        "load_average": " ".join(f"{each:.2f}" for each in os.getloadavg()),
    }


if __name__ == "__main__":
    typer.run(main)
