"""Staged calls that were not used, kept for who calls again: pure, with time as a port.

A staged call can not be given back to the API, and lives a minute there.  It is claimed once, by a
call that is the same to the agent: the second INVITE after a challenge, a carrier's second attempt,
a caller who redials.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sip_stager.events import StagingClaimed
from sip_stager.model.call import Forward
from sip_stager.platform.outcome import Stopped, TimedOut
from sip_stager.staging.call_queue import CallQueue
from sip_stager.staging.decision import decide
from sip_stager.staging.reserved import ReservedCalls
from sip_stager.staging.retry import fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call, Decision
    from sip_stager.ports import Cancellable, Clock, Notify


class StagingBackend(Protocol):
    """Who really stages."""

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""

    def start(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Call ``done`` later, once."""


@dataclass(eq=False, slots=True)
class Attempt:
    """A staging under way; without ``caller`` its call was hung up and nobody has taken it over."""

    call: Call
    caller: WaitingCaller | None
    staging: Cancellable | None = None


@dataclass(eq=False, slots=True)
class WaitingCaller:
    """Who waits for a staging; ``budget`` is the timer of who has taken over another's."""

    claims: Claims
    call: Call
    done: Callable[[Decision], None]
    until: float
    attempt: Attempt | None = None
    budget: Cancellable | None = None

    def cancel(self) -> None:
        """Hear that the caller hung up."""
        self.claims.hung_up(self)


class Claims:
    """A stager (``ports.Stager``) that keeps what was staged in vain.

    ``ttl`` is how long a staged call may be claimed, in seconds from its staging, 0 for never;
    with ``finish`` a staging whose caller hangs up is brought to its end and kept.
    """

    def __init__(
        self,
        stager: StagingBackend,
        clock: Clock,
        notify: Notify,
        ttl: float = 45.0,
        *,
        finish: bool,
    ) -> None:
        self._stager = stager
        self._clock = clock
        self._notify = notify
        self._reserved = ReservedCalls(clock, notify, ttl)
        self._finish = finish and ttl > 0
        self._left = CallQueue[Attempt]()

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""
        return self._stager.waiting

    @property
    def reserved(self) -> int:
        """How many staged calls wait to be claimed."""
        return len(self._reserved)

    def can_reuse(self, call: Call) -> bool:
        """Tell whether there is something to claim, or to take over."""
        return self._reserved.has(call) or self._left.first(call) is not None

    def start(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Claim what is kept, take over what is being staged for nobody, or stage."""
        if (claimed := self._reserved.claim(call, done)) is not None:
            return claimed
        caller = WaitingCaller(self, call, done, self._clock.time() + call.deadline)
        if (attempt := self._left.first(call)) is not None:
            self._take_over(caller, attempt)
        else:
            self._stage(caller, call)
        return caller

    def return_unused(self, call: Call, forward: Forward) -> None:
        """Keep a staged call that was not used, for as long as it may still be claimed."""
        self._reserved.keep(call, forward)

    def stop(self) -> None:
        """Waste what is kept, and what will be staged for nobody."""
        self._finish = False
        self._reserved.stop()

    def hung_up(self, caller: WaitingCaller) -> None:
        """Leave a staging to who calls again, or end it."""
        attempt = self._parted(caller)
        if attempt is None:
            return
        if self._finish:
            self._left.add(attempt.call, attempt)
        elif attempt.staging is not None:
            attempt.staging.cancel()
            attempt.staging = None  # a task that was cancelled holds a frame that leads to us

    def _take_over(self, caller: WaitingCaller, attempt: Attempt) -> None:
        self._left.discard(attempt.call, attempt)
        caller.attempt, attempt.caller = attempt, caller
        caller.budget = self._clock.call_later(caller.call.deadline, self._over_time, caller)

    def _stage(self, caller: WaitingCaller, call: Call) -> None:
        caller.attempt = attempt = Attempt(call, caller)
        attempt.staging = self._stager.start(call, partial(self._decided, attempt))

    def _decided(self, attempt: Attempt, decision: Decision) -> None:
        """Tell who waits for a staging, or keep it where nobody does."""
        attempt.staging = None
        if isinstance(decision, Forward):
            decision = replace(decision, staged_at=self._clock.time())
        caller = attempt.caller
        if caller is None:
            self._keep(attempt, decision)
        elif caller.budget is None:
            self._tell(caller, decision)
        else:
            self._tell_another(caller, attempt, decision)

    def _keep(self, attempt: Attempt, decision: Decision) -> None:
        self._left.discard(attempt.call, attempt)
        if isinstance(decision, Forward):
            self.return_unused(attempt.call, decision)

    def _tell_another(self, caller: WaitingCaller, attempt: Attempt, decision: Decision) -> None:
        """Tell who took over a staging; one that failed was short of another's time, not of his."""
        if isinstance(decision, Forward):
            before = attempt.call.call_id
            self._notify(StagingClaimed(caller.call, decision.staged_id, before))
        elif decision.cause != Stopped.kind:
            left = caller.until - self._clock.time()
            if fits(0.0, left):
                self._parted(caller)
                self._stage(caller, replace(caller.call, deadline=left))
                return
        self._tell(caller, decision)

    def _tell(self, caller: WaitingCaller, decision: Decision) -> None:
        self._parted(caller)
        caller.done(decision)

    def _over_time(self, caller: WaitingCaller) -> None:
        """End the wait of who took over a staging that has more time than he has."""
        caller.budget = None
        self.hung_up(caller)
        caller.done(decide(TimedOut.of(caller.call.deadline)))

    def _parted(self, caller: WaitingCaller) -> Attempt | None:
        """Part a caller from his staging; who has none any more has been told."""
        attempt, caller.attempt = caller.attempt, None
        if attempt is not None:
            attempt.caller = None
        if caller.budget is not None:
            caller.budget.cancel()
            caller.budget = None
        return attempt
