"""A circuit breaker: whatever fails is left alone for a while; pure, time is an argument.

There is one for the API and one for each agent that fails: ``breakers.py`` has their hierarchy.

                enough calls of the window failed
      CLOSED ----------------------------------------> OPEN <---------+
        ^                                               |             |
        |                                  open time    |             | the probe failed:
        |                                  has passed,  |             | open for twice as long
        |                                  a call comes |             |
        |             the probe succeeded               v             |
        +------------------------------------------ HALF_OPEN --------+

CLOSED, all calls go through, and their results are counted in a sliding window.  OPEN, none
does.  HALF_OPEN, one call at a time is let through as a probe; a probe that proves nothing (its
caller hung up, say) leaves the state as it is, and the next call is the probe.

Each call that is let through gets a ticket, the number of the era in which it began; each change
of state begins an era.  A result from an earlier era counts for nothing: calls that began before
the breaker opened would else decide what the probe is to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sip_stager.events import BreakerMoved
from sip_stager.model.vocabulary import BreakerState

if TYPE_CHECKING:
    from collections.abc import Callable


class Results(Protocol):
    """The results that a breaker decides by; whoever has the breaker adds to them."""

    def totals(self) -> tuple[int, int]:
        """Return the calls and the failures of the window."""

    def clear(self) -> None:
        """Forget them."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """The rules for opening, all times in seconds.

    The breaker opens once ``failure_ratio`` of at least ``min_calls`` calls within ``window``
    failed.  It stays open for ``open_time``, doubled by each failed probe up to
    ``max_open_time``.  A call that timed out counts only if the API had it for ``slow_call``.
    """

    failure_ratio: float = 0.5
    window: float = 10.0
    min_calls: int = 20
    open_time: float = 5.0
    max_open_time: float = 60.0
    slow_call: float = 1.0


class Breaker:
    """Decides which calls go through; ``changed`` is called with each change of its state.

    It opens by its ``results``, if ``may_open`` agrees.  Times are in seconds on any clock that
    never goes back.
    """

    def __init__(
        self,
        rules: BreakerRules,
        results: Results,
        changed: Callable[[BreakerMoved], None],
        may_open: Callable[[], bool] | None = None,
    ) -> None:
        self._rules = rules
        self._results = results
        self._changed = changed
        self._may_open = may_open
        self._open_time = rules.open_time
        self._open_until = 0.0
        self._probing = False
        self.era = 0
        """The number of changes of its state."""
        self.state = BreakerState.CLOSED

    def admit(self, now: float) -> int | None:
        """Return the era, to be handed to ``record`` with the result; None if the call may not go.

        Every era must come back, else a probe would stand in the way of all further ones.
        """
        if self.state is BreakerState.CLOSED:
            return self.era
        if self.rejects(now):
            return None
        if self.state is BreakerState.OPEN:
            self._enter(BreakerState.HALF_OPEN)
        self._probing = True
        return self.era

    def rejects(self, now: float) -> bool:
        """Return True if no call may go now.

        Once the open time is over it is False, though the state is still OPEN: the next call is the
        probe, and would never come if peers went on being sent elsewhere.
        """
        closed = self.state is BreakerState.CLOSED
        return not closed and (self._probing or now < self._open_until)

    def is_current(self, ticket: int) -> bool:
        """Return True if the state has not changed since the ticket was given."""
        return ticket == self.era

    @property
    def open_until(self) -> float:
        """The time from which a call may be the probe."""
        return self._open_until

    def seconds_to_probe(self, now: float) -> float:
        """Return the seconds until a call may be let through as a probe."""
        return max(0.0, self._open_until - now)

    def record(self, ticket: int, now: float, *, failed: bool | None) -> None:
        """Act on the result of a call; None if it proved nothing, since its caller hung up, say."""
        if ticket != self.era:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._record_probe(now, failed=failed)
        elif failed and self._too_many_failures():
            self._open(now, self._rules.open_time)

    def _too_many_failures(self) -> bool:
        calls, failures = self._results.totals()
        if calls < self._rules.min_calls or failures < self._rules.failure_ratio * calls:
            return False
        return self._may_open is None or self._may_open()

    def _record_probe(self, now: float, *, failed: bool | None) -> None:
        self._probing = False
        if failed:
            self._open(now, min(2 * self._open_time, self._rules.max_open_time))
        elif failed is not None:
            self._enter(BreakerState.CLOSED)

    def _open(self, now: float, open_time: float) -> None:
        self._open_time = open_time
        self._open_until = now + open_time
        self._enter(BreakerState.OPEN, open_time)

    def _enter(self, state: BreakerState, open_time: float = 0.0) -> None:
        calls, failures = self._results.totals()
        self._results.clear()
        self.era += 1
        self.state = state
        self._changed(BreakerMoved(state, calls, failures, open_time))
