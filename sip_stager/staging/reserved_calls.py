"""Staged calls that no call uses, reserved for the next call of the same identity.

A staged call cannot be returned to the API, where it lives for about a minute.  So one that was
not used waits here for a second INVITE after a challenge, a carrier's second attempt, or a caller
who redials.  All of it is pure: the clock is a port.

             reserve (before its time to live has ended)
                               |
                               v      time to live ended, store full, or stop
              +------------ RESERVED ------------------------------------> wasted
              |                ^
        claim |                | the claiming caller hangs up at once
              |                |
              +-----------> CLAIMED --------------------------------> handed over
                                       one turn of the loop later

A call's identity is what the agent is told of it: two calls with the same identity may use each
other's staged call.  Calls of one identity are served first in, first out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sip_stager.events import StagingClaimed, StagingWasted
from sip_stager.model.call import Call, Decision, Forward
from sip_stager.model.vocabulary import WasteReason
from sip_stager.ports import Cancellable

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.ports import Clock, Notify

MAX_RESERVED = 1_000
"""Reserved calls in the store; past them the oldest is wasted."""

T = TypeVar("T")


class CallQueue(Generic[T]):
    """A FIFO queue of items per call identity; every operation is O(1)."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, OrderedDict[T, None]] = {}

    def add(self, call: Call, item: T) -> None:
        """Append an item to the queue of a call's identity."""
        self._queues.setdefault(_identity(call), OrderedDict())[item] = None

    def first(self, call: Call) -> T | None:
        """Return the oldest item of a call's identity, None if there is none."""
        queue = self._queues.get(_identity(call))
        return next(iter(queue)) if queue else None

    def discard(self, call: Call, item: T) -> None:
        """Remove an item; harmless if it is not in the queue of the call's identity."""
        identity = _identity(call)
        if queue := self._queues.get(identity):
            queue.pop(item, None)
            if not queue:  # callers come from any number: an empty queue each would be a leak
                del self._queues[identity]

    def __bool__(self) -> bool:
        return bool(self._queues)


@dataclass(eq=False, slots=True)
class ReservedCall:
    """A staged call in the store, and the timer that ends its time to live."""

    call: Call
    forward: Forward
    expiry: Cancellable | None = None


@dataclass(eq=False, slots=True)
class ClaimedCall:
    """A reserved call on its way to the call that claimed it."""

    store: ReservedCalls
    reserved: ReservedCall
    call: Call
    done: Callable[[Decision], None]
    timer: Cancellable | None = None

    def cancel(self) -> None:
        """Reserve the call again: its caller hung up; harmless once it was handed over."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.store.reserve(self.reserved.call, self.reserved.forward)

    def hand_over(self) -> None:
        """Report the claim and answer the caller."""
        self.timer = None
        self.store.report_claim(self.reserved, self.call)
        self.done(self.reserved.forward)


class ReservedCalls:
    """A store where each call is claimed once, or wasted ``ttl`` seconds after its staging."""

    def __init__(self, clock: Clock, notify: Notify, ttl: float) -> None:
        self._clock = clock
        self._notify = notify
        self._ttl = ttl
        self._expiry_reason = WasteReason.UNCLAIMED
        self._by_age: OrderedDict[ReservedCall, None] = OrderedDict()
        self._by_identity = CallQueue[ReservedCall]()

    def __len__(self) -> int:
        return len(self._by_age)

    def reserve(self, call: Call, forward: Forward) -> None:
        """Store a staged call until its time to live ends; waste it at once if it has ended."""
        now, until = self._clock.time(), forward.staged_at + self._ttl
        if now >= until:
            self._notify(StagingWasted(call, forward.staged_id, self._expiry_reason))
            return
        if len(self._by_age) >= MAX_RESERVED:
            self._waste(next(iter(self._by_age)), WasteReason.STORE_FULL)
        reserved = ReservedCall(call, forward)
        reserved.expiry = self._clock.call_later(until - now, self._waste, reserved)
        self._by_age[reserved] = None
        self._by_identity.add(call, reserved)

    def has(self, call: Call) -> bool:
        """Return True if a call of the same identity is in the store."""
        return self._by_identity.first(call) is not None

    def claim(self, call: Call, done: Callable[[Decision], None]) -> ClaimedCall | None:
        """Claim the oldest call of the same identity; ``done`` is called later with it."""
        # A busy loop runs timers late: a call may still be here after its time to live.
        while (reserved := self._by_identity.first(call)) is not None and self._expired(reserved):
            self._waste(reserved)
        if reserved is None:
            return None
        self._remove(reserved)
        claimed = ClaimedCall(self, reserved, call, done)
        # Later, as a port never calls back before it has returned.  The claim is reported only
        # then, too: a caller who hangs up at once has used nothing.
        claimed.timer = self._clock.call_later(0.0, claimed.hand_over)
        return claimed

    def report_claim(self, reserved: ReservedCall, call: Call) -> None:
        """Report that ``call`` uses a reserved call."""
        self._notify(StagingClaimed(call, reserved.forward.staged_id, reserved.call.call_id))

    def stop(self) -> None:
        """Waste all calls in the store, and every call that is to be reserved from now on."""
        self._ttl, self._expiry_reason = 0.0, WasteReason.STOPPED
        for reserved in tuple(self._by_age):
            self._waste(reserved, self._expiry_reason)

    def _expired(self, reserved: ReservedCall) -> bool:
        # Not ">=" as in reserve(): a call may be claimed at the very end of its time to live,
        # which leaves the platform's minute a margin, but is not worth a place in the store.
        return self._clock.time() > reserved.forward.staged_at + self._ttl

    def _waste(self, reserved: ReservedCall, reason: WasteReason = WasteReason.UNCLAIMED) -> None:
        self._remove(reserved)
        self._notify(StagingWasted(reserved.call, reserved.forward.staged_id, reason))

    def _remove(self, reserved: ReservedCall) -> None:
        del self._by_age[reserved]
        self._by_identity.discard(reserved.call, reserved)
        if reserved.expiry is not None:
            reserved.expiry.cancel()


def _identity(call: Call) -> Hashable:
    # The generation is part of it: once a number's row has changed, it may mean another agent.
    variables = tuple(sorted(call.variables.items()))
    called = call.to_number, call.agent_id, call.generation
    return call.trunk, call.from_number, *called, variables
