"""Staged calls that were not used, kept for who calls again: pure, with time as a port.

A staged call can not be given back to the API, and lives a minute there.  It is claimed once, by a
call that is the same to the agent: the second INVITE after a challenge, a carrier's second attempt,
a caller who redials.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from sip_stager.events import StagingClaimed, StagingWasted
from sip_stager.ports import Forward

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sip_stager.ports import Call, Cancellable, Clock, Decision, Notify

MOST_KEPT = 1_000
"""Staged calls that wait to be claimed; past them the oldest is wasted."""


class Stages(Protocol):
    """Who really stages."""

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""

    def start(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Call ``done`` later, once."""


@dataclass(eq=False, slots=True)
class Kept:
    """A staged call that nobody uses, and its timer."""

    call: Call
    forward: Forward
    ends: Cancellable | None = None


@dataclass(eq=False, slots=True)
class Attempt:
    """A staging under way; without ``done`` its caller has hung up and nobody has taken it over."""

    claims: Claims
    call: Call
    done: Callable[[Decision], None] | None
    staging: Cancellable | None = None

    def cancel(self) -> None:
        """Hear that the caller hung up."""
        self.claims.left(self)

    def decided(self, decision: Decision) -> None:
        """Hear what the stager says."""
        self.claims.decided(self, decision)


@dataclass(eq=False, slots=True)
class Claimed:
    """A kept call on its way to the call that claimed it."""

    claims: Claims
    call: Call
    forward: Forward
    timer: Cancellable | None = None

    def cancel(self) -> None:
        """Hear that the caller hung up at once; it is kept again."""
        if self.timer is not None:
            self.timer.cancel()
            self.claims.give_back(self.call, self.forward)


class Claims:
    """A stager (``ports.Stager``) that keeps what was staged in vain.

    ``life`` is how long a staged call may be claimed, in seconds from its staging, 0 for never;
    with ``finish`` a staging whose caller hangs up is brought to its end and kept.
    """

    def __init__(
        self, stager: Stages, clock: Clock, notify: Notify, life: float = 45.0, *, finish: bool
    ) -> None:
        self._stager = stager
        self._clock = clock
        self._notify = notify
        self._life = life
        self._finish = finish and life > 0
        self._kept: dict[Hashable, deque[Kept]] = {}
        self._left: dict[Hashable, deque[Attempt]] = {}
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""
        return self._stager.waiting

    @property
    def kept(self) -> int:
        """How many staged calls wait to be claimed."""
        return self._count

    def start(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Claim what is kept, take over what is being staged for nobody, or stage."""
        key = _key(call)
        if (kept := self._taken(key)) is not None:
            return self._hand_over(call, kept.forward, done)
        if attempts := self._left.get(key):
            attempt = attempts.popleft()
            if not attempts:
                del self._left[key]
            attempt.done = done
            return attempt
        attempt = Attempt(self, call, done)
        attempt.staging = self._stager.start(call, attempt.decided)
        return attempt

    def give_back(self, call: Call, forward: Forward) -> None:
        """Keep a staged call that was not used, for as long as it may still be claimed."""
        left = self._life - (self._clock.time() - forward.staged_at)
        if left <= 0:
            self._notify(StagingWasted(call, forward.call_id))
            return
        key = _key(call)
        if self._count >= MOST_KEPT:
            oldest = next(iter(self._kept))
            self._waste(oldest, self._kept[oldest][0])
        kept = Kept(call, forward)
        kept.ends = self._clock.call_later(left, self._waste, key, kept)
        self._kept.setdefault(key, deque()).append(kept)
        self._count += 1

    def left(self, attempt: Attempt) -> None:
        """Hear that the caller of a staging hung up."""
        attempt.done = None
        if self._finish:
            self._left.setdefault(_key(attempt.call), deque()).append(attempt)
        elif attempt.staging is not None:
            attempt.staging.cancel()
            attempt.staging = None  # a task that was cancelled holds a frame that leads to us

    def decided(self, attempt: Attempt, decision: Decision) -> None:
        """Tell who waits for a staging, or keep it where nobody does."""
        attempt.staging = None
        if isinstance(decision, Forward):
            decision = replace(decision, staged_at=self._clock.time())
        if attempt.done is not None:
            attempt.done(decision)
            return
        self._forget(attempt)
        if isinstance(decision, Forward):
            self.give_back(attempt.call, decision)

    def _hand_over(self, call: Call, forward: Forward, done: Callable[[Decision], None]) -> Claimed:
        self._notify(StagingClaimed(call, forward.call_id))
        claimed = Claimed(self, call, forward)

        def told() -> None:
            claimed.timer = None
            done(forward)

        claimed.timer = self._clock.call_later(0.0, told)
        return claimed

    def _forget(self, attempt: Attempt) -> None:
        key = _key(attempt.call)
        attempts = self._left.get(key)
        if attempts and attempt in attempts:
            attempts.remove(attempt)
            if not attempts:
                del self._left[key]

    def _taken(self, key: Hashable) -> Kept | None:
        """Take the one out that was kept first, so that each is claimed once."""
        kept = self._kept.get(key)
        if not kept:
            return None
        first = kept[0]
        self._take_out(key, first)
        return first

    def _take_out(self, key: Hashable, kept: Kept) -> None:
        same = self._kept[key]
        same.remove(kept)
        if not same:
            del self._kept[key]
        self._count -= 1
        if kept.ends is not None:
            kept.ends.cancel()

    def _waste(self, key: Hashable, kept: Kept) -> None:
        """Give one up: of several of one key each has its own time."""
        self._take_out(key, kept)
        self._notify(StagingWasted(kept.call, kept.forward.call_id))


def _key(call: Call) -> Hashable:
    """Give what makes two calls one to the agent, by a mapping that did not change meanwhile."""
    variables = tuple(sorted(call.variables.items()))
    called = call.to_number, call.agent_id, call.generation
    return call.trunk, call.from_number, *called, variables
