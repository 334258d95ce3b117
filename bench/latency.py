"""How long the calls of a capture took, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

from bench.pcap import Datagram, read_datagrams

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CALL_ID = re.compile(rb"\r\nCall-ID: ([^\r]+)")


@dataclass(slots=True)
class Times:
    """When the messages of one call first passed the wire, in seconds; 0 when they did not."""

    invite_in: float = 0.0
    invite_out: float = 0.0
    ringing_in: float = 0.0
    ringing_out: float = 0.0

    def note(self, datagram: Datagram, edge: int) -> None:
        """Note the time of an INVITE or a 180; the first counts, and no repetition."""
        direction = "in" if datagram.destination == edge else "out"
        message = "invite" if datagram.data.startswith(b"INVITE") else "ringing"
        name = f"{message}_{direction}"
        setattr(self, name, getattr(self, name) or datagram.time)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a duration, in milliseconds."""

    p50: float
    p95: float
    p99: float

    def less(self, milliseconds: float) -> Percentiles:
        """Return them with a constant part taken away."""
        return Percentiles(
            self.p50 - milliseconds, self.p95 - milliseconds, self.p99 - milliseconds
        )


def call_times(capture: Path, edge: int) -> list[Times]:
    """Return the times of each call in a capture, seen from whoever has the port ``edge``."""
    calls: dict[bytes, Times] = {}
    for datagram in read_datagrams(capture):
        if call_id := _CALL_ID.search(datagram.data):
            calls.setdefault(call_id[1], Times()).note(datagram, edge)
    return list(calls.values())


def invite_to_ringing(calls: Iterable[Times]) -> list[float]:
    """Return what the caller saw of each call, in milliseconds."""
    return [
        1000 * (call.ringing_out - call.invite_in)
        for call in calls
        if call.invite_in and call.ringing_out
    ]


def invite_through(calls: Iterable[Times]) -> list[float]:
    """Return the time from INVITE in to INVITE out of each call, in milliseconds."""
    return [
        1000 * (call.invite_out - call.invite_in)
        for call in calls
        if call.invite_in and call.invite_out
    ]


def ringing_through(calls: Iterable[Times]) -> list[float]:
    """Return the time from 180 in to 180 out of each call, in milliseconds."""
    return [
        1000 * (call.ringing_out - call.ringing_in)
        for call in calls
        if call.ringing_in and call.ringing_out
    ]


def percentiles(milliseconds: list[float]) -> Percentiles:
    """Return the nearest-rank percentiles; without a figure they are not a number."""
    if not milliseconds:
        return Percentiles(nan, nan, nan)
    ordered = sorted(milliseconds)
    last = len(ordered) - 1
    return Percentiles(
        ordered[round(0.5 * last)], ordered[round(0.95 * last)], ordered[round(0.99 * last)]
    )
