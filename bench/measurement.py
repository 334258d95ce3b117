"""One measurement of the benchmark: a rate of calls and a delay of the API."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import uvloop

from bench.call_rate import place_calls
from bench.kamailio.server import Kamailio, api_workers, version
from bench.latency import (
    Percentiles,
    invite_through,
    invite_to_ringing,
    percentiles,
    ringing_through,
)
from bench.load import CALLER, Load, run_load
from bench.process import cpu_seconds, peak_memory, raise_priority
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER, Program, ProgramSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.demo.caller import Caller, CallReport

_CANCEL_AFTER = 0.02  # seconds; the API must be slower


class Proxy(Protocol):
    """The program under test: processes of one group that listen on a UDP port."""

    @property
    def pid(self) -> int: ...

    @property
    def port(self) -> int: ...

    def wait_ready(self) -> None: ...

    def stop(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one load; times are in milliseconds, memory is in MiB.

    - ``held``: how long the API held a request on average.  Its timer fires a little later than
      ``delay``.
    - ``direct``: the median from INVITE to 180 without the program.
    - ``added``: INVITE to 180 as the caller saw it, minus ``held`` and ``direct``; NaN if no call
      rang.
    - ``invite_through``, ``ringing_through``: the time of an INVITE (minus ``held``) and of a 180
      through the program.
    - ``stage_requests``: requests to stage a call; 0 if the calls ``claim`` earlier ones.
    - ``api_cpu``: CPU of the fake API per request, a measure of the machine's speed at the moment.
    - ``kamailio``: the same load through Kamailio, right after.
    """

    name: str
    rate: int
    delay: float
    seconds: float
    calls: int
    failed: int
    stage_requests: int
    retransmissions: int
    held: float
    direct: float
    added: Percentiles
    invite_through: Percentiles
    ringing_through: Percentiles
    cpu_per_call: float
    api_cpu: float
    peak_memory: float
    packets_dropped: int
    load_average: float
    claim: bool = False
    kamailio: Measurement | None = None

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.failed} of {self.calls} failed, "
            f"{self.cpu_per_call:.2f} ms of CPU per call, "
            f"added p50 {self.added.p50:.2f} ms, p99 {self.added.p99:.2f} ms, "
            f"API {self.api_cpu:.2f} ms of CPU per request"
        )

    @property
    def added_to_nominal(self) -> Percentiles:
        """``added``, computed with the nominal delay of the API instead of the real one."""
        return self.added.minus(self.delay - self.held) if self.stage_requests else self.added


def measure_direct(load: Load) -> float:
    """Return the median from INVITE to 180 between two SIPp processes alone, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = run_load(load, Path(directory), free_port())
    return percentiles(invite_to_ringing(outcome.calls)).p50


def measure(load: Load, delay: float, direct: float, python: str) -> Measurement:
    """Run a load through a new program and a new API that stages in ``delay`` ms."""
    return _measure("sip-stager", load, delay, direct, _program(python))


def measure_claims(load: Load, delay: float, direct: float, python: str) -> Measurement:
    """Run a load of redials: each caller has called before and hung up while it was staged."""

    async def hang_up(caller: Caller, ordinal: int) -> CallReport:
        return await caller.call(NUMBER, cancel_after=_CANCEL_AFTER, caller=CALLER % ordinal)

    def place_first_calls(port: int) -> None:
        uvloop.run(place_calls(port, load.rate, load.calls, hang_up))

    start = _program(python, after_hangup="keep")
    measured = _measure("sip-stager, claims", load, delay, direct, start, place_first_calls)
    return replace(measured, claim=True)


def _program(python: str, **api: object) -> Callable[[str, int, Path], Proxy]:
    def start(api_url: str, upstream: int, directory: Path) -> Proxy:
        settings = ProgramSettings(api_url, upstream_port=upstream, log_level="info", api=api)
        return Program(settings, directory, python=python)

    return start


def measure_kamailio(load: Load, delay: float, direct: float, kamailio: str) -> Measurement:
    """Run a load through Kamailio."""

    def start(api_url: str, upstream: int, directory: Path) -> Proxy:
        return Kamailio(kamailio, api_url, upstream, directory, api_workers(load, delay))

    return _measure(version(kamailio), load, delay, direct, start)


def _measure(
    name: str,
    load: Load,
    delay: float,
    direct: float,
    start: Callable[[str, int, Path], Proxy],
    before: Callable[[int], None] | None = None,
) -> Measurement:
    """Measure a proxy; ``before`` gets its port first, and what it does does not count."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as children:
        directory = Path(temporary)
        api = FakeApiProcess(directory, delay=delay / 1000)
        children.callback(api.stop)
        api.wait_ready()
        upstream = free_port()
        proxy = start(api.url, upstream, directory)
        children.callback(proxy.stop)
        proxy.wait_ready()
        raise_priority(proxy.pid)
        if before:
            before(proxy.port)
            api.wait_stats(active=0)  # calls of ``before`` must not be billed to the load
        since = _spent(proxy, api)
        outcome = run_load(load, directory, upstream, proxy.port)
        cpu, api_cpu, requests = (
            now - then for now, then in zip(_spent(proxy, api), since, strict=True)
        )
        held = api.mean_held() * 1000 if requests else 0.0
        return Measurement(
            name=name,
            rate=load.rate,
            delay=delay,
            seconds=load.seconds,
            calls=load.calls,
            failed=outcome.failed,
            stage_requests=round(requests),
            retransmissions=outcome.retransmissions,
            held=held,
            direct=direct,
            added=percentiles(invite_to_ringing(outcome.calls)).minus(held + direct),
            invite_through=percentiles(invite_through(outcome.calls)).minus(held),
            ringing_through=percentiles(ringing_through(outcome.calls)),
            cpu_per_call=1000 * cpu / load.calls,
            api_cpu=1000 * api_cpu / requests if requests else nan,
            peak_memory=peak_memory(proxy.pid),
            packets_dropped=outcome.packets_dropped,
            load_average=os.getloadavg()[0],
        )


def _spent(proxy: Proxy, api: FakeApiProcess) -> tuple[float, float, float]:
    """Return the CPU seconds of both, and the number of staging requests."""
    return cpu_seconds(proxy.pid), cpu_seconds(api.pid), api.stats()["stage_requests"]
