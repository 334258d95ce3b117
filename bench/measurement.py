"""One point of the benchmark: a rate of calls and a delay of the API."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import uvloop

from bench.call_rate import place
from bench.kamailio.server import Kamailio, api_workers, version
from bench.latency import (
    Percentiles,
    invite_through,
    invite_to_ringing,
    percentiles,
    ringing_through,
)
from bench.load import CALLER, Load, play
from bench.process import cpu_seconds, peak_memory, put_ahead
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER, Edge, Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.demo.caller import Caller, CallReport

_HANGS_UP = 0.02  # seconds; the API must take longer


class Proxy(Protocol):
    """What is measured: processes of one group that listen on a UDP port."""

    @property
    def pid(self) -> int: ...

    @property
    def port(self) -> int: ...

    def wait_ready(self) -> None: ...

    def stop(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Measured:
    """What a point gave; times are in milliseconds, memory is in MiB.

    Where no call rang its times are not a number.  ``api_cpu`` is the CPU of the fake API for a
    request: how fast the machine is at that moment.  ``kamailio`` did the same, right after.
    ``added`` is INVITE to 180 as the caller saw it, less ``held`` and less ``direct``, the median
    without the program.  ``held`` is how long the API really held a request, on average: its timer
    is a little late on the ``delay`` that it was told.  ``invite_through`` is less ``held`` too.
    ``asked`` is how many requests to stage the API had for these calls: none where they ``claim``
    what was staged before.
    """

    name: str
    rate: int
    delay: float
    seconds: float
    calls: int
    failed: int
    asked: int
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
    kamailio: Measured | None = None

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.failed} of {self.calls} failed, "
            f"{self.cpu_per_call:.2f} ms of CPU a call, "
            f"added p50 {self.added.p50:.2f} ms, p99 {self.added.p99:.2f} ms, "
            f"API {self.api_cpu:.2f} ms of CPU a request"
        )

    @property
    def added_to_nominal(self) -> Percentiles:
        """``added``, with the API's delay taken as it was told, where it was asked."""
        return self.added.less(self.delay - self.held) if self.asked else self.added


def measure_direct(load: Load) -> float:
    """Return the median from INVITE to 180 between the two SIPps alone, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = play(load, Path(directory), free_port())
    return percentiles(invite_to_ringing(outcome.calls)).p50


def measure(load: Load, delay: float, direct: float, python: str) -> Measured:
    """Run one load through a fresh program and a fresh API that stages in ``delay`` ms."""

    return _measure("sip-stager", load, delay, direct, _program(python))


def measure_claims(load: Load, delay: float, direct: float, python: str) -> Measured:
    """Run one load whose callers all have called before, and hung up while they were staged."""

    async def hang_up(caller: Caller, ordinal: int) -> CallReport:
        return await caller.call(NUMBER, cancel_after=_HANGS_UP, caller=CALLER % ordinal)

    def leave(port: int) -> None:
        uvloop.run(place(port, load.rate, load.calls, hang_up))

    start = _program(python, after_hangup="keep")
    point = _measure("sip-stager, claims", load, delay, direct, start, leave)
    return replace(point, claim=True)


def _program(python: str, **api: object) -> Callable[[str, int, Path], Proxy]:
    def start(api_url: str, upstream: int, directory: Path) -> Proxy:
        edge = Edge(api_url, upstream_port=upstream, log_level="info", api=api)
        return Program(edge, directory, python=python)

    return start


def measure_kamailio(load: Load, delay: float, direct: float, kamailio: str) -> Measured:
    """Run the same load through Kamailio."""

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
) -> Measured:
    """Measure a proxy; what was done ``before``, to its port, does not count."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as children:
        directory = Path(temporary)
        api = FakeApiProcess(directory, delay=delay / 1000)
        children.callback(api.stop)
        api.wait_ready()
        upstream = free_port()
        proxy = start(api.url, upstream, directory)
        children.callback(proxy.stop)
        proxy.wait_ready()
        put_ahead(proxy.pid)
        if before:
            before(proxy.port)
            api.wait_stats(active=0)
        since = _spent(proxy, api)
        outcome = play(load, directory, upstream, proxy.port)
        cpu, api_cpu, asked = (
            now - then for now, then in zip(_spent(proxy, api), since, strict=True)
        )
        held = api.mean_held() * 1000 if asked else 0.0
        return Measured(
            name=name,
            rate=load.rate,
            delay=delay,
            seconds=load.seconds,
            calls=load.calls,
            failed=outcome.failed,
            asked=round(asked),
            retransmissions=outcome.retransmissions,
            held=held,
            direct=direct,
            added=percentiles(invite_to_ringing(outcome.calls)).less(held + direct),
            invite_through=percentiles(invite_through(outcome.calls)).less(held),
            ringing_through=percentiles(ringing_through(outcome.calls)),
            cpu_per_call=1000 * cpu / load.calls,
            api_cpu=1000 * api_cpu / asked if asked else nan,
            peak_memory=peak_memory(proxy.pid),
            packets_dropped=outcome.packets_dropped,
            load_average=os.getloadavg()[0],
        )


def _spent(proxy: Proxy, api: FakeApiProcess) -> tuple[float, float, float]:
    """Return the seconds of CPU of both, and how often the API was asked to stage a call."""
    return cpu_seconds(proxy.pid), cpu_seconds(api.pid), api.stats()["stage_requests"]
