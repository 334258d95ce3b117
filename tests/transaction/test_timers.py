from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.transaction.timers import LaneClock, Timers
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from sip_stager.ports import Cancellable


def test_patience_is_64_t1() -> None:
    assert Timers().patience == 32.0
    assert Timers(t1=0.1).patience == pytest.approx(6.4)


Plan = list[tuple[float, float, bool]]


def ends(plan: Plan, world: FakeClock, clock: FakeClock | LaneClock) -> list[tuple[float, int]]:
    """Set timers, some of which are cancelled, and give which ended when."""
    ended: list[tuple[float, int]] = []

    def end(number: int) -> None:
        ended.append((world.now, number))

    for number, (delay, pause, cancelled) in enumerate(plan):
        timer = clock.call_later(delay, end, number)
        if cancelled:
            timer.cancel()
        world.advance(pause)
    world.advance(100)
    assert world.waiting == 0
    return sorted(ended)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.5, 4.0, 5.0]),
            st.integers(0, 24).map(lambda eighths: eighths / 8),
            st.booleans(),
        )
    )
)
def test_a_lane_clock_does_what_a_clock_does(plan: Plan) -> None:
    plain, under = FakeClock(), FakeClock()
    assert ends(plan, under, LaneClock(under)) == ends(plan, plain, plain)


def test_timers_of_one_length_end_in_the_order_in_which_they_began() -> None:
    world, ended = FakeClock(), list[int]()
    clock = LaneClock(world)
    for number in range(5):
        clock.call_later(1.0, ended.append, number)
        world.advance(0.1)
    world.advance(1.0)
    assert ended == [0, 1, 2, 3, 4]


def test_a_lane_holds_one_timer_of_the_real_clock() -> None:
    world = FakeClock()
    clock = LaneClock(world)
    timers = [clock.call_later(1.0, print) for _ in range(100)]
    assert world.waiting == 1
    for timer in timers:
        timer.cancel()
    world.advance(1.0)
    assert world.waiting == 0


def test_a_timer_that_is_cancelled_by_the_one_ahead_of_it_does_not_end() -> None:
    world, ended = FakeClock(), list[int]()
    clock = LaneClock(world)
    timers: list[Cancellable] = []

    def cancel_next() -> None:
        timers[0].cancel()

    clock.call_later(1.0, cancel_next)
    timers.append(clock.call_later(1.0, ended.append, 1))
    clock.call_later(1.0, ended.append, 2)
    world.advance(1.0)
    assert ended == [2]


def test_a_timer_set_by_a_timer_of_its_lane_ends_in_its_own_time() -> None:
    world, ended = FakeClock(), list[float]()
    clock = LaneClock(world)

    def again() -> None:
        ended.append(world.now - 1000)
        if len(ended) < 3:
            clock.call_later(1.0, again)

    clock.call_later(1.0, again)
    world.advance(10)
    assert ended == [1.0, 2.0, 3.0]
    assert world.waiting == 0


def test_a_timer_that_raises_does_not_stop_its_lane() -> None:
    world, ended = FakeClock(), list[int]()
    clock = LaneClock(world)

    def fail() -> None:
        raise LookupError

    clock.call_later(1.0, fail)
    clock.call_later(1.0, ended.append, 1)
    world.advance(0.5)
    clock.call_later(1.0, ended.append, 2)
    with pytest.raises(LookupError):
        world.advance(0.5)
    world.advance(1.0)
    assert ended == [1, 2]
    assert world.waiting == 0


async def test_it_runs_on_a_loop() -> None:
    clock, done = LaneClock(asyncio.get_running_loop()), asyncio.Event()
    clock.call_later(0.01, done.set)
    clock.call_later(0.01, print).cancel()
    await asyncio.wait_for(done.wait(), 10)
