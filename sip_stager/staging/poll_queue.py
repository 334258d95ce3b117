"""The queue in which calls wait for their next poll: ``poll_schedule`` on the event loop.

One timer serves all calls that wait: ten thousand timers of the loop would be megabytes.
"""

from __future__ import annotations

import asyncio

from sip_stager.staging.poll_schedule import PollSchedule, PollTurn

_CLOCK_STEP = 0.001  # seconds; uvloop rounds to it, so that a timer may fire as much too soon


class PollQueue:
    """A queue that lets ``max_per_second`` polls go; needs a running loop."""

    def __init__(self, max_per_second: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._schedule = PollSchedule[asyncio.Future[None]](max_per_second)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

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
        """Set the timer to the next turn, unless it fires before that anyway."""
        due = self._schedule.next_time()
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            self._timer = self._loop.call_at(due, self._serve)

    def _serve(self) -> None:
        """Let calls poll whose turn it is."""
        self._timer = None
        now = self._loop.time() + _CLOCK_STEP
        while (turn := self._schedule.take(now)) is not None:
            if not turn.waiter.done():  # it is done when it was cancelled, and its task has not run
                turn.waiter.set_result(None)
        self._set_timer()
