"""Other calls while many are held in staging: ``python -m bench.held_calls``.

The API needs ten seconds for one number and no time for another.  Two thousand calls to the first
number are held at once.  Calls to the second are measured alone first, and then while the others
are held.  The table shows the memory and files of a held call, whether it rang in time and was
answered, how much later the other calls rang, and how long ``/healthz`` and ``/metrics`` took at
worst, from the first held call to the end of the last one.

All calls must be placed before the first is staged, and the others between: ten thousand want
``--calls 10000 --rate 500 --delay 32``.
"""

from __future__ import annotations

import resource
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench.held_calls_report import (
    QUICK_NUMBER,
    Figures,
    Mode,
    Others,
    Parameters,
    results_tables,
)
from bench.latency import Percentiles, invite_to_ringing, percentiles
from bench.load import GRACE_PERIOD, Callers, Load, LoadPeer
from bench.probes import HEALTH_INTERVAL, METRICS_INTERVAL, Prober
from bench.process import cpu_seconds, raise_priority
from soak.program import MonitoredProgram
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import AGENT, ProgramSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.latency import Times

_UNLIMITED = 1_000_000  # calls; the callee runs until it is stopped
_SPARE_FILES = 200  # open files besides those of the held calls


class _Processes:
    """The program, the API and the callee; they end with ``children``."""

    def __init__(
        self, parameters: Parameters, mode: Mode, directory: Path, children: ExitStack
    ) -> None:
        self._parameters, self._directory, self._children = parameters, directory, children
        self.api = FakeApiProcess(directory, behaviours={QUICK_NUMBER: {}}, delay=parameters.delay)
        children.callback(self.api.stop)
        self.api.wait_ready()
        self._callee_port = free_port()
        callee = LoadPeer("load_callee", directory, self._callee_port, _UNLIMITED, 3 * GRACE_PERIOD)
        children.callback(callee.stop)
        callee.wait_bound()
        self.program = MonitoredProgram(self._settings(mode), directory)
        children.callback(self.program.stop)
        self.program.wait_ready()
        raise_priority(self.program.pid)
        raise_priority(self.api.pid)  # in production it runs on another machine

    def _settings(self, mode: Mode) -> ProgramSettings:
        parameters = self._parameters
        return ProgramSettings(
            self.api.url,
            self._callee_port,
            mode=mode,
            deadline=parameters.delay + 10,
            log_level="info",
            api={"connections": parameters.calls + parameters.others},
            limits={"drain_timeout": 0, "calls_staging": 2 * parameters.calls},
            policy={"ringing_delay": parameters.ringing_delay},
            tables=[("[[numbers]]", {"number": QUICK_NUMBER, "agent": AGENT})],
        )

    def start_callers(self, load: Load) -> Callers:
        """Start the callers of a load."""
        return Callers(load, self._directory, self._callee_port, self.program.port, self._children)

    def measure_others(self) -> Others:
        """Place the other calls and return their results."""
        load = self._parameters.quick
        since = self._used()
        outcome = self.start_callers(load).finish()
        cpu, api_cpu, elapsed = (now - then for now, then in zip(self._used(), since, strict=True))
        return Others(
            calls=load.calls,
            failed=outcome.failed,
            ringing=percentiles(invite_to_ringing(outcome.calls)),
            cpu_share=cpu / elapsed,
            api_cpu_share=api_cpu / elapsed,
            started=min(call.invite_in for call in outcome.calls if call.invite_in),
            ended=max(call.ringing_out for call in outcome.calls),
        )

    def _used(self) -> tuple[float, float, float]:
        return cpu_seconds(self.program.pid), cpu_seconds(self.api.pid), time.monotonic()

    def held_calls(self) -> int:
        """Return how many calls the program holds in staging."""
        return int(self.program.samples()["sip_stager_calls_staging"])


