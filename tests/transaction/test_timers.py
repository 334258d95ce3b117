from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.transaction.timers import MIN_SWEEP_SIZE, LaneClock, Timers
from tests.support.conversation import BOB
from tests.support.fakes import FakeClock
from tests.support.messages import request
from tests.transaction.layer_scene import RecordingUser, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Cancellable


@pytest.mark.parametrize(
    ("t1", "t2", "b", "d", "e_reaches_t2"),
    [
        (0.5, 4.0, 32.0, 32.0, 3.5),
        (0.25, 4.0, 16.0, 32.0, 3.75),
        (1.0, 4.0, 64.0, 64.0, 3.0),
        (0.5, 3.0, 32.0, 32.0, 3.5),
        (2.0, 2.0, 128.0, 128.0, 2.0),
    ],
)
def test_all_timers_scale_with_t1_and_t2(
    t1: float, t2: float, b: float, d: float, e_reaches_t2: float
) -> None:
    """RFC 3261 17.1.1.1: "Nearly all of the transaction timers described here scale with T1, and
    changing T1 adjusts their values."
    """
    timers = Timers(t1, t2)
    assert {timers.b, timers.f, timers.h, timers.j, timers.l, timers.m} == {b}
    assert (timers.d, timers.e_reaches_t2) == (d, e_reaches_t2)


def test_the_defaults_are_those_of_the_rfc() -> None:
    """RFC 3261 17.1.1.1: "T1 is an estimate of the round-trip time (RTT), and it defaults to 500
    ms."

    RFC 3261 17.1.2.2: "The default value of T2 is 4s"

    RFC 3261 17.1.2.2: "The default value of T4 is 5s."
    """
    assert (Timers().t1, Timers().t2, Timers().t4) == (0.5, 4.0, 5.0)


Plan = list[tuple[float, float, bool]]


def ends(plan: Plan, world: FakeClock, clock: FakeClock | LaneClock) -> list[tuple[float, int]]:
    """Start timers and cancel some; return the times at which the others fire."""
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
def test_a_lane_clock_behaves_like_any_clock(plan: Plan) -> None:
    plain, under = FakeClock(), FakeClock()
    assert ends(plan, under, LaneClock(under)) == ends(plan, plain, plain)


FINE = st.floats(0.001, 40.0, allow_subnormal=False)


