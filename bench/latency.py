"""Latencies of calls, computed from a packet capture."""

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
    """When the messages of one call were first captured, in seconds; 0 if they never were."""

    invite_in: float = 0.0
    invite_out: float = 0.0
    ringing_in: float = 0.0
    ringing_out: float = 0.0

    def record(self, datagram: Datagram, proxy_port: int) -> None:
        """Record the time of an INVITE or a 180; ignore retransmissions."""
        direction = "in" if datagram.destination == proxy_port else "out"
        message = "invite" if datagram.data.startswith(b"INVITE") else "ringing"
        name = f"{message}_{direction}"
        setattr(self, name, getattr(self, name) or datagram.time)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a duration, in milliseconds."""

    p50: float
    p95: float
    p99: float

    def minus(self, milliseconds: float) -> Percentiles:
        """Return the percentiles with a constant subtracted."""
        return Percentiles(
            self.p50 - milliseconds, self.p95 - milliseconds, self.p99 - milliseconds
        )


def call_times(capture: Path, proxy_port: int) -> list[Times]:
    """Return the times of each call in a capture, as seen by the proxy on ``proxy_port``."""
    calls: dict[bytes, Times] = {}
    for datagram in read_datagrams(capture):
        if call_id := _CALL_ID.search(datagram.data):
            calls.setdefault(call_id[1], Times()).record(datagram, proxy_port)
    return list(calls.values())


def invite_to_ringing(calls: Iterable[Times]) -> list[float]:
    """Return the time from INVITE to 180 that each caller saw, in milliseconds."""
    return [
        1000 * (call.ringing_out - call.invite_in)
        for call in calls
        if call.invite_in and call.ringing_out
    ]


def invite_through(calls: Iterable[Times]) -> list[float]:
    """Return the time that each INVITE took through the proxy, in milliseconds."""
    return [
        1000 * (call.invite_out - call.invite_in)
        for call in calls
        if call.invite_in and call.invite_out
    ]


def ringing_through(calls: Iterable[Times]) -> list[float]:
    """Return the time that each 180 took through the proxy, in milliseconds."""
    return [
        1000 * (call.ringing_out - call.ringing_in)
        for call in calls
        if call.ringing_in and call.ringing_out
    ]


def percentiles(milliseconds: list[float]) -> Percentiles:
    """Return the nearest-rank percentiles; NaN if there is no value."""
    if not milliseconds:
        return Percentiles(nan, nan, nan)
    ordered = sorted(milliseconds)
    last = len(ordered) - 1
    return Percentiles(
        ordered[round(0.5 * last)], ordered[round(0.95 * last)], ordered[round(0.99 * last)]
    )
