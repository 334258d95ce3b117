"""The queue in which calls wait for their next poll: ``poll_schedule`` on the event loop."""

from __future__ import annotations

import asyncio

from sip_stager.staging.earliest_timer import CLOCK_STEP, EarliestTimer
from sip_stager.staging.poll_schedule import PollSchedule, PollTurn


class PollQueue:
    """A queue that lets ``max_per_second`` polls go; needs a running loop."""

    def __init__(self, max_per_second: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._schedule = PollSchedule[asyncio.Future[None]](max_per_second)
        self._timer = EarliestTimer(self._loop, self._serve)

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._schedule)

    @property
    def delayed(self) -> int:
        """How many polls are due and wait for the budget."""
        return self._schedule.delayed

    async def wait(self, due: float, deadline: float, *, first: bool) -> None:
        """Wait until a call may poll: not before ``due``, a time of the loop."""
        turn = PollTurn(due, deadline, first, self._loop.create_future())
        self._schedule.add(turn)
        self._set_timer()
        try:
            await turn.waiter
        finally:
            if turn.waiting:  # its task was cancelled
                self._schedule.discard(turn)
                self._set_timer()

    def _set_timer(self) -> None:
        self._timer.set(self._schedule.next_time())

    def _serve(self) -> None:
        """Start the polls of the calls whose turn it is."""
        now = self._loop.time() + CLOCK_STEP
        while (turn := self._schedule.take(now)) is not None:
            if not turn.waiter.done():  # it is done when it was cancelled, and its task has not run
                turn.waiter.set_result(None)
        self._set_timer()
