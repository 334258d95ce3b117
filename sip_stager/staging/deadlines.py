"""The deadlines of the tasks that stage calls.

A task ends for one of three reasons: its caller hangs up (the core cancels it), its deadline
passes, or the program stops; ``ended_by`` tells them apart.  It is what decides whether the caller
is still there for an answer, so two ends in the same turn of the loop must not be confused:

    cancelled by      ended_by      task.cancelling()     the caller is
    ----------------------------------------------------------------------
    the caller        None                1               gone
    us                TIMEOUT, STOP       1               there: answer
    both              TIMEOUT, STOP       2               gone
"""

from __future__ import annotations

import asyncio
from enum import Enum

from sip_stager.staging.earliest_timer import CLOCK_STEP, EarliestTimer
from sip_stager.staging.lazy_heap import LazyHeap

EndedBy = Enum("EndedBy", "TIMEOUT STOP")


class Deadline:
    """The deadline of one task; ``waiting`` is True until it has passed or is discarded."""

    __slots__ = ("ended_by", "task", "waiting")

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task: asyncio.Task[None] | None = task
        self.ended_by: EndedBy | None = None
        self.waiting = True

    def end(self, ended_by: EndedBy) -> None:
        """Cancel the task, at most once."""
        if self.waiting and self.task is not None:
            self.waiting, self.ended_by = False, ended_by
            self.task.cancel()

    @property
    def caller_is_there(self) -> bool:
        """True in a cancelled task if we alone cancelled it; read before it is discarded."""
        return self.ended_by is not None and self.task is not None and self.task.cancelling() == 1


class Deadlines:
    """The deadlines of all tasks; needs a running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap = LazyHeap[Deadline]()
        self._timer = EarliestTimer(self._loop, self._end_due)

    def start(self, due: float, task: asyncio.Task[None]) -> Deadline:
        """Cancel a task at ``due``, a time of the loop, unless its deadline is discarded."""
        deadline = Deadline(task)
        self._heap.push(due, deadline)
        # It stays set when calls end sooner, as almost all do: it is not set anew for each.
        self._timer.set(due)
        return deadline

    def discard(self, deadline: Deadline) -> None:
        """Drop the deadline of a task that ends."""
        deadline.task = None  # its frame refers to the deadline: a reference cycle
        if deadline.waiting:
            deadline.waiting = False
            self._heap.count_dead()

    def end_all(self, ended_by: EndedBy) -> None:
        """Cancel all tasks now."""
        while self._heap:
            self._heap.pop().end(ended_by)
        self._timer.set(None)

    def _end_due(self) -> None:
        now = self._loop.time() + CLOCK_STEP
        while (due := self._heap.first_key()) is not None and due <= now:
            self._heap.pop().end(EndedBy.TIMEOUT)
        self._timer.set(self._heap.first_key())
