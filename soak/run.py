"""A whole run: start everything, place the calls, watch the program, and look at what is left."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.process import cpu_seconds
from soak.call_leg import SHORT, Timers
from soak.call_plan import DEADLINE
from soak.program import Api, MonitoredProgram, SoakSettings, gauges
from soak.traffic import Soak
from tests.interop.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

_EVERY = 10.0  # seconds between two lines of progress


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to run; ``rate`` is the most calls per second, ``loss`` a part of the datagrams.

    ``settle`` is how many seconds after the last call every gauge must be back at zero: timer D is
    32 s at least, whatever T1 is (RFC 3261 17.1.1.2).
    """

    calls: int
    seconds: float
    rate: float
    seed: int
    loss: float
    python: str
    upstream: str = "udp"
    mode: str = "sync"
    settle: float = 40.0
    timers: Timers = SHORT


@dataclass(slots=True)
class Seen:
    """What came of it; ``memory`` holds the resident bytes of each second of the load."""

    soak: Soak
    in_time: bool = True
    seconds: float = 0.0
    memory: list[int] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    held_by_api: int = 0
    api: dict[str, Any] = field(default_factory=dict)
    open_files: tuple[int, int] = (0, 0)
    errors: list[str] = field(default_factory=list)
    exit_code: int = 0
    cpu_seconds: float = 0.0


async def run(wanted: Wanted, directory: Path) -> Seen:
    """Run it; what the program writes stays in ``directory``."""
    with ExitStack() as children:
        api = Api(directory)
        children.callback(api.stop)
        api.wait_ready()
        upstream = free_port()
        settings = SoakSettings(
            api.url,
            upstream,
            upstream_transport=wanted.upstream,
            mode=wanted.mode,
            deadline=DEADLINE,
            log_level="warning",
            timers=wanted.timers,
        )
        program = MonitoredProgram(settings, directory, python=wanted.python)
        children.callback(program.stop)
        program.wait_ready()
        soak = Soak(wanted.seed, wanted.timers, ("127.0.0.1", program.port), upstream, wanted.loss)
        seen = Seen(soak)
        files = program.open_files
        await soak.open()
        await _load(wanted, program, seen)
        await _settle(wanted, program, api, seen)
        api.stop()  # and with it the connections that the program keeps open
        await asyncio.sleep(0.5)
        seen.open_files = files, program.open_files
        seen.exit_code = program.stop()
        seen.errors = program.errors()
    return seen


async def _load(wanted: Wanted, program: MonitoredProgram, seen: Seen) -> None:
    began = time.monotonic()
    watching = asyncio.create_task(_watch(program, seen, began))
    try:
        seen.in_time = await seen.soak.place(wanted.calls, wanted.seconds, wanted.rate)
    finally:
        watching.cancel()
    seen.seconds = time.monotonic() - began
    seen.cpu_seconds = cpu_seconds(program.pid)


async def _watch(program: MonitoredProgram, seen: Seen, began: float) -> None:
    """Note the memory each second, and say how far it is now and then."""
    soak, told, placed = seen.soak, 0.0, 0
    while True:
        await asyncio.sleep(1)
        seen.memory.append(program.resident)
        now = time.monotonic() - began
        if now - told >= _EVERY:
            print(  # noqa: T201  a program's output
                f"{now:5.0f} s  {soak.placed} calls, {(soak.placed - placed) / (now - told):.0f}/s,"
                f" {soak.alive} alive, {seen.memory[-1] / 2**20:.1f} MiB,"
                f" {len(soak.strange)} unexplained",
                flush=True,
            )
            told, placed = now, soak.placed


async def _settle(wanted: Wanted, program: MonitoredProgram, api: Api, seen: Seen) -> None:
    """Wait until nothing goes on, and take the last figures."""
    await seen.soak.drain()
    until = time.monotonic() + wanted.settle
    while True:
        seen.figures = await asyncio.to_thread(program.figures)
        seen.gauges = gauges(seen.figures)
        seen.api = await asyncio.to_thread(api.stats)
        seen.held_by_api = seen.api["active"]
        if not (any(seen.gauges.values()) or seen.held_by_api) or time.monotonic() > until:
            break
        await asyncio.sleep(0.2)
    seen.soak.close()
