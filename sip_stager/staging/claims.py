"""Stagings that outlive their callers: the next call of the same identity uses them.

Theory of operation.  A caller who hangs up while the agent is staged often calls again at once.
The API has begun to stage the call anyway, so it is finished (``finish``): a second call takes
it over while it runs, or claims its result, which is reserved (``reserved_calls.py``).  Each staged
call is used by one call at a time.  All of it is pure: the clock is a port.

A staging, and the transitions of ``_enter``:

    start_staging, nothing to reuse
              |
              v      its caller hangs up, or the caller's timer ends
          WAITED_FOR ------------------------------------------------> LEFT
              |      <------------------------------------------------   |
              |      a call of the same identity starts                  |
              |                                                          |
              | decided: the caller is answered;                         | decided: a staged call
              | or, without finish, the caller hangs up: cancelled       | is reserved
              v                                                          v
            OVER                                                       OVER

A waiting caller, which is joined to exactly one staging until it is GONE:

   start_staging, nothing to reuse                start_staging, a staging is LEFT
                 |                                                 |
                 v          the staging failed, time is left       v
            OWN_STAGING <------------------------------------ TAKEN_OVER
                 |                                                 |
                 | decided, or hangs up                            | decided, hangs up, or timer
                 v                                                 |
                GONE <---------------------------------------------+

The deadline of a caller's own staging is the caller's own.  Another call's staging may run longer
than the caller who took it over may wait, so that caller has a timer.

The law behind the odd lines: nothing on a call's path leaves a reference cycle, because the
garbage collector is off while calls are up (``assembly/idle_collector.py``).  A staging and its
caller refer to each other, and a running staging to its staging; ``_enter`` cuts these links.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sip_stager.events import StagingClaimed
from sip_stager.model.call import Call, Decision, Forward
from sip_stager.model.vocabulary import StagingOutcome
from sip_stager.platform.outcome import TimedOut
from sip_stager.ports import Cancellable
from sip_stager.staging.decision import decide
from sip_stager.staging.reserved_calls import CallQueue, ReservedCalls
from sip_stager.staging.retry import fits

if TYPE_CHECKING:
    from sip_stager.model.call import Refusal
    from sip_stager.ports import Clock, Notify


class StagingBackend(Protocol):
    """A stager that sends every call to the API (``stager.ApiStager``)."""

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""

    def waiting_of(self, trunk: str) -> int:
        """Return how many calls of a trunk are being staged."""

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Stage a call, and call ``done`` later, once."""


class StagingState(Enum):
    """The state of a staging."""

    WAITED_FOR = auto()
    LEFT = auto()
    OVER = auto()


class CallerState(Enum):
    """The state of a waiting caller."""

    OWN_STAGING = auto()
    TAKEN_OVER = auto()
    GONE = auto()


@dataclass(eq=False, slots=True)
class Staging:
    """A staging for ``call``; ``caller`` is set while it is WAITED_FOR."""

    call: Call
    state: StagingState = StagingState.WAITED_FOR
    caller: WaitingCaller | None = None
    running: Cancellable | None = None


