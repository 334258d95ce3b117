"""One run: start all processes, place the calls, watch the program, and wait until it is idle."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.process import cpu_seconds
from soak.call_leg import SHORT, Timers
from soak.call_plan import DEADLINE
from soak.program import MonitoredProgram, SoakApi, SoakSettings, gauges
from soak.traffic import Traffic
from tests.interop.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

_PROGRESS_INTERVAL = 10.0  # seconds between two lines of progress


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters of a run; ``rate`` is the maximum of calls per second, ``loss`` a fraction.

    ``settle`` is how many seconds after the last call all gauges must be zero: timer D lasts 32 s
    at least, whatever T1 is (RFC 3261 17.1.1.2).
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
class Observations:
    """The observations of a run; ``memory`` has the resident bytes of each second of the load."""

    traffic: Traffic
    in_time: bool = True
    seconds: float = 0.0
    memory: list[int] = field(default_factory=list)
    samples: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    active_api_requests: int = 0
    api: dict[str, Any] = field(default_factory=dict)
    open_files: tuple[int, int] = (0, 0)
    errors: list[str] = field(default_factory=list)
    exit_code: int = 0
    cpu_seconds: float = 0.0


async def run_soak(options: Options, directory: Path) -> Observations:
    """Run the soak; the program writes its files into ``directory``."""
    with ExitStack() as children:
        api = SoakApi(directory)
        children.callback(api.stop)
        api.wait_ready()
        upstream = free_port()
        settings = SoakSettings(
            api.url,
            upstream,
            upstream_transport=options.upstream,
            mode=options.mode,
            deadline=DEADLINE,
            log_level="warning",
            timers=options.timers,
        )
        program = MonitoredProgram(settings, directory, python=options.python)
        children.callback(program.stop)
        program.wait_ready()
        address = ("127.0.0.1", program.port)
        traffic = Traffic(options.seed, options.timers, address, upstream, options.loss)
        observed = Observations(traffic)
        files = program.open_files
        await traffic.open()
        await _load(options, program, observed)
        await _settle(options, program, api, observed)
        api.stop()  # this closes the program's idle connections, which would count as open files
        await asyncio.sleep(0.5)
        observed.open_files = files, program.open_files
        observed.exit_code = program.stop()
        observed.errors = program.error_lines()
    return observed


async def _load(options: Options, program: MonitoredProgram, observed: Observations) -> None:
    started = time.monotonic()
    watching = asyncio.create_task(_watch(program, observed, started))
    try:
        observed.in_time = await observed.traffic.place_calls(
            options.calls, options.seconds, options.rate
        )
    finally:
        watching.cancel()
    observed.seconds = time.monotonic() - started
    observed.cpu_seconds = cpu_seconds(program.pid)


async def _watch(program: MonitoredProgram, observed: Observations, started: float) -> None:
    """Record the memory each second, and print the progress from time to time."""
    traffic, printed, placed = observed.traffic, 0.0, 0
    while True:
        await asyncio.sleep(1)
        observed.memory.append(program.resident)
        now = time.monotonic() - started
        if now - printed >= _PROGRESS_INTERVAL:
            rate = (traffic.placed - placed) / (now - printed)
            print(  # noqa: T201  a program's output
                f"{now:5.0f} s  {traffic.placed} calls, {rate:.0f}/s,"
                f" {traffic.alive} alive, {observed.memory[-1] / 2**20:.1f} MiB,"
                f" {len(traffic.unexplained)} unexplained",
                flush=True,
            )
            printed, placed = now, traffic.placed


async def _settle(
    options: Options, program: MonitoredProgram, api: SoakApi, observed: Observations
) -> None:
    """Wait until the program is idle, and record its last samples."""
    await observed.traffic.drain()
    until = time.monotonic() + options.settle
    while True:
        # In threads: the sockets of the traffic must still be served.
        observed.samples = await asyncio.to_thread(program.samples)
        observed.gauges = gauges(observed.samples)
        observed.api = await asyncio.to_thread(api.stats)
        observed.active_api_requests = observed.api["active"]
        idle = not any(observed.gauges.values()) and not observed.active_api_requests
        if idle or time.monotonic() > until:
            break
        await asyncio.sleep(0.2)
    observed.traffic.close()
