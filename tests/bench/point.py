"""One point of the benchmark: a rate of calls and a delay of the API."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.latency import (
    Percentiles,
    invite_through,
    invite_to_ringing,
    percentiles,
    ringing_through,
)
from tests.bench.load import Load, Pair
from tests.bench.process import cpu_seconds, peak_memory
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import Edge, Program


@dataclass(frozen=True, slots=True)
class Measured:
    """What a point gave; times are in milliseconds, memory is in MiB.

    ``added`` is INVITE to 180 as the caller saw it, less ``held`` and less ``direct``, the median
    without the program.  ``held`` is how long the API really held a request, on average: its timer
    is a little late on the ``delay`` that it was told.  ``invite_through`` is less ``held`` too.
    """

    rate: int
    delay: float
    seconds: float
    calls: int
    failed: int
    retransmissions: int
    held: float
    direct: float
    added: Percentiles
    invite_through: Percentiles
    ringing_through: Percentiles
    cpu_per_call: float
    peak_memory: float
    packets_dropped: int
    load_average: float

    def __str__(self) -> str:
        return (
            f"{self.failed} failed, {self.cpu_per_call:.2f} ms of CPU a call, "
            f"added p50 {self.added.p50:.2f} ms, p99 {self.added.p99:.2f} ms"
        )

    @property
    def added_to_nominal(self) -> Percentiles:
        """``added``, with the API's delay taken as it was told."""
        return self.added.less(self.delay - self.held)


def measure_direct(load: Load) -> float:
    """Return the median from INVITE to 180 between the two SIPps alone, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = Pair(load, Path(directory), free_port()).play()
    return percentiles(invite_to_ringing(outcome.calls)).p50


def measure(load: Load, delay: float, direct: float, python: str) -> Measured:
    """Run one load through a fresh program and a fresh API that stages in ``delay`` ms."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as children:
        directory = Path(name)
        api = FakeApiProcess(directory, delay=delay / 1000)
        children.callback(api.stop)
        api.wait_ready()
        upstream = free_port()
        edge = Edge(api.url, upstream_port=upstream, log_level="info")
        program = Program(edge, directory, python=python)
        children.callback(program.stop)
        program.wait_ready()
        before = cpu_seconds(program.pid)
        outcome = Pair(load, directory, upstream, program.port).play()
        held = api.mean_held() * 1000
        return Measured(
            rate=load.rate,
            delay=delay,
            seconds=load.seconds,
            calls=load.calls,
            failed=outcome.failed,
            retransmissions=outcome.retransmissions,
            held=held,
            direct=direct,
            added=percentiles(invite_to_ringing(outcome.calls)).less(held + direct),
            invite_through=percentiles(invite_through(outcome.calls)).less(held),
            ringing_through=percentiles(ringing_through(outcome.calls)),
            cpu_per_call=1000 * (cpu_seconds(program.pid) - before) / load.calls,
            peak_memory=peak_memory(program.pid),
            packets_dropped=outcome.packets_dropped,
            load_average=os.getloadavg()[0],
        )
