"""What the healthy calls lose to a disturbance: ``python -m bench.fairness``.

A third of 60 calls a second is healthy: its own trunk, number and agent.  The rest is another
trunk's, for another agent.  After an undisturbed load comes the same load with a disturbance, in
one run of one program.  The table shows the healthy calls alone: how many were not answered by
their staged agent, and the 99th percentile of the time that the program added to the API's.

A disturbance is missed if a healthy call is lost, or if its added p99 is more than 1.5 times that
of the undisturbed load; below ``NOISE`` the difference is the machine's.  ``CASES`` is the table of
disturbances: an entry is all that another one needs.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from bench.process import PRIORITY, raise_priority
from bench.strangers import strangers
from sip_stager.demo.agent import Agent
from sip_stager.demo.caller import Caller
from tests.interop.fake_api import FakeApiProcess
from tests.interop.program import NUMBER, Program, ProgramSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sip_stager.demo.caller import CallReport

HEALTHY_RATE = 20  # calls per second
OTHER_RATE = 40
MAX_RATIO = 1.5
NOISE = 0.02  # seconds of added p99 in which a busy machine differs from itself
HEALTHY_HOST = "127.0.2.1"
HEALTHY_NUMBER = "+33612345679"
HEALTHY_AGENT = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
_DRAIN_TIME = 5.0  # seconds after the undisturbed load, for its last calls


@dataclass(frozen=True, slots=True)
class Stage:
    """The program of a run, for disturbances that come by the network."""

    program: Program
    api: FakeApiProcess


def _nothing(_: Stage) -> AbstractAsyncContextManager[object]:
    return nullcontext()


@asynccontextmanager
async def _strangers(kind: str, stage: Stage) -> AsyncIterator[None]:
    with strangers(kind, stage.program.port):
        yield


@dataclass(frozen=True, slots=True)
class Case:
    """A disturbance.

    ``behaviour`` is that of the API to the other trunk's calls, ``flood`` how many more of them
    there are per second, and ``disturb`` goes on while they come.  ``delay`` is the API's in
    seconds, ``api`` the keys of ``[api]``.
    """

    behaviour: dict[str, object] = field(default_factory=dict)
    flood: int = 0
    disturb: Callable[[Stage], AbstractAsyncContextManager[object]] = _nothing
    delay: float = 0.05
    api: dict[str, object] = field(default_factory=dict)


CASES = {
    "a failing agent": Case({"status": 500}),
    "a slow agent": Case({"delay": 30.0}, api={"connections": 60}),
    "an agent's 429": Case({"status": 429, "retry_after": "20"}),
    "a flood on one trunk": Case(flood=100, delay=0.5, api={"connections": 60}),
    "bursts of a stranger": Case(disturb=lambda stage: _strangers("bursts", stage)),
    "connections of strangers": Case(disturb=lambda stage: _strangers("connections", stage)),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The healthy calls of one load; ``added_p99`` is in seconds."""

    calls: int
    lost: int
    added_p99: float
    finals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The healthy calls of a case, undisturbed and disturbed."""

    name: str
    before: Figures
    during: Figures

    @property
    def missed(self) -> bool:
        """True if the disturbance cost the healthy calls more than it may."""
        limit = max(MAX_RATIO * self.before.added_p99, NOISE)
        return bool(self.during.lost or self.before.lost) or self.during.added_p99 > limit


async def _place(
    caller: Caller, number: str, rate: int, seconds: float, since: float
) -> list[CallReport]:
    """Place calls at a constant rate; return their reports once all have ended."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        placed = []
        for ordinal in range(round(rate * seconds)):
            # Against the clock, so that a late start of one call does not delay all others.
            await asyncio.sleep(max(0.0, since + ordinal / rate - loop.time()))
            placed.append(group.create_task(caller.call(number)))
    return [each.result() for each in placed]


