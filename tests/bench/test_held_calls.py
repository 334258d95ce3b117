"""Calls held in staging, beside others; the figures are for a machine that does nothing else."""

from __future__ import annotations

import pytest
import typer

from bench.held_calls import Mode, Wanted, check_open_files, measure
from tests.interop.sipp import MISSING, SIPP
from tests.support.needed import need, need_capture

FEW = Wanted(calls=10, rate=100, delay=2.1, others=10, ringing_delay=0.3)


@pytest.mark.interop
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_each_held_call_rings_and_is_answered_and_so_are_the_others(mode: Mode) -> None:
    need(SIPP, MISSING)
    need_capture()
    figures = measure(FEW, mode)
    assert figures.calls == figures.rung == 10
    assert figures.failed == figures.alone.failed == figures.meanwhile.failed == 0
    assert figures.alone.calls == figures.meanwhile.calls == 5


def test_who_may_open_too_few_files_is_told_what_to_do() -> None:
    with pytest.raises(typer.BadParameter, match=r"ulimit -Hn.*raise that as root, or hold fewer"):
        check_open_files(10**9)
