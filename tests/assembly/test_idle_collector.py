"""Cycles are collected while the program is idle, and at least hourly."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.idle_collector import CHECK_INTERVAL, MAX_INTERVAL, IdleCollector
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cycle:
    def __init__(self) -> None:
        self.itself = self


class Program:
    """A collector with a clock moved by hand; ``busy`` while calls are up."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.busy = True
        self.collector = IdleCollector(self.clock, lambda: not self.busy)


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    program.collector.start()
    yield program
    program.collector.stop()


def unreachable_cycle() -> weakref.ref[Cycle]:
    """Make a cycle that nothing refers to."""
    return weakref.ref(Cycle())


def test_a_cycle_is_collected_when_no_call_is_up(program: Program) -> None:
    cycle = unreachable_cycle()
    program.clock.advance(2 * CHECK_INTERVAL)
    assert cycle() is not None
    program.busy = False
    program.clock.advance(CHECK_INTERVAL)
    assert cycle() is None


def test_a_program_that_is_never_idle_collects_once_an_hour(program: Program) -> None:
    program.clock.advance(MAX_INTERVAL - CHECK_INTERVAL)
    cycle = unreachable_cycle()
    assert cycle() is not None
    program.clock.advance(CHECK_INTERVAL)
    assert cycle() is None


def test_stop_restores_pythons_defaults(program: Program) -> None:
    assert not gc.isenabled()
    program.collector.stop()
    assert gc.isenabled()
    assert program.clock.waiting == 0
    assert gc.get_freeze_count() == 0