def _figures(reports: Sequence[CallReport], delay: float) -> Figures:
    answered = [one for one in reports if one.final.startswith("200")]
    added = [(one.rang_after or one.ended_after) - delay for one in answered]
    p99 = statistics.quantiles(added, n=100)[98] if len(added) > 1 else 0.0
    lost = sorted({one.final for one in reports if not one.final.startswith("200")})
    return Figures(len(reports), len(reports) - len(answered), p99, tuple(lost))


async def _load(
    case: Case, stage: Stage, callers: tuple[Caller, Caller], seconds: float, *, disturbed: bool
) -> Figures:
    healthy, other = callers
    since = asyncio.get_running_loop().time()
    rate = OTHER_RATE + (case.flood if disturbed else 0)
    context = case.disturb(stage) if disturbed else nullcontext()
    async with context, asyncio.TaskGroup() as group:
        reports = group.create_task(_place(healthy, HEALTHY_NUMBER, HEALTHY_RATE, seconds, since))
        group.create_task(_place(other, NUMBER, rate, seconds, since))
    return _figures(reports.result(), case.delay)


async def _loads(case: Case, stage: Stage, seconds: float) -> list[Figures]:
    port = stage.program.port
    async with Caller(port, HEALTHY_HOST) as healthy, Caller(port) as other:
        callers = healthy, other
        before = await _load(case, stage, callers, seconds, disturbed=False)
        await asyncio.sleep(min(_DRAIN_TIME, seconds))
        if case.behaviour:
            await asyncio.to_thread(stage.api.change, **{NUMBER: case.behaviour})
        return [before, await _load(case, stage, callers, seconds, disturbed=True)]


async def _run(case: Case, directory: Path, children: ExitStack, seconds: float) -> list[Figures]:
    api = FakeApiProcess(directory, delay=case.delay)
    children.callback(api.stop)
    await asyncio.to_thread(api.wait_ready)
    async with Agent(ring_time=0.01, talk_time=0.05) as upstream:
        tables: list[tuple[str, dict[str, object]]] = [
            ("[[trunks]]", {"name": "healthy", "networks": [f"{HEALTHY_HOST}/32"]}),
            ("[[numbers]]", {"number": HEALTHY_NUMBER, "agent": HEALTHY_AGENT}),
        ]
        settings = ProgramSettings(
            api.url, upstream.port, log_level="error", api=case.api, tables=tables
        )
        program = Program(settings, directory)
        children.callback(program.stop)
        await asyncio.to_thread(program.wait_ready)
        for peer in (api, program):
            raise_priority(peer.pid, PRIORITY)
        return await _loads(case, Stage(program, api), seconds)


def measure(name: str, seconds: float) -> Result:
    """Run a case: its load undisturbed, then disturbed, for so many seconds each."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as children:
        run = _run(CASES[name], Path(temporary), children, seconds)
        before, during = uvloop.run(run)
    return Result(name, before, during)


def _table(results: Sequence[Result]) -> Table:
    columns = ("disturbance", "healthy calls", "lost", "added p99 before, ms", "during, ms")
    table = Table(*columns, "ratio", "")
    table.title = "the healthy calls while others are disturbed"
    for one in results:
        before, during = one.before, one.during
        table.add_row(
            one.name,
            str(during.calls),
            str(before.lost + during.lost) + "".join(f", {each}" for each in during.finals),
            f"{before.added_p99 * 1000:.1f}",
            f"{during.added_p99 * 1000:.1f}",
            f"{during.added_p99 / before.added_p99:.2f}" if before.added_p99 else "",
            "MISSED" if one.missed else "met",
        )
    return table


def main(
    seconds: Annotated[float, typer.Option(help="Seconds that each load lasts")] = 60,
    case: Annotated[str, typer.Option(help=f"One of: {', '.join(CASES)}. Default: all")] = "",
) -> None:
    """Measure; exit with 1 if a disturbance cost the healthy calls more than it may."""
    if case and case not in CASES:
        raise typer.BadParameter(f"write one of: {', '.join(CASES)}", param_hint="--case")
    results = [measure(name, seconds) for name in ([case] if case else CASES)]
    Console(width=160).print(_table(results))
    if any(one.missed for one in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
