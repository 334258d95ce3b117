"""A circuit breaker: an API that fails is left alone for a while; pure, time is an argument.

Closed, it counts what came of calls in a sliding window.  Once enough of them failed it opens, and
no call touches the API.  After a pause it is half open: one call at a time is let through to try;
if that goes well it closes, else it opens again for twice as long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.events import BreakerMoved
from sip_stager.model.vocabulary import BreakerState

if TYPE_CHECKING:
    from collections.abc import Callable


_SLICES = 10  # of the window; memory and time do not grow with the calls in it


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Opens at ``failure_ratio`` of failures among ``min_calls`` calls or more within ``window``.

    It stays open for ``open_time`` seconds, doubled by each failed probe up to ``max_open_time``.
    A call over time teaches something where the API had it for ``slow_call`` seconds or more.
    """

    failure_ratio: float = 0.5
    window: float = 10.0
    min_calls: int = 20
    open_time: float = 5.0
    max_open_time: float = 60.0
    slow_call: float = 1.0


class Breaker:
    """Lets calls through or not; ``moved`` is told of each change of its state.

    Times are in seconds on any clock that never goes back.
    """

    def __init__(self, rules: BreakerRules, moved: Callable[[BreakerMoved], None]) -> None:
        self._rules = rules
        self._moved = moved
        self._window = _Window(rules.window)
        self._pause = rules.open_time
        self._until = 0.0
        self._trying = False
        self._era = 0
        self.state = BreakerState.CLOSED

    def admit(self, now: float) -> int | None:
        """Give a ticket to hand back with what came of the call, or None: leave the API alone."""
        if self.state is BreakerState.CLOSED:
            return self._era
        if self._trying or now < self._until:
            return None
        if self.state is BreakerState.OPEN:
            self._move(BreakerState.HALF_OPEN)
        self._trying = True
        return self._era

    def is_current(self, ticket: int) -> bool:
        """Tell whether nothing has changed since the ticket was given."""
        return ticket == self._era

    def seconds_to_probe(self, now: float) -> float:
        """Give the seconds until a call is let through again to try."""
        return max(0.0, self._until - now)

    def record(self, ticket: int, now: float, *, failed: bool | None) -> None:
        """Take note of a call; None says that it taught nothing: its caller hung up, say.

        A call that was let through before the state last changed teaches nothing, either.
        """
        if ticket != self._era:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._tried(now, failed=failed)
        elif failed is not None:
            self._window.add(now, failed=failed)
            if failed and self._too_many():
                self._open(now, self._rules.open_time)

    def _too_many(self) -> bool:
        calls, failures = self._window.totals()
        return calls >= self._rules.min_calls and failures >= self._rules.failure_ratio * calls

    def _tried(self, now: float, *, failed: bool | None) -> None:
        self._trying = False
        if failed:
            self._open(now, min(2 * self._pause, self._rules.max_open_time))
        elif failed is not None:
            self._move(BreakerState.CLOSED)

    def _open(self, now: float, pause: float) -> None:
        self._pause = pause
        self._until = now + pause
        self._move(BreakerState.OPEN, pause)

    def _move(self, state: BreakerState, pause: float = 0.0) -> None:
        calls, failures = self._window.totals()
        self._window.clear()
        self._era += 1
        self.state = state
        self._moved(BreakerMoved(state, calls, failures, pause))


class _Window:
    """Calls and failures of the last ``length`` seconds, a tenth of it more or less."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._slices: deque[list[float]] = deque()  # each: since when, calls, failures

    def add(self, now: float, *, failed: bool) -> None:
        slices = self._slices
        if not slices or now - slices[-1][0] >= self._length / _SLICES:
            slices.append([now, 0, 0])
            while now - slices[0][0] > self._length:
                slices.popleft()
        slices[-1][1] += 1
        slices[-1][2] += failed

    def totals(self) -> tuple[int, int]:
        return int(sum(one[1] for one in self._slices)), int(sum(one[2] for one in self._slices))

    def clear(self) -> None:
        self._slices.clear()
