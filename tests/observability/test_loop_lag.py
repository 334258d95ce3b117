from __future__ import annotations

import asyncio
import time
from typing import Any

from sip_stager.observability.loop_lag import INTERVAL, MAX_RECENT, LoopLag


class HandClock:
    """A clock that is moved by hand, with one timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timer: tuple[float, Any, tuple[Any, ...]] | None = None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Any, *args: Any) -> HandClock:
        self.timer = (self.now + delay, callback, args)
        return self

    def cancel(self) -> None:
        self.timer = None

    def fire(self, late: float) -> None:
        assert self.timer is not None
        due, callback, args = self.timer
        self.now = due + late
        callback(*args)


def test_the_lag_is_the_delay_of_a_timer() -> None:
    clock = HandClock()
    seen: list[float] = []
    lag = LoopLag(clock)
    lag.start(seen.append)
    for late in (0.0, 0.25, 0.01):
        clock.fire(late)
    assert [round(seconds, 6) for seconds in seen] == [0.0, 0.25, 0.01]
    assert round(lag.worst(), 6) == 0.25


def test_an_early_timer_is_no_lag() -> None:
    clock = HandClock()
    lag = LoopLag(clock)
    lag.start(lambda _: None)
    clock.fire(-0.001)
    assert lag.worst() == 0.0


def test_the_worst_lag_is_forgotten_after_a_minute() -> None:
    clock = HandClock()
    lag = LoopLag(clock)
    assert lag.worst() == 0.0
    lag.start(lambda _: None)
    clock.fire(0.5)
    for _ in range(MAX_RECENT):
        assert lag.worst() > 0.4
        clock.fire(0.001)
    assert lag.worst() < 0.002
    assert round(MAX_RECENT * INTERVAL) == 60


def test_stop_ends_the_measurement() -> None:
    clock = HandClock()
    lag = LoopLag(clock)
    lag.start(lambda _: None)
    lag.stop()
    lag.stop()
    assert clock.timer is None


async def test_a_blocked_loop_is_measured() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    lag = LoopLag(asyncio.get_running_loop())
    lag.start(seen.put_nowait)
    time.sleep(0.3)  # noqa: ASYNC251  # the loop is to be blocked
    assert await seen.get() > 0.1
    lag.stop()
