"""What callers got in overload: the figures of a capture, as a table and as charts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from rich.table import Table

from bench.chart import Chart, Line
from bench.latency import Percentiles, percentiles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.pcap import Datagram

_FIRST = 1e-6  # seconds: the time of the first INVITE, since 0 means none
_CALL_ID = re.compile(rb"\r\nCall-ID: ([^\r]+)")


CAPTION = """\
rates in calls per second, times in ms from the INVITE
answered: a 200 within 2 s · late: neither that nor a 503"""
PATIENCE = 2.0
"""Seconds from the INVITE in which a call must be answered to count as such."""


@dataclass(slots=True)
class Attempt:
    """One call as its caller saw it: times of messages in seconds, 0 if there was none."""

    invite: float = 0.0
    ringing: float = 0.0
    answered: float = 0.0
    refused: float = 0.0
    repeats: int = 0

    @property
    def is_answered(self) -> bool:
        """True if a 200 came in time."""
        return bool(self.answered) and self.answered - self.invite <= PATIENCE

    def record(self, datagram: Datagram, proxy_port: int) -> None:
        """Record an INVITE, a 180, a 200 or a 503; the first of each counts."""
        if datagram.destination == proxy_port:
            self.repeats += bool(self.invite)
            self.invite = self.invite or datagram.time
        elif datagram.data.startswith(b"SIP/2.0 180"):
            self.ringing = self.ringing or datagram.time
        elif datagram.data.startswith(b"SIP/2.0 503"):
            self.refused = self.refused or datagram.time
        else:  # the first 200 is that of the INVITE, the second that of the BYE
            self.answered = self.answered or datagram.time


@dataclass(frozen=True, slots=True)
class Period:
    """The calls whose INVITEs came within ``seconds`` from ``start``; latencies in ms."""

    start: float
    seconds: float
    offered: int
    answered: int
    refused: int
    repeats: int
    ringing: Percentiles
    refusal: Percentiles

    @property
    def failed(self) -> int:
        """The calls that got no 503, and no 200 in time."""
        return self.offered - self.answered - self.refused


def attempts(datagrams: Iterable[Datagram], proxy_port: int) -> list[Attempt]:
    """Return the calls of a capture in the order of their INVITEs; times begin with the first."""
    found: dict[bytes, Attempt] = {}
    start: float | None = None
    for datagram in datagrams:
        if call_id := _CALL_ID.search(datagram.data):
            start = datagram.time - _FIRST if start is None else start
            shifted = datagram._replace(time=datagram.time - start)
            found.setdefault(call_id[1], Attempt()).record(shifted, proxy_port)
    return [each for each in found.values() if each.invite]


def period(calls: Iterable[Attempt], start: float, seconds: float) -> Period:
    """Return the figures of the calls whose INVITEs came from ``start`` on."""
    mine = [each for each in calls if start <= each.invite < start + seconds]
    return Period(
        start,
        seconds,
        offered=len(mine),
        answered=sum(each.is_answered for each in mine),
        refused=sum(bool(each.refused) and not each.is_answered for each in mine),
        repeats=sum(each.repeats for each in mine),
        ringing=percentiles([1000 * (a.ringing - a.invite) for a in mine if a.ringing]),
        refusal=percentiles([1000 * (a.refused - a.invite) for a in mine if a.refused]),
    )


def table(periods: Iterable[Period]) -> Table:
    """Return the figures, one row per period."""
    shown = Table("s", caption=CAPTION)
    for column in ("offered", "answered", "refused", "late", "repeats"):
        shown.add_column(column, justify="right")
    for column in ("180 p50", "180 p99", "503 p50", "503 p99"):
        shown.add_column(column, justify="right")
    for each in periods:
        rates = (each.offered, each.answered, each.refused, each.failed, each.repeats)
        times = (each.ringing.p50, each.ringing.p99, each.refusal.p50, each.refusal.p99)
        shown.add_row(
            f"{each.start:.0f}",
            *(f"{figure / each.seconds:.0f}" for figure in rates),
            *(f"{time:.0f}" if isfinite(time) else "-" for time in times),
        )
    return shown


def charts(periods: list[Period], capacity: float) -> list[Chart]:
    """Return the charts of rates and of latencies."""
    at = [each.start + each.seconds / 2 for each in periods]

    def rates(name: str) -> list[float]:
        return [getattr(each, name) / each.seconds for each in periods]

    return [
        Chart(
            "calls per second",
            [
                Line("offered", at, rates("offered")),
                Line("answered", at, rates("answered")),
                Line("refused (503)", at, rates("refused")),
                Line("late or never", at, rates("failed")),
                Line("capacity", [at[0], at[-1]], [capacity, capacity], dashed=True),
            ],
        ),
        Chart(
            "INVITE to 180 in ms",
            [
                Line("p50", at, [each.ringing.p50 for each in periods]),
                Line("p99", at, [each.ringing.p99 for each in periods]),
                Line("200 ms", [at[0], at[-1]], [200.0, 200.0], dashed=True),
            ],
        ),
    ]
