"""The targets of the benchmark, for two shared cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure and its target; ``column`` is the name of its column."""

    column: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """True if the figure does not exceed its target."""
        return self.value <= self.limit


def check_targets(measurement: Measurement) -> Iterator[Verdict]:
    """Yield a verdict per target of a measurement; most only have the target of no failure."""
    yield Verdict("failed", measurement.failed, 0)
    if measurement.claim:
        yield Verdict("staged", measurement.stage_requests, 0)
    if measurement.rate == 200:
        yield Verdict("cpu", measurement.cpu_per_call, 0.9)
        yield Verdict("p50", measurement.added.p50, 1.2)
        yield Verdict("p99", measurement.added.p99, 5.0)
    if measurement.rate == 1000:
        yield Verdict("p99", measurement.added.p99, 25.0)
