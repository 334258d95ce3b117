"""The order in which waiting calls poll the API, within a budget of all their polls; pure.

Theory of operation.  Many held calls together would poll more often than the API, or this program,
can bear.  So polls share a budget, and a poll that is due waits until its turn comes:

         add                       the time is due
    call ----> ASLEEP, by due time ---------------> FIRST, by due time ---------------+
                 |                        |                                           |  turn
                 |                        '-------> LATER, by due time and deadline --+------> poll
                 | discard                                    | discard               |
                 v                                            v                       |
              (gone)                                       (gone)      <--------------'

Who goes next, as long as both kinds wait:

    turn     1      2      3      4         5      6      7      8
    goes   first  first  first  later:    first  first  first  later:
                                nearest                        longest
                                deadline                       wait

- A call's first poll decides most: most agents are ready by then, and their callers wait for
  nothing else.  First polls take three turns of four.
- A later poll may be its call's last chance, so every second one that goes is that of the nearest
  deadline.  The others go in the order in which they came due, so that no call starves: not even
  behind calls that are never ready and whose deadlines are always nearer.
- A turn that one kind does not need goes to the other.

The budget is spent evenly (a leaky bucket, GCRA): one poll each ``_spacing`` seconds, and after a
pause as many at once as ``BURST_TIME`` is worth, so that a timer that fires late loses no turn.
The spacing allows for the burst: no second, wherever it begins, has more polls than the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from sip_stager.staging.lazy_heap import LazyHeap

BURST_TIME = 0.02
"""Seconds' worth of polls that may go at once."""
LAST_POLL_MARGIN = 0.3
"""Seconds before its deadline in which a call still polls once more: the answer needs some."""
_LATER_TURN = 4  # every fourth turn is for later polls

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class PollTurn(Generic[T]):
    """A call that waits to poll: not before ``due``, and in vain after ``deadline``.

    ``first`` is True for a call's first poll.  Times are in seconds of one clock.
    """

    due: float
    deadline: float
    first: bool
    waiter: T
    waiting: bool = True
    asleep: bool = True


class PollSchedule(Generic[T]):
    """The waiting calls, at most ``[limits] calls_staging``; ``max_per_second`` is the budget."""

    def __init__(self, max_per_second: int) -> None:
        self._spacing = (1 + BURST_TIME) / max_per_second
        self._next = 0.0  # the time of the next turn, were there no burst
        self._turns = 0
        self._longest_wait_next = False
        self._asleep = LazyHeap[PollTurn[T]]()
        self._first = LazyHeap[PollTurn[T]]()
        self._later = LazyHeap[PollTurn[T]]()
        self._by_deadline = LazyHeap[PollTurn[T]]()  # of the same polls as _later

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._asleep) + self.delayed

    @property
    def delayed(self) -> int:
        """How many polls are due and wait for the budget."""
        return len(self._first) + len(self._later)

    @property
    def entries(self) -> int:
        """How many entries are held, those of calls that wait no more included."""
        heaps = self._asleep, self._first, self._later, self._by_deadline
        return sum(heap.entries for heap in heaps)

    def add(self, turn: PollTurn[T]) -> None:
        """Queue a call for its poll."""
        self._asleep.push(turn.due, turn)

    def discard(self, turn: PollTurn[T]) -> None:
        """Remove a call that waits no longer; harmless if its turn has come."""
        if turn.waiting:
            turn.waiting = False
            for heap in self._heaps_of(turn):
                heap.count_dead()

    def take(self, now: float) -> PollTurn[T] | None:
        """Return the call that polls now, None if none is due or the budget is spent."""
        self._wake(now)
        if now < self._next - BURST_TIME or not self.delayed:
            return None
        turn = self._choose()
        turn.waiting = False
        self._next = max(self._next, now) + self._spacing
        return turn

    def next_time(self) -> float | None:
        """Return when a call may poll, if none comes or goes until then; None if none waits."""
        if self.delayed:
            return self._next - BURST_TIME
        due = self._asleep.first_key()
        return None if due is None else max(due, self._next - BURST_TIME)

    def _heaps_of(self, turn: PollTurn[T]) -> tuple[LazyHeap[PollTurn[T]], ...]:
        if turn.asleep:
            return (self._asleep,)
        return (self._first,) if turn.first else (self._later, self._by_deadline)

    def _wake(self, now: float) -> None:
        """Move the calls that are due to where they wait for the budget."""
        while (due := self._asleep.first_key()) is not None and due <= now:
            turn = self._asleep.pop()
            turn.asleep = False
            if turn.first:
                self._first.push(due, turn)
            else:
                self._later.push(due, turn)
                self._by_deadline.push(turn.deadline, turn)

    def _choose(self) -> PollTurn[T]:
        self._turns += 1
        if self._first and (self._turns % _LATER_TURN or not self._later):
            return self._first.pop()
        chosen, other = self._by_deadline, self._later
        if self._longest_wait_next:
            chosen, other = other, chosen
        self._longest_wait_next = not self._longest_wait_next
        turn = chosen.pop()
        turn.waiting = False  # before it is counted as dead in the other heap
        other.count_dead()
        return turn


def next_due(now: float, interval: float, min_interval: float, deadline: float) -> float:
    """Return the time of a call's next poll: after ``interval`` seconds, or shortly before the end.

    Without the last poll, an agent that is ready in the call's last second would be missed.
    """
    due, last = now + interval, deadline - LAST_POLL_MARGIN
    return last if now + min_interval <= last < due else due
