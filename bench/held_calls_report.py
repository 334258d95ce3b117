"""The parameters and results of ``bench.held_calls``, and their table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from bench.latency import Percentiles
from bench.load import Load
from bench.probes import Answers

Mode = Literal["sync", "async"]

QUICK_NUMBER = "+33612345679"
"""The number for which the API needs no time."""
_GAP = 1.5  # seconds between the last held call, the other calls, and the first answer


@dataclass(frozen=True, slots=True)
class Parameters:
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
        """The other calls; they end before the first held call is staged."""
        return Load(self.others, self.delay - self.held.seconds - _GAP, number=QUICK_NUMBER)


@dataclass(frozen=True, slots=True)
class Others:
    """The other calls, which are staged at once.

    ``ringing`` is INVITE to 180 in ms; the shares are those of one core.  ``started`` is the first
    INVITE and ``ended`` the last 180, in seconds of the capture's clock.
    """

    calls: int
    failed: int
    ringing: Percentiles
    cpu_share: float
    api_cpu_share: float
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of one run.

    - ``held``: calls that were held for the whole time of the other calls.
    - ``rung``: calls that heard local ringing; ``ringing_late``: how late, in ms.
    - ``forwarded_late``: how long after its agent was ready a call went on, in ms.
    - ``kib_per_call``, ``files_per_call``: memory and open files of one held call.
    - ``connections``: connections that the API accepted.
    - ``worst_lag``: of the event loop, in ms.
    - ``polls``: requests for the status of a call, of all loads.
    - ``health``, ``metrics``: the answers of the two pages while calls were held.
    """

    mode: Mode
    calls: int
    held: int
    failed: int
    rung: int
    ringing_late: Percentiles
    forwarded_late: Percentiles
    kib_per_call: float
    files_per_call: float
    connections: int
    alone: Others
    loaded: Others
    worst_lag: float
    polls: int
    health: Answers
    metrics: Answers

    @property
    def ratios(self) -> tuple[float, float]:
        """The p50 and p99 of the other calls, divided by those of the same load alone."""
        alone, loaded = self.alone.ringing, self.loaded.ringing
        return loaded.p50 / alone.p50, loaded.p99 / alone.p99


def results_tables(runs: list[Figures], parameters: Parameters) -> tuple[Table, Table]:
    """Return a table of the held calls and one of what happens meanwhile, with a row per run."""
    held = Table("mode", "held", "failed", "rung", "ringing late", "forwarded late")
    for column in ("KiB per call", "files per call", "connections", "polls"):
        held.add_column(column)
    held.title = f"{parameters.calls} calls held for {parameters.delay:g} s"
    held.caption = (
        "times in ms; ringing late: 99th percentile · forwarded late: after the agent was ready, "
        "median and 99th percentile"
    )
    meanwhile = Table("mode", "failed", "others p50", "others p99", "CPU", "API CPU")
    for column in ("worst lag", "/healthz", "/metrics"):
        meanwhile.add_column(column)
    meanwhile.title = f"{parameters.others} other calls per second at the same time"
    meanwhile.caption = (
        "times in ms; others: INVITE to 180, alone > while calls are held · CPU of the program and "
        "of the fake API for these calls · /healthz, /metrics: the longest of so many answers"
    )
    for run in runs:
        held.add_row(*_held_row(run))
        meanwhile.add_row(*_meanwhile_row(run))
    return held, meanwhile


def _held_row(run: Figures) -> list[str]:
    return [
        run.mode,
        f"{run.held} of {run.calls}",
        str(run.failed),
        str(run.rung),
        f"{run.ringing_late.p99:.1f}",
        f"{run.forwarded_late.p50:.0f}, {run.forwarded_late.p99:.0f}",
        f"{run.kib_per_call:.1f}",
        f"{run.files_per_call:.2f}",
        str(run.connections),
        str(run.polls),
    ]


def _meanwhile_row(run: Figures) -> list[str]:
    alone, loaded = run.alone, run.loaded
    p50, p99 = run.ratios
    return [
        run.mode,
        str(alone.failed + loaded.failed),
        f"{alone.ringing.p50:.2f} > {loaded.ringing.p50:.2f} ({p50:.2f}x)",
        f"{alone.ringing.p99:.2f} > {loaded.ringing.p99:.2f} ({p99:.2f}x)",
        f"{alone.cpu_share:.0%} > {loaded.cpu_share:.0%}",
        f"{alone.api_cpu_share:.0%} > {loaded.api_cpu_share:.0%}",
        f"{run.worst_lag:.1f}",
        str(run.health),
        str(run.metrics),
    ]
