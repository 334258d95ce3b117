"""Redials reuse staged calls: they cause no request to the API."""

from __future__ import annotations

import sys

import pytest

from bench.load import Load
from bench.measurement import measure_claims
from bench.targets import check_targets
from tests.interop.sipp import MISSING, SIPP
from tests.support.needed import need, need_capture


@pytest.mark.interop
def test_each_redial_rings_without_a_staging_request() -> None:
    need(SIPP, MISSING)
    need_capture()
    point = measure_claims(Load(50, 0.2), 500.0, 0.0, sys.executable)
    assert (point.calls, point.failed, point.stage_requests, point.held) == (10, 0, 0, 0.0)
    assert {verdict.column for verdict in check_targets(point) if verdict.met} >= {
        "failed",
        "staged",
    }
