"""Calls whose callers have hung up before: they cost the API nothing."""

from __future__ import annotations

import sys

import pytest

from bench.load import Load
from bench.measurement import measure_claims
from bench.targets import verdicts
from tests.interop.sipp import MISSING, SIPP
from tests.support.needed import need, need_capture


@pytest.mark.interop
def test_each_call_rings_and_nothing_is_staged_again() -> None:
    need(SIPP, MISSING)
    need_capture()
    point = measure_claims(Load(50, 0.2), 500.0, 0.0, sys.executable)
    assert (point.calls, point.failed, point.asked, point.held) == (10, 0, 0, 0.0)
    assert {verdict.what for verdict in verdicts(point) if verdict.met} >= {"failed", "asked"}
