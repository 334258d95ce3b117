"""Calls held in staging, and others meanwhile: ``python -m bench.held_calls``.

The API takes ten seconds for one number and no time for another.  Two thousand calls to the first
are held at once; calls to the second are measured while they are, and before, when nothing else
goes on.  Printed is what a held call takes, whether it rang in time and was answered, and how much
later the others rang for it.
"""

from __future__ import annotations

import resource
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from bench.latency import Percentiles, invite_to_ringing, percentiles
from bench.load import GRACE, Callers, Load, Side
from bench.process import cpu_seconds, put_ahead
from soak.program import Watched
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import AGENT, Edge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.latency import Times

Mode = Literal["sync", "async"]

_QUICK = "+33612345679"
_ANY = 1_000_000  # calls: the callee stays until all is over
_APART = 1.5  # seconds between the last held call, the others, and the first answer
_SPARE = 200  # open files besides those of the held calls


@dataclass(frozen=True, slots=True)
class Wanted:
    """``calls`` are placed at ``rate`` and held for ``delay`` seconds; ``others`` is a rate."""

    calls: int
    rate: int
    delay: float
    others: int
    ringing_delay: float = 2.0

    @property
    def held(self) -> Load:
        """The calls that are held."""
        return Load(self.rate, self.calls / self.rate)

    @property
    def quick(self) -> Load:
        """The others: they are over before the first held call is staged."""
        return Load(self.others, self.delay - self.held.seconds - _APART, number=_QUICK)


@dataclass(frozen=True, slots=True)
class Others:
    """Calls that are staged at once: INVITE to 180 in ms; the CPU of program and API meanwhile.

    They ``began`` with the first INVITE and ``ended`` with the last 180, in the capture's seconds.
    """

    calls: int
    failed: int
    ringing: Percentiles
    cpu_share: float
    api_cpu_share: float
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave.

    ``held`` is how many calls were held all through the others' time; ``rung`` have heard our
    ringing, ``ringing`` ms later than they should.  Memory and open files are those of one;
    ``connections`` are all that the API has seen; ``worst_lag`` is in ms.
    """

    mode: Mode
    calls: int
    held: int
    failed: int
    rung: int
    ringing: Percentiles
    kib_a_call: float
    files_a_call: float
    connections: int
    alone: Others
    meanwhile: Others
    worst_lag: float

    @property
    def ratios(self) -> tuple[float, float]:
        """The others' p50 and p99, in those of the same load alone."""
        alone, meanwhile = self.alone.ringing, self.meanwhile.ringing
        return meanwhile.p50 / alone.p50, meanwhile.p99 / alone.p99


class _Bench:
    """The program, its API and its callee; they end with ``children``."""

    def __init__(self, wanted: Wanted, mode: Mode, directory: Path, children: ExitStack) -> None:
        self._wanted, self._directory, self._children = wanted, directory, children
        self.api = FakeApiProcess(directory, behaviours={_QUICK: {}}, delay=wanted.delay)
        children.callback(self.api.stop)
        self.api.wait_ready()
        self._callee_port = free_port()
        callee = Side("load_callee", directory, self._callee_port, _ANY, 3 * GRACE)
        children.callback(callee.stop)
        callee.wait_bound()
        self.program = Watched(self._edge(mode), directory)
        children.callback(self.program.stop)
        self.program.wait_ready()
        put_ahead(self.program.pid)
        put_ahead(self.api.pid)  # it stands for one with a machine of its own

    def _edge(self, mode: Mode) -> Edge:
        wanted = self._wanted
        return Edge(
            self.api.url,
            self._callee_port,
            mode=mode,
            deadline=wanted.delay + 10,
            log_level="info",
            api={"connections": wanted.calls + wanted.others},
            policy={"ringing_delay": wanted.ringing_delay},
            tables=[("[[numbers]]", {"number": _QUICK, "agent": AGENT})],
        )

    def callers(self, load: Load) -> Callers:
        """Begin a load."""
        return Callers(load, self._directory, self._callee_port, self.program.port, self._children)

    def others(self) -> Others:
        """Place the calls that are staged at once."""
        load = self._wanted.quick
        since = self._spent()
        outcome = self.callers(load).finish()
        cpu, api_cpu, elapsed = (now - then for now, then in zip(self._spent(), since, strict=True))
        return Others(
            calls=load.calls,
            failed=outcome.failed,
            ringing=percentiles(invite_to_ringing(outcome.calls)),
            cpu_share=cpu / elapsed,
            api_cpu_share=api_cpu / elapsed,
            began=min(call.invite_in for call in outcome.calls if call.invite_in),
            ended=max(call.ringing_out for call in outcome.calls),
        )

    def _spent(self) -> tuple[float, float, float]:
        return cpu_seconds(self.program.pid), cpu_seconds(self.api.pid), time.monotonic()

    def staging(self) -> int:
        """Tell how many calls are held."""
        return int(self.program.figures()["sip_stager_calls_staging"])


