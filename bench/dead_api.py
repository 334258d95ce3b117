"""Calls while the API is down: ``python -m bench.dead_api``.

The program runs as a user starts it, and a caller in another process places calls at a constant
rate.  The API refuses connections, drops every packet, or answers after ten seconds.  The table
shows how long callers waited for their refusal, the worst lag of the program's event loop, its
memory halfway and at the end, and the effect of the circuit breaker.
"""

from __future__ import annotations

import json
import re
import socket
import statistics
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from bench.call_rate import place_calls
from bench.process import cpu_seconds, peak_memory, raise_priority
from soak.program import MonitoredProgram
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER, ProgramSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.demo.caller import Caller, CallReport

MAX_LAG = 0.05  # seconds
_STAGINGS_ENDED = re.compile(r'sip_stager_stagings_ended_total{.*outcome="(\w+)".*}')
_UNREACHABLE_MIN_CALLS = 1_000_000_000  # calls; with this minimum the breaker never opens
_SLOW_DELAY = 10.0  # seconds until the slow API answers


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of one load; times in seconds, memory in MiB, CPU in milliseconds per call."""

    api: str
    breaker: bool
    calls: int
    statuses: dict[str, int]
    wait_p50: float
    wait_p99: float
    worst_lag: float
    memory_before: float
    memory_halfway: float
    memory_after: float
    cpu_ms: float
    outcomes: dict[str, int]


@contextmanager
def _refused(_: Path) -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def _black_hole(_directory: Path) -> Iterator[str]:
    """Fill the backlog of a listener, so that the kernel drops every further SYN."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # Linux accepts more connections than a backlog of 0 suggests
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _slow(directory: Path) -> Iterator[str]:
    api = FakeApiProcess(directory, delay=_SLOW_DELAY)
    try:
        api.wait_ready()
        yield api.url
    finally:
        api.stop()


APIS = {"refused": _refused, "black hole": _black_hole, "10 s": _slow}


def measure(api: str, rate: int, seconds: float, *, breaker: bool) -> Figures:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(APIS[api](directory))
        limits: dict[str, object] = {} if breaker else {"breaker_min_calls": _UNREACHABLE_MIN_CALLS}
        settings = ProgramSettings(url, free_port(), log_level="error", api=limits)
        program = MonitoredProgram(settings, directory)
        stack.callback(program.stop)
        program.wait_ready()
        raise_priority(program.pid)
        memory, cpu = [peak_memory(program.pid)], cpu_seconds(program.pid)
        calls = round(rate * seconds)

        async def call(caller: Caller, ordinal: int) -> CallReport:
            if ordinal == calls // 2:
                memory.append(peak_memory(program.pid))
            return await caller.call(NUMBER)

        reports = uvloop.run(place_calls(program.port, rate, calls, call))
        memory.append(peak_memory(program.pid))
        cpu = cpu_seconds(program.pid) - cpu
        metrics = program.samples()
    waits = statistics.quantiles([one.ended_after for one in reports], n=100)
    return Figures(
        api=api,
        breaker=breaker,
        calls=len(reports),
        statuses=dict(Counter(one.final[:3] for one in reports)),
        wait_p50=waits[49],
        wait_p99=waits[98],
        worst_lag=metrics["sip_stager_event_loop_lag_max_seconds"],
        memory_before=memory[0],
        memory_halfway=memory[1],
        memory_after=memory[2],
        cpu_ms=cpu / len(reports) * 1000,
        outcomes=_outcomes(metrics),
    )


def _outcomes(metrics: dict[str, float]) -> dict[str, int]:
    return {
        found[1]: int(count)
        for series, count in metrics.items()
        if count and (found := _STAGINGS_ENDED.fullmatch(series))
    }


def _table(all_figures: list[Figures], rate: int) -> Table:
    columns = ("API", "breaker", "calls", "answers", "wait p50, ms", "wait p99, ms")
    table = Table(*columns, "worst lag, ms", "memory, MiB", "CPU, ms per call", "outcomes")
    table.title = f"the API is down, {rate} calls per second"
    for one in all_figures:
        memory = (one.memory_before, one.memory_halfway, one.memory_after)
        table.add_row(
            one.api,
            "yes" if one.breaker else "no",
            str(one.calls),
            _counts(one.statuses),
            f"{one.wait_p50 * 1000:.1f}",
            f"{one.wait_p99 * 1000:.1f}",
            f"{one.worst_lag * 1000:.1f}",
            ", ".join(f"{size:.0f}" for size in memory),
            f"{one.cpu_ms:.2f}",
            _counts(one.outcomes),
        )
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())


def main(
    rate: Annotated[int, typer.Option(help="Calls per second")] = 400,
    seconds: Annotated[float, typer.Option(help="Seconds that each load lasts")] = 10,
    without: Annotated[
        bool, typer.Option(help="Measure without the circuit breaker as well")
    ] = True,
    file: Annotated[
        Path | None, typer.Option("--json", help="Write the results to this file")
    ] = None,
) -> None:
    """Measure; exit with 1 if the event loop lagged by over 50 ms or a call got no response."""
    breakers = (True, False) if without else (True,)
    figures = [measure(api, rate, seconds, breaker=breaker) for api in APIS for breaker in breakers]
    Console(width=160).print(_table(figures, rate))
    if file:
        file.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n")
    if any(one.worst_lag > MAX_LAG or "no " in one.statuses for one in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