@dataclass(eq=False, slots=True)
class WaitingCaller:
    """A caller who waits until ``until``; ``timer`` runs while its staging is TAKEN_OVER."""

    claims: Claims
    call: Call
    done: Callable[[Decision], None]
    until: float
    state: CallerState = CallerState.OWN_STAGING
    staging: Staging | None = None
    timer: Cancellable | None = None

    def cancel(self) -> None:
        """Stop waiting: the caller hung up; harmless when it is GONE."""
        self.claims.leave(self)

    def detach(self) -> None:
        """Become GONE; ``done`` is not called any more."""
        self.state, self.staging = CallerState.GONE, None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Claims:
    """The stager of the core (``ports.Stager``): reuses a staging where it can, else starts one.

    A staged call may be claimed until ``ttl`` seconds after its staging, 0 for never.  Without
    ``finish`` a staging whose caller hangs up is cancelled.
    """

    def __init__(
        self, stager: StagingBackend, clock: Clock, notify: Notify, ttl: float, *, finish: bool
    ) -> None:
        self._stager = stager
        self._clock = clock
        self._notify = notify
        self._reserved = ReservedCalls(clock, notify, ttl)
        self._finish = finish and ttl > 0
        self._left = CallQueue[Staging]()

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""
        return self._stager.waiting

    def waiting_of(self, trunk: str) -> int:
        """Return how many calls of a trunk are being staged."""
        return self._stager.waiting_of(trunk)

    @property
    def reserved(self) -> int:
        """How many staged calls wait to be claimed."""
        return len(self._reserved)

    def can_reuse(self, call: Call) -> bool:
        """Return True if there is a staged call to claim, or a staging to take over."""
        return self._reserved.has(call) or self._left.first(call) is not None

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Claim a reserved call, else take over a staging, else stage the call."""
        if (claimed := self._reserved.claim(call, done)) is not None:
            return claimed
        caller = WaitingCaller(self, call, done, self._clock.time() + call.deadline)
        if (staging := self._left.first(call)) is not None:
            self._take_over(caller, staging)
        else:
            self._stage(caller, call)
        return caller

    def return_unused(self, call: Call, forward: Forward) -> None:
        """Reserve a staged call that the upstream did not use."""
        self._reserved.reserve(call, forward)

    def stop(self) -> None:
        """Waste the reserved calls, and whatever is staged without a caller from now on."""
        self._finish = False
        self._reserved.stop()

    def leave(self, caller: WaitingCaller) -> None:
        """Detach a caller who hung up or ran out of time; its staging is finished or cancelled."""
        staging = caller.staging
        if caller.state is CallerState.GONE or staging is None:  # answered, or cancelled twice
            return
        if self._finish:
            self._enter(staging, StagingState.LEFT)
            return
        running = staging.running
        self._enter(staging, StagingState.OVER)
        if running is not None:
            running.cancel()

    def _stage(self, caller: WaitingCaller, call: Call) -> None:
        staging = Staging(call)
        caller.state = CallerState.OWN_STAGING
        self._enter(staging, StagingState.WAITED_FOR, caller)
        staging.running = self._stager.start_staging(call, partial(self._decided, staging))

    def _take_over(self, caller: WaitingCaller, staging: Staging) -> None:
        caller.state = CallerState.TAKEN_OVER
        self._enter(staging, StagingState.WAITED_FOR, caller)
        caller.timer = self._clock.call_later(caller.call.deadline, self._time_out, caller)

    def _time_out(self, caller: WaitingCaller) -> None:
        self.leave(caller)
        caller.done(decide(TimedOut.after(caller.call.deadline)))

    def _decided(self, staging: Staging, decision: Decision) -> None:
        """Answer the waiting caller; without one, reserve the staged call."""
        if isinstance(decision, Forward):
            decision = replace(decision, staged_at=self._clock.time())
        caller = staging.caller
        taken_over = caller is not None and caller.state is CallerState.TAKEN_OVER
        self._enter(staging, StagingState.OVER)
        if caller is None:
            if isinstance(decision, Forward):
                self.return_unused(staging.call, decision)
        elif not taken_over:
            caller.done(decision)
        elif isinstance(decision, Forward):
            self._notify(StagingClaimed(caller.call, decision.staged_id, staging.call.call_id))
            caller.done(decision)
        else:
            self._stage_again(caller, decision)

    def _stage_again(self, caller: WaitingCaller, refusal: Refusal) -> None:
        """Stage a call whose taken-over staging failed, if there is time; else refuse it."""
        # The staging had the first caller's deadline: that it failed, by a timeout above all, says
        # little about this caller, who has time left.  A stopping program would refuse it again.
        left = caller.until - self._clock.time()
        if refusal.cause != StagingOutcome.STOPPED and fits(0.0, left):
            self._stage(caller, caller.call._replace(deadline=left))
        else:
            caller.done(refusal)

    def _enter(
        self, staging: Staging, state: StagingState, caller: WaitingCaller | None = None
    ) -> None:
        """Move a staging to a state; links between stagings and callers change only here."""
        if staging.state is StagingState.LEFT:
            self._left.discard(staging.call, staging)
        if staging.caller is not None:
            staging.caller.detach()
        staging.state, staging.caller = state, caller
        if caller is not None:
            caller.staging = staging
        if state is StagingState.LEFT:
            self._left.add(staging.call, staging)
        elif state is StagingState.OVER:
            staging.running = None  # its frame, even that of a cancelled task, refers to us
