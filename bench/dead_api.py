"""Calls against an API that is down: ``python -m bench.dead_api``.

The program is started as a user starts it, and a caller in another process sends it new calls all
the time.  The API refuses connections, or drops what is sent to it, or takes requests and answers
after ten seconds.  Printed is how long callers waited for their refusal, the worst lag of the
program's event loop, its memory halfway and at the end, and how far the circuit breaker helped.
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

from bench.call_rate import place
from bench.process import cpu_seconds, peak_memory, put_ahead
from soak.program import Watched
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER, Edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.demo.caller import Caller, CallReport

LAG_MOST = 0.05  # seconds
_ENDED = re.compile(r'sip_stager_stagings_ended_total{.*outcome="(\w+)".*}')
_NEVER = 1_000_000_000  # calls; a breaker that asks for so many stays closed
_AGES = 10.0  # seconds until the slow API answers


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load did; times in seconds, memory in MiB, CPU in milliseconds a call."""

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
def _black_hole(_: Path) -> Iterator[str]:
    """Fill a listener's backlog, so that the kernel drops each further SYN."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _each in range(4):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _slow(directory: Path) -> Iterator[str]:
    api = FakeApiProcess(directory, delay=_AGES)
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
        rules: dict[str, object] = {} if breaker else {"breaker_min_calls": _NEVER}
        edge = Edge(url, free_port(), log_level="error", api=rules)
        program = Watched(edge, directory)
        stack.callback(program.stop)
        program.wait_ready()
        put_ahead(program.pid)
        memory, cpu = [peak_memory(program.pid)], cpu_seconds(program.pid)
        calls = round(rate * seconds)

        async def call(caller: Caller, ordinal: int) -> CallReport:
            if ordinal == calls // 2:
                memory.append(peak_memory(program.pid))
            return await caller.call(NUMBER)

        heard = uvloop.run(place(program.port, rate, calls, call))
        memory.append(peak_memory(program.pid))
        cpu = cpu_seconds(program.pid) - cpu
        metrics = program.figures()
    waits = statistics.quantiles([one.ended_after for one in heard], n=100)
    return Figures(
        api=api,
        breaker=breaker,
        calls=len(heard),
        statuses=dict(Counter(one.final[:3] for one in heard)),
        wait_p50=waits[49],
        wait_p99=waits[98],
        worst_lag=metrics["sip_stager_event_loop_lag_max_seconds"],
        memory_before=memory[0],
        memory_halfway=memory[1],
        memory_after=memory[2],
        cpu_ms=cpu / len(heard) * 1000,
        outcomes=_outcomes(metrics),
    )


def _outcomes(metrics: dict[str, float]) -> dict[str, int]:
    return {
        found[1]: int(count)
        for series, count in metrics.items()
        if count and (found := _ENDED.fullmatch(series))
    }


def _table(all_figures: list[Figures], rate: int) -> Table:
    columns = ("API", "breaker", "calls", "answers", "wait p50, ms", "wait p99, ms")
    table = Table(*columns, "worst lag, ms", "memory, MiB", "CPU, ms a call", "outcomes")
    table.title = f"an API that is down, {rate} calls per second"
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
    seconds: Annotated[float, typer.Option(help="How long each load lasts")] = 10,
    without: Annotated[bool, typer.Option(help="Also without the circuit breaker")] = True,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here")] = None,
) -> None:
    """Measure; exit with 1 where the loop lagged more than 50 ms or a call got no answer."""
    breakers = (True, False) if without else (True,)
    figures = [measure(api, rate, seconds, breaker=breaker) for api in APIS for breaker in breakers]
    Console(width=160).print(_table(figures, rate))
    if file:
        file.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n")
    if any(one.worst_lag > LAG_MOST or "no " in one.statuses for one in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