def measure(wanted: Wanted, mode: Mode) -> Figures:
    """Hold calls in a fresh program."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as children:
        bench = _Bench(wanted, mode, Path(directory), children)
        program = bench.program
        alone = bench.others()
        memory, files = program.resident, program.open_files
        callers = bench.callers(wanted.held)
        time.sleep(wanted.held.seconds)  # to look for them meanwhile would cost the program time
        program.wait_until(lambda: bench.staging() == wanted.calls, f"{wanted.calls} held calls")
        memory, files = program.resident - memory, program.open_files - files
        meanwhile = bench.others()
        outcome = callers.finish()
        rung = _rung(outcome.calls)
        return Figures(
            mode=mode,
            calls=wanted.calls,
            held=_held(outcome.calls, meanwhile),
            failed=outcome.failed,
            rung=len(rung),
            ringing=percentiles(rung).less(1000 * wanted.ringing_delay),
            kib_a_call=memory / 1024 / wanted.calls,
            files_a_call=files / wanted.calls,
            connections=bench.api.stats()["connections"],
            alone=alone,
            meanwhile=meanwhile,
            worst_lag=1000 * program.figures()["sip_stager_event_loop_lag_max_seconds"],
        )


def _rung(calls: Iterable[Times]) -> list[float]:
    """Return after how many ms each caller heard ringing of ours: before the callee knew of him."""
    return [
        1000 * (call.ringing_out - call.invite_in)
        for call in calls
        if call.invite_in < call.ringing_out < call.invite_out
    ]


def _held(calls: Iterable[Times], others: Others) -> int:
    return sum(0 < call.invite_in < others.began < others.ended < call.invite_out for call in calls)


def check_open_files(calls: int) -> None:
    """Take all the open files that the system grants; raise ``BadParameter`` where they are few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < calls + _SPARE:
        raise typer.BadParameter(
            f"{calls} held calls take {calls + _SPARE} open files, of the program and of the API, "
            f"and this shell may have {most} (ulimit -Hn): raise that as root, or hold fewer calls"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _table(runs: list[Figures], wanted: Wanted) -> Table:
    columns = "mode", "held", "failed", "rung", "ringing late", "KiB a call", "files a call"
    table = Table(
        *columns, "connections", "worst lag", "others p50", "others p99", "CPU", "API CPU"
    )
    table.title = (
        f"{wanted.calls} calls held for {wanted.delay:g} s, "
        f"and {wanted.others} other calls a second meanwhile"
    )
    table.caption = (
        "times in ms, late and lag at the 99th percentile and at worst · others: INVITE to 180, "
        "alone > meanwhile · CPU of the program, and of the fake API, in the same times"
    )
    for run in runs:
        table.add_row(*_row(run))
    return table


def _row(run: Figures) -> list[str]:
    alone, meanwhile = run.alone, run.meanwhile
    p50, p99 = run.ratios
    return [
        run.mode,
        f"{run.held} of {run.calls}",
        f"{run.failed}, others {alone.failed + meanwhile.failed}",
        str(run.rung),
        f"{run.ringing.p99:.1f}",
        f"{run.kib_a_call:.1f}",
        f"{run.files_a_call:.2f}",
        str(run.connections),
        f"{run.worst_lag:.1f}",
        f"{alone.ringing.p50:.2f} > {meanwhile.ringing.p50:.2f} ({p50:.2f}x)",
        f"{alone.ringing.p99:.2f} > {meanwhile.ringing.p99:.2f} ({p99:.2f}x)",
        f"{alone.cpu_share:.0%} > {meanwhile.cpu_share:.0%}",
        f"{alone.api_cpu_share:.0%} > {meanwhile.api_cpu_share:.0%}",
    ]


def main(
    calls: Annotated[int, typer.Option(help="How many are held at once")] = 2000,
    rate: Annotated[int, typer.Option(help="How many are placed a second")] = 400,
    delay: Annotated[float, typer.Option(help="Seconds that the API takes for them")] = 10,
    others: Annotated[int, typer.Option(help="Other calls per second")] = 50,
    rounds: Annotated[int, typer.Option(help="How often each mode is measured")] = 1,
    json: Annotated[Path | None, typer.Option(help="Default: a new one in bench-results/")] = None,
) -> None:
    """Measure; exit with 1 where a call failed, or was not held, or did not ring."""
    check_open_files(calls)
    wanted = Wanted(calls, rate, delay, others)
    modes: tuple[Mode, ...] = ("sync", "async")
    runs = [measure(wanted, mode) for mode in modes for _ in range(rounds)]
    Console(width=180).print(_table(runs, wanted))
    path = json or Path("bench-results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-held.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps([asdict(run) for run in runs], indent=2) + "\n")
    if not all(_went_well(run) for run in runs):
        raise typer.Exit(1)


def _went_well(run: Figures) -> bool:
    failed = run.failed + run.alone.failed + run.meanwhile.failed
    return not failed and run.calls == run.held == run.rung


if __name__ == "__main__":
    typer.run(main)
