"""What is to be reached on two shared cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measurement import Measured


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure against its target; ``what`` is a column's name."""

    what: str
    value: float
    at_most: float

    @property
    def met(self) -> bool:
        """A figure that equals its target meets it."""
        return self.value <= self.at_most


def verdicts(point: Measured) -> Iterator[Verdict]:
    """Yield what the point is held to; many points are held to nothing but "no failure"."""
    yield Verdict("failed", point.failed, 0)
    if point.claim:
        yield Verdict("asked", point.asked, 0)
    if point.rate == 200:
        yield Verdict("cpu", point.cpu_per_call, 0.9)
        yield Verdict("p50", point.added.p50, 1.2)
        yield Verdict("p99", point.added.p99, 5.0)
    if point.rate == 1000:
        yield Verdict("p99", point.added.p99, 25.0)
