"""The table and the JSON file of the benchmark."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from bench.interpreter import Interpreter
from bench.latency import Percentiles
from bench.measurement import Measurement
from bench.report import Ratios, Report, ratios

if TYPE_CHECKING:
    from pathlib import Path

_NONE = Percentiles(nan, nan, nan)
_OURS = Measurement(
    name="sip-stager",
    rate=200,
    delay=150.0,
    seconds=5.0,
    calls=1000,
    failed=0,
    stage_requests=1000,
    retransmissions=0,
    held=150.5,
    direct=0.1,
    added=Percentiles(1.5, 2.0, 6.0),
    invite_through=Percentiles(1.0, 1.5, 2.0),
    ringing_through=Percentiles(0.1, 0.2, 0.3),
    cpu_per_call=2.0,
    api_cpu=0.37,
    peak_memory=60.0,
    packets_dropped=0,
    load_average=0.5,
)
_KAMAILIO = replace(
    _OURS, name="Kamailio 5.6.3", cpu_per_call=0.5, added=Percentiles(1.0, 1.5, 12.0)
)
_SILENT = replace(
    _OURS, failed=1000, added=_NONE, invite_through=_NONE, ringing_through=_NONE, direct=nan
)


def report(point: Measurement) -> Report:
    """Return a report with one measurement."""
    return Report(Interpreter("3.11.2", "python3", "GCC", True, ""), {}, [point])


def printed(point: Measurement) -> str:
    """Return the table as a wide terminal shows it."""
    console = Console(file=StringIO(), width=300)
    console.print(report(point).table())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def written(point: Measurement, directory: Path) -> dict[str, Any]:
    """Return the only measurement in the JSON file."""
    path = directory / "a.json"
    report(point).write(path)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    shown: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)["points"][0]
    return shown


def test_ratios_are_our_figures_divided_by_kamailios() -> None:
    assert ratios(_OURS, _KAMAILIO) == Ratios(cpu_per_call=4.0, added_p50=1.5, added_p99=0.5)


@pytest.mark.parametrize("theirs", [0.0, -0.1, nan])
def test_a_ratio_to_a_figure_not_above_zero_is_not_a_number(theirs: float) -> None:
    assert isnan(ratios(_OURS, replace(_KAMAILIO, cpu_per_call=theirs)).cpu_per_call)


def test_kamailio_has_its_own_row_below_ours() -> None:
    ours, kamailio = (
        line for line in printed(replace(_OURS, kamailio=_KAMAILIO)).splitlines() if " 200 " in line
    )
    assert "sip-stager" in ours
    assert "0.37" in ours
    for cell in ("Kamailio 5.6.3", "0.50 (ours 4.0x)", "1.00 (ours 1.5x)", "12.00 (ours 0.5x)"):
        assert cell in kamailio


def test_the_file_has_both_figures_and_their_ratios(tmp_path: Path) -> None:
    shown = written(replace(_OURS, kamailio=_KAMAILIO), tmp_path)
    assert shown["ratios"] == {"cpu_per_call": 4.0, "added_p50": 1.5, "added_p99": 0.5}
    assert shown["kamailio"]["cpu_per_call"] == 0.5
    assert "ratios" not in written(_OURS, tmp_path)


def test_a_load_in_which_no_call_rang_has_failures_and_no_times(tmp_path: Path) -> None:
    assert "1000 (≤0 FAIL)" in printed(_SILENT)
    shown = written(_SILENT, tmp_path)
    assert shown["added"] == {"p50": None, "p95": None, "p99": None}
    assert not any(
        each["met"] for each in shown["check_targets"] if each["column"] in {"failed", "p99"}
    )
