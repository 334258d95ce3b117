"""The store of staged calls that nobody uses: pure, with time as a port."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.events import StagingClaimed, StagingWasted
from sip_stager.model.vocabulary import WasteReason
from sip_stager.staging.call_queue import CallQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call, Decision, Forward
    from sip_stager.ports import Cancellable, Clock, Notify

MAX_RESERVED = 1_000
"""Staged calls that wait to be claimed; past them the one that waits longest is wasted."""


@dataclass(eq=False, slots=True)
class ReservedCall:
    """A staged call that nobody uses, and its timer."""

    call: Call
    forward: Forward
    ends: Cancellable | None = None


@dataclass(eq=False, slots=True)
class ClaimedCall:
    """A kept one on its way to the call that claimed it."""

    store: ReservedCalls
    kept: ReservedCall
    call: Call
    done: Callable[[Decision], None]
    timer: Cancellable | None = None

    def cancel(self) -> None:
        """Hear that the caller hung up at once; it is kept again."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.store.keep(self.kept.call, self.kept.forward)

    def tell(self) -> None:
        """Hand it over, and say so: not before, for who hangs up at once has used nothing."""
        self.timer = None
        self.store.handed_over(self.kept, self.call)
        self.done(self.kept.forward)


class ReservedCalls:
    """Keeps each until it is claimed, or wastes it ``life`` seconds after its staging."""

    def __init__(self, clock: Clock, notify: Notify, life: float) -> None:
        self._clock = clock
        self._notify = notify
        self._life = life
        self._late = WasteReason.UNCLAIMED  # why that is wasted which comes too late to be kept
        self._all: OrderedDict[ReservedCall, None] = OrderedDict()
        self._alike = CallQueue[ReservedCall]()

    def __len__(self) -> int:
        return len(self._all)

    def keep(self, call: Call, forward: Forward) -> None:
        """Keep one for what is left of its life."""
        now, until = self._clock.time(), forward.staged_at + self._life
        if now >= until:
            self._notify(StagingWasted(call, forward.staged_id, self._late))
            return
        if len(self._all) >= MAX_RESERVED:
            self._waste(next(iter(self._all)), WasteReason.STORE_FULL)
        kept = ReservedCall(call, forward)
        kept.ends = self._clock.call_later(until - now, self._waste, kept)
        self._all[kept] = None
        self._alike.add(call, kept)

    def has(self, call: Call) -> bool:
        """Tell whether one waits for such a call."""
        return self._alike.first(call) is not None

    def claim(self, call: Call, done: Callable[[Decision], None]) -> ClaimedCall | None:
        """Hand over, later, the one that waits longest for such a call."""
        while (kept := self._alike.first(call)) is not None and self._is_late(kept):
            self._waste(kept)
        if kept is None:
            return None
        self._take_out(kept)
        claimed = ClaimedCall(self, kept, call, done)
        claimed.timer = self._clock.call_later(0.0, claimed.tell)
        return claimed

    def handed_over(self, kept: ReservedCall, call: Call) -> None:
        """Tell that a call has what was kept."""
        self._notify(StagingClaimed(call, kept.forward.staged_id, kept.call.call_id))

    def stop(self) -> None:
        """Waste all that is kept, and all that comes."""
        self._life, self._late = 0.0, WasteReason.STOPPED
        for kept in tuple(self._all):
            self._waste(kept, self._late)

    def _is_late(self, kept: ReservedCall) -> bool:
        """Tell whether the timer of one is late, as it may be where the program is busy."""
        return self._clock.time() > kept.forward.staged_at + self._life

    def _waste(self, kept: ReservedCall, reason: WasteReason = WasteReason.UNCLAIMED) -> None:
        self._take_out(kept)
        self._notify(StagingWasted(kept.call, kept.forward.staged_id, reason))

    def _take_out(self, kept: ReservedCall) -> None:
        del self._all[kept]
        self._alike.discard(kept.call, kept)
        if kept.ends is not None:
            kept.ends.cancel()
