"""The times of calls in a capture, and their percentiles."""

from __future__ import annotations

from math import isnan

from bench.latency import Percentiles, Times, percentiles
from bench.pcap import Datagram

CALLER, PROXY, CALLEE = 1, 2, 3
INVITE, RINGING = b"INVITE sip:a SIP/2.0\r\n", b"SIP/2.0 180 Ringing\r\n"


def test_the_first_message_of_each_kind_is_recorded_and_no_retransmission() -> None:
    times = Times()
    for at, source, destination, data in [
        (1.0, CALLER, PROXY, INVITE),
        (1.5, CALLER, PROXY, INVITE),
        (2.0, PROXY, CALLEE, INVITE),
        (3.0, CALLEE, PROXY, RINGING),
        (4.0, PROXY, CALLER, RINGING),
    ]:
        times.record(Datagram(at, source, destination, data), PROXY)
    assert times == Times(1.0, 2.0, 3.0, 4.0)


def test_percentiles_are_measured_values() -> None:
    assert percentiles([float(each) for each in range(101)]) == Percentiles(50, 95, 99)


def test_percentiles_of_no_calls_are_not_numbers() -> None:
    none = percentiles([]).minus(1.0)
    assert all(map(isnan, (none.p50, none.p95, none.p99)))
