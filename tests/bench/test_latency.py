"""From messages on the wire to the times of a call."""

from __future__ import annotations

from math import isnan

from bench.latency import Percentiles, Times, percentiles
from bench.pcap import Datagram

CALLER, EDGE, CALLEE = 1, 2, 3
INVITE, RINGING = b"INVITE sip:a SIP/2.0\r\n", b"SIP/2.0 180 Ringing\r\n"


def test_each_message_of_a_call_has_its_time_and_a_repetition_changes_none() -> None:
    times = Times()
    for at, source, destination, data in [
        (1.0, CALLER, EDGE, INVITE),
        (1.5, CALLER, EDGE, INVITE),
        (2.0, EDGE, CALLEE, INVITE),
        (3.0, CALLEE, EDGE, RINGING),
        (4.0, EDGE, CALLER, RINGING),
    ]:
        times.note(Datagram(at, source, destination, data), EDGE)
    assert times == Times(1.0, 2.0, 3.0, 4.0)


def test_percentiles_are_values_that_occurred() -> None:
    assert percentiles([float(each) for each in range(101)]) == Percentiles(50, 95, 99)


def test_without_a_call_that_rings_no_percentile_is_a_number() -> None:
    none = percentiles([]).less(1.0)
    assert all(map(isnan, (none.p50, none.p95, none.p99)))
