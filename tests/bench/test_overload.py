"""The figures and charts of overload, and the rate of a ramp."""

from __future__ import annotations

from io import StringIO
from math import nan
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from bench.chart import Chart, Line, write_charts
from bench.overload import ramp
from bench.overload_report import Attempt, attempts, charts, period, table
from bench.pcap import Datagram

if TYPE_CHECKING:
    from pathlib import Path

PROXY, CALLER = 5060, 5070


def message(start_line: str, call: int, at: float) -> Datagram:
    """Return a datagram to the proxy, or of a response to the caller."""
    to_caller = start_line.startswith("SIP/2.0")
    ends = (PROXY, CALLER) if to_caller else (CALLER, PROXY)
    return Datagram(100 + at, *ends, f"{start_line}\r\nVia: x\r\nCall-ID: {call}\r\n".encode())


CAPTURE = [
    message("INVITE sip:a SIP/2.0", 1, 0.0),
    message("SIP/2.0 180 Ringing", 1, 0.01),
    message("SIP/2.0 180 Ringing", 1, 0.5),
    message("SIP/2.0 200 OK", 1, 0.02),
    message("INVITE sip:a SIP/2.0", 2, 0.2),
    message("INVITE sip:a SIP/2.0", 2, 0.7),
    message("SIP/2.0 503 Service Unavailable", 2, 0.702),
    message("INVITE sip:a SIP/2.0", 3, 0.3),
    message("INVITE sip:a SIP/2.0", 4, 1.2),
    Datagram(102.0, CALLER, PROXY, b"INVITE last"),
]


def test_each_call_counts_for_the_second_of_its_invite() -> None:
    calls = attempts(CAPTURE, PROXY)
    first, second = period(calls, 0, 1), period(calls, 1, 1)
    assert (first.offered, first.answered, first.refused, first.failed) == (3, 1, 1, 1)
    assert (second.offered, second.answered, second.refused, second.failed) == (1, 0, 0, 1)
    assert first.repeats == 1
    assert first.ringing.p99 == pytest.approx(10)
    assert first.refusal.p50 == pytest.approx(502)


def test_a_call_that_was_refused_and_answered_is_answered() -> None:
    """It may be a repeat of a response that was on its way."""
    call = Attempt(invite=1.0, answered=1.5, refused=1.2)
    found = period([call], 0, 2)
    assert (found.answered, found.refused, found.failed) == (1, 0, 0)


def test_a_call_that_was_answered_late_is_not_answered() -> None:
    found = period([Attempt(invite=1.0, answered=3.1)], 0, 2)
    assert (found.answered, found.refused, found.failed) == (0, 0, 1)


def test_a_ramp_rises_to_its_peak_and_falls() -> None:
    rate = ramp(100, 2.0, 60)
    assert [rate(at) for at in (0, 30, 60)] == [50, 200, 50]
    assert rate(15) == rate(45) == 125


def test_the_table_has_a_row_for_each_period() -> None:
    calls = attempts(CAPTURE, PROXY)
    console = Console(width=120, record=True, file=StringIO())
    console.print(table([period(calls, 0, 1), period(calls, 1, 1)]))
    rows = [line for line in console.export_text().splitlines() if line.startswith("│")]
    assert len(rows) == 2
    assert "502" in rows[0]
    assert "-" in rows[1]


def test_the_charts_are_one_svg(tmp_path: Path) -> None:
    calls = attempts(CAPTURE, PROXY)
    write_charts(tmp_path / "a.svg", charts([period(calls, at, 1) for at in (0, 1)], 2))
    root = ET.fromstring((tmp_path / "a.svg").read_text())
    words = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert {"offered", "answered", "capacity", "p99"} <= set(words)


def test_a_value_that_is_not_known_makes_a_gap(tmp_path: Path) -> None:
    line = Line("p50", [0, 1, 2, 3], [1.0, nan, 2.0, 3.0])
    write_charts(tmp_path / "a.svg", [Chart("ms", [line])])
    text = (tmp_path / "a.svg").read_text()
    (points,) = [part for part in text.split('"') if part.startswith("M") and "L" in part]
    assert points.count("M") == 2
    assert points.count("L") == 1
