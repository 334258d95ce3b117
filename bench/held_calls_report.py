"""The parameters and results of ``bench.held_calls``, and their table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from bench.latency import Percentiles
from bench.load import Load

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
    - ``kib_per_call``, ``files_per_call``: memory and open files of one held call.
    - ``connections``: connections that the API accepted.
    - ``worst_lag``: of the event loop, in ms.
    """

    mode: Mode
    calls: int
    held: int
    failed: int
    rung: int
    ringing_late: Percentiles
    kib_per_call: float
    files_per_call: float
    connections: int
    alone: Others
    loaded: Others
    worst_lag: float

    @property
    def ratios(self) -> tuple[float, float]:
        """The p50 and p99 of the other calls, divided by those of the same load alone."""
        alone, loaded = self.alone.ringing, self.loaded.ringing
        return loaded.p50 / alone.p50, loaded.p99 / alone.p99


def results_table(runs: list[Figures], parameters: Parameters) -> Table:
    """Return a table with a row per run."""
    columns = "mode", "held", "failed", "rung", "ringing late", "KiB per call", "files per call"
    table = Table(
        *columns, "connections", "worst lag", "others p50", "others p99", "CPU", "API CPU"
    )
    table.title = (
        f"{parameters.calls} calls held for {parameters.delay:g} s, "
        f"and {parameters.others} other calls per second at the same time"
    )
    table.caption = (
        "times in ms; ringing late: 99th percentile · others: INVITE to 180 of the other calls, "
        "alone > while calls are held · CPU of the program and of the fake API for the same calls"
    )
    for run in runs:
        table.add_row(*_row(run))
    return table


def _row(run: Figures) -> list[str]:
    alone, loaded = run.alone, run.loaded
    p50, p99 = run.ratios
    return [
        run.mode,
        f"{run.held} of {run.calls}",
        f"{run.failed}, others {alone.failed + loaded.failed}",
        str(run.rung),
        f"{run.ringing_late.p99:.1f}",
        f"{run.kib_per_call:.1f}",
        f"{run.files_per_call:.2f}",
        str(run.connections),
        f"{run.worst_lag:.1f}",
        f"{alone.ringing.p50:.2f} > {loaded.ringing.p50:.2f} ({p50:.2f}x)",
        f"{alone.ringing.p99:.2f} > {loaded.ringing.p99:.2f} ({p99:.2f}x)",
        f"{alone.cpu_share:.0%} > {loaded.cpu_share:.0%}",
        f"{alone.api_cpu_share:.0%} > {loaded.api_cpu_share:.0%}",
    ]
