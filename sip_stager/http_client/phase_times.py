"""Where the time of a request goes."""

from __future__ import annotations

from time import perf_counter

Phases = dict[str, float]
"""Seconds by phase; only the phases that a request went through are there."""


class PhaseTimer:
    """A context that adds the seconds spent in it to a phase, also when it is cancelled."""

    __slots__ = ("_began", "_phase", "_phases")

    def __init__(self, phases: Phases, phase: str) -> None:
        self._phases, self._phase = phases, phase

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = perf_counter() - self._began
        self._phases[self._phase] = self._phases.get(self._phase, 0.0) + spent