class CountingClock(FakeClock):
    """A clock with any start, which counts its timers."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now
        self.started = 0

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Cancellable:
        self.started += 1
        return super().call_later(delay, callback, *args)


@given(st.floats(0.0, 1e9, allow_subnormal=False), st.lists(FINE, max_size=30), FINE)
def test_the_rounding_of_floats_keeps_no_lane_busy(
    start: float, pauses: list[float], delay: float
) -> None:
    """Beyond the RFCs: ``now + (due - now)`` may be less than ``due`` in its last bit."""
    world, ended = CountingClock(start), list[int]()
    clock = LaneClock(world)
    for number, pause in enumerate(pauses):
        clock.call_later(delay, ended.append, number)
        world.advance(pause)
    world.advance(100)
    assert ended == list(range(len(pauses)))
    assert world.waiting == 0
    assert world.started <= 2 * len(pauses) + 1


def test_timers_of_one_length_fire_in_the_order_in_which_they_started() -> None:
    world, ended = FakeClock(), list[int]()
    clock = LaneClock(world)
    for number in range(5):
        clock.call_later(1.0, ended.append, number)
        world.advance(0.1)
    world.advance(1.0)
    assert ended == [0, 1, 2, 3, 4]


def test_a_lane_uses_one_timer_of_the_real_clock() -> None:
    world = FakeClock()
    clock = LaneClock(world)
    timers = [clock.call_later(1.0, print) for _ in range(100)]
    assert world.waiting == 1
    for timer in timers:
        timer.cancel()
    world.advance(1.0)
    assert world.waiting == 0


def test_a_timer_that_is_cancelled_by_the_one_before_it_does_not_fire() -> None:
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


def test_a_timer_started_by_a_timer_of_its_lane_fires_in_its_own_time() -> None:
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


class Kept:
    def end(self) -> None:
        raise AssertionError


def test_a_cancelled_timer_releases_its_callback_at_once() -> None:
    clock, kept = LaneClock(FakeClock()), Kept()
    gone = weakref.ref(kept)
    timer = clock.call_later(1.0, kept.end)
    timer.cancel()
    del kept
    assert gone() is None


def test_a_fired_timer_releases_its_callback() -> None:
    world, kept = FakeClock(), Kept()
    gone = weakref.ref(kept)
    timer = LaneClock(world).call_later(1.0, kept.end)
    del kept
    with pytest.raises(AssertionError):
        world.advance(1.0)
    assert gone() is None
    timer.cancel()


def test_a_lane_does_not_wake_for_cancelled_timers() -> None:
    world, ended = FakeClock(), list[float]()
    clock = LaneClock(world)
    for number in range(3):
        timer = clock.call_later(1.0, lambda: ended.append(world.now - 1000))
        if number == 1:
            timer.cancel()
        world.advance(0.25)
    world.advance(0.25)
    assert (ended, places(clock)) == ([1.0], 1)
    world.advance(1.0)
    assert ended == [1.0, 1.5]


def test_a_cancelled_timer_leaves_its_lane_when_due() -> None:
    world, ended = FakeClock(), list[int]()
    clock = LaneClock(world)
    for number in range(100):
        clock.call_later(4.0, ended.append, number)
        for _ in range(10):
            clock.call_later(4.0, print).cancel()
        world.advance(1.0)
        assert places(clock) <= 5 * 11
    world.advance(4.0)
    assert places(clock) == world.waiting == 0
    assert ended == list(range(100))


def test_a_lane_has_at_most_twice_as_many_entries_as_live_timers() -> None:
    world = FakeClock()
    clock = LaneClock(world)
    first = clock.call_later(181.0, print)
    for _ in range(10 * MIN_SWEEP_SIZE):
        clock.call_later(181.0, print).cancel()
        assert places(clock) <= MIN_SWEEP_SIZE
    alive = [clock.call_later(181.0, print) for _ in range(2 * MIN_SWEEP_SIZE)]
    for _ in range(10 * MIN_SWEEP_SIZE):
        clock.call_later(181.0, print).cancel()
        assert places(clock) <= 2 * (len(alive) + 1) + MIN_SWEEP_SIZE
    assert clock._lanes[181.0].sweep_size > len(alive)  # not swept again for each new timer
    for timer in (first, *alive):
        timer.cancel()
    world.advance(181.0)
    assert places(clock) == world.waiting == 0


def test_a_lane_swept_by_a_callback_loses_no_timer() -> None:
    world, ended = FakeClock(), list[int]()
    clock = LaneClock(world)

    def crowd() -> None:
        for _ in range(MIN_SWEEP_SIZE):
            clock.call_later(1.0, print).cancel()
        clock.call_later(1.0, ended.append, 2)

    clock.call_later(1.0, crowd)
    clock.call_later(1.0, ended.append, 1)
    world.advance(1.0)
    assert ended == [1]
    world.advance(1.0)
    assert ended == [1, 2]
    assert world.waiting == 0


def places(clock: LaneClock) -> int:
    return sum(len(lane.entries) for lane in clock._lanes.values())


def test_a_transaction_shows_its_state_and_its_timers() -> None:
    scene = Scene()
    scene.receive(request())
    scene.respond(486)
    assert repr(scene.servers[0]) == ("InviteServerTransaction(COMPLETED, H in 32.0 s, G in 0.5 s)")


@given(
    st.lists(st.floats(0.001, 1e9), min_size=1, max_size=20),
    st.floats(1e-3, 1e3),
    st.floats(0, 1e9),
)
def test_no_rounding_of_floats_keeps_a_lane_from_its_end(
    pauses: list[float], delay: float, uptime: float
) -> None:
    """A head that is due by one sum and not due by another would be waited for without end."""
    world, fired = FakeClock(), list[int]()
    world.now = uptime
    clock = LaneClock(world)
    for number, pause in enumerate(pauses):
        clock.call_later(delay, fired.append, number)
        world.advance(pause)
    world.advance(2 * delay)
    assert sorted(fired) == list(range(len(pauses)))
    assert world.waiting == 0


SETTINGS = st.tuples(st.floats(0.01, 10), st.floats(1, 10), st.floats(0.01, 10)).map(
    lambda drawn: Timers(drawn[0], drawn[0] * drawn[1], drawn[2])
)


@given(SETTINGS, st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30)), max_size=40))
def test_the_number_of_lanes_is_bounded_for_any_settings_and_load(
    timers: Timers, lives: list[tuple[int, float]]
) -> None:
    scene = Scene(timers)
    for number, (kind, pause) in enumerate(lives):
        live(scene, kind, f"z9hG4bK-{number}")
        scene.clock.advance(pause)
        assert len(scene.lanes._lanes) <= 13  # seven of timer A; T2, T4, D, 64*T1, until T2, 0
    scene.clock.advance(10_000)
    for client in [*scene.layer.invite_clients.values()]:
        client.terminate()
    for server in [*scene.layer.servers.values()]:
        server.terminate()
    assert scene.over
    assert scene.lanes._lanes == {}


def live(scene: Scene, kind: int, branch: str) -> None:
    """Begin a transaction of any kind, and end some."""
    if kind < 3:
        method = ("INVITE", "INVITE", "BYE")[kind]
        sent, user = request(method, branch=branch), RecordingUser()
        scene.start(sent, BOB, user)
        if kind == 1:
            scene.answer(sent, 486)
    else:
        scene.receive(request(("INVITE", "INVITE", "BYE")[kind - 3], branch=branch))
        if kind < 5:
            scene.respond((200, 486)[kind - 3])


async def test_it_runs_on_an_event_loop() -> None:
    clock, done = LaneClock(asyncio.get_running_loop()), asyncio.Event()
    clock.call_later(0.01, done.set)
    clock.call_later(0.01, print).cancel()
    await asyncio.wait_for(done.wait(), 10)