def measure(parameters: Parameters, mode: Mode) -> Figures:
    """Hold calls in a new program."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as children:
        processes = _Processes(parameters, mode, Path(directory), children)
        program = processes.program
        alone = processes.measure_others()
        memory, files = program.resident, program.open_files
        health = Prober(program.http_port, "/healthz", HEALTH_INTERVAL)
        metrics = Prober(program.http_port, "/metrics", METRICS_INTERVAL)
        callers = processes.start_callers(parameters.held)
        time.sleep(parameters.held.seconds)  # polling now would cost the program CPU time
        program.wait_until(
            lambda: processes.held_calls() == parameters.calls, f"{parameters.calls} held calls"
        )
        memory, files = program.resident - memory, program.open_files - files
        loaded = processes.measure_others()
        outcome = callers.finish()
        rung = _rung(outcome.calls)
        return Figures(
            mode=mode,
            calls=parameters.calls,
            held=_held(outcome.calls, loaded),
            failed=outcome.failed,
            rung=len(rung),
            ringing_late=percentiles(rung).minus(1000 * parameters.ringing_delay),
            forwarded_late=_forwarded(outcome.calls).minus(1000 * parameters.delay),
            kib_per_call=memory / 1024 / parameters.calls,
            files_per_call=files / parameters.calls,
            connections=processes.api.stats()["connections"],
            alone=alone,
            loaded=loaded,
            worst_lag=1000 * program.samples()["sip_stager_event_loop_lag_max_seconds"],
            polls=processes.api.stats()["polls"],
            health=health.stop(),
            metrics=metrics.stop(),
        )


def _rung(calls: Iterable[Times]) -> list[float]:
    """Return the time to local ringing in ms of each call with a 180 before its INVITE went on."""
    return [
        1000 * (call.ringing_out - call.invite_in)
        for call in calls
        if call.invite_in < call.ringing_out < call.invite_out
    ]


def _forwarded(calls: Iterable[Times]) -> Percentiles:
    """Return the times in ms from the INVITE in to the INVITE out."""
    # The capture of these callers holds INVITEs of the others, too, as they leave the program.
    return percentiles(
        [1000 * (call.invite_out - call.invite_in) for call in calls if call.invite_in]
    )


def _held(calls: Iterable[Times], others: Others) -> int:
    return sum(
        0 < call.invite_in < others.started < others.ended < call.invite_out for call in calls
    )


def check_open_files(calls: int) -> None:
    """Raise the soft limit of open files; raise ``BadParameter`` if the hard limit is too low."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < calls + _SPARE_FILES:
        raise typer.BadParameter(
            f"{calls} held calls need {calls + _SPARE_FILES} open files in the program and API, "
            f"but the limit is {limit} (ulimit -Hn): raise it as root, or hold fewer calls"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def main(
    calls: Annotated[int, typer.Option(help="Calls that are held at once")] = 2000,
    rate: Annotated[int, typer.Option(help="Held calls placed per second")] = 400,
    delay: Annotated[float, typer.Option(help="Seconds that the API needs for a held call")] = 10,
    others: Annotated[int, typer.Option(help="Other calls per second")] = 50,
    mode: Annotated[
        Mode | None, typer.Option(help="The mode; default: one after the other")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Runs of each mode")] = 1,
    json: Annotated[
        Path | None, typer.Option(help="Results file; default: a new one in bench-results/")
    ] = None,
) -> None:
    """Measure; exit with 1 if a call failed, was not held, or did not ring, or a probe failed."""
    check_open_files(calls)
    parameters = Parameters(calls, rate, delay, others)
    modes: tuple[Mode, ...] = (mode,) if mode else ("sync", "async")
    runs = [measure(parameters, each) for each in modes for _ in range(rounds)]
    Console(width=160).print(*results_tables(runs, parameters), sep="\n\n")
    path = json or Path("bench-results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-held.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps([asdict(run) for run in runs], indent=2) + "\n")
    if not all(_went_well(run) for run in runs):
        raise typer.Exit(1)


def _went_well(run: Figures) -> bool:
    failed = run.failed + run.alone.failed + run.loaded.failed
    failed += run.health.failed + run.metrics.failed
    return not failed and run.calls == run.held == run.rung


if __name__ == "__main__":
    typer.run(main)
