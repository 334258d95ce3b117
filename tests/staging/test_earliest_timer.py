"""One timer for the earliest of many times."""

from __future__ import annotations

import asyncio

from sip_stager.staging.earliest_timer import EarliestTimer


class Fired:
    """A timer, and when it fired."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.after: list[float] = []
        self.timer = EarliestTimer(self.loop, self.fire)

    def fire(self) -> None:
        self.after.append(self.loop.time() - self.began)

    def set(self, after: float) -> None:
        self.timer.set(self.began + after)


async def test_it_fires_once_at_the_earliest_time_that_was_set() -> None:
    fired = Fired()
    for after in (0.5, 0.03, 0.2):
        fired.set(after)
    assert fired.timer.is_set
    await asyncio.sleep(0.1)
    [after] = fired.after
    assert 0.02 <= after < 0.1
    assert not fired.timer.is_set


async def test_it_can_be_set_again_once_it_has_fired() -> None:
    fired = Fired()
    fired.set(0.01)
    await asyncio.sleep(0.03)
    fired.set(0.05)
    await asyncio.sleep(0.1)
    assert len(fired.after) == 2


async def test_none_cancels_it() -> None:
    fired = Fired()
    fired.set(0.01)
    fired.timer.set(None)
    fired.timer.set(None)
    assert not fired.timer.is_set
    await asyncio.sleep(0.05)
    assert fired.after == []
