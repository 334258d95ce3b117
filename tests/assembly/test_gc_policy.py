"""Cycles are collected while the program is idle, and once an hour where it never is."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.gc_policy import AT_LEAST, INTERVAL, IdleCollector
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cycle:
    def __init__(self) -> None:
        self.itself = self


class Program:
    """A collector by a clock moved by hand, and whether calls are up."""

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


def lost() -> weakref.ref[Cycle]:
    """Make a cycle that nobody has any more."""
    return weakref.ref(Cycle())


def test_a_cycle_is_collected_when_no_call_is_up(program: Program) -> None:
    cycle = lost()
    program.clock.advance(2 * INTERVAL)
    assert cycle() is not None
    program.busy = False
    program.clock.advance(INTERVAL)
    assert cycle() is None


def test_a_program_that_is_never_idle_collects_once_an_hour(program: Program) -> None:
    program.clock.advance(AT_LEAST - INTERVAL)
    cycle = lost()
    assert cycle() is not None
    program.clock.advance(INTERVAL)
    assert cycle() is None


def test_it_is_left_as_python_has_it(program: Program) -> None:
    assert not gc.isenabled()
    program.collector.stop()
    assert gc.isenabled()
    assert program.clock.waiting == 0
    assert gc.get_freeze_count() == 0
