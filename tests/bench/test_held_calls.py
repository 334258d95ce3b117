"""A small run of the benchmark of held calls."""

from __future__ import annotations

import time

import pytest
import typer

from bench.held_calls import check_open_files, measure
from bench.held_calls_report import Mode, Parameters
from bench.probes import Answers, Prober
from tests.interop.ports import free_port
from tests.interop.sipp import MISSING, SIPP
from tests.support.needed import need, need_capture

FEW = Parameters(calls=10, rate=100, delay=2.1, others=10, ringing_delay=0.3)


@pytest.mark.interop
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_held_calls_and_other_calls_all_ring_and_are_answered(mode: Mode) -> None:
    need(SIPP, MISSING)
    need_capture()
    figures = measure(FEW, mode)
    assert figures.calls == figures.rung == 10
    assert figures.failed == figures.alone.failed == figures.loaded.failed == 0
    assert figures.alone.calls == figures.loaded.calls == 5
    for page in (figures.health, figures.metrics):
        assert page.probes > 0
        assert page.failed == 0
    assert (figures.polls > 0) == (mode == "async")


def test_too_low_a_limit_of_open_files_is_explained() -> None:
    with pytest.raises(typer.BadParameter, match=r"ulimit -Hn.*raise it as root, or hold fewer"):
        check_open_files(10**9)


def test_the_worst_answer_and_the_failures_of_probes_are_counted() -> None:
    answers = Answers()
    for elapsed in (0.002, 0.25, None, 0.004):
        answers = answers.plus(elapsed)
    assert str(answers) == "250 of 4, 1 failed"


def test_a_page_that_refuses_connections_is_a_failed_probe() -> None:
    prober = Prober(free_port(), "/healthz", 0.01)
    time.sleep(0.1)
    answers = prober.stop()
    assert answers.probes == answers.failed > 0
