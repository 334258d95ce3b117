"""A new call on its way: what was staged for it, and which of its targets may have used that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.events import CallEnded, CallRinging, InviteForwarded, StagingWasted
from sip_stager.model.call import MAX_STAGED_ID_AGE
from sip_stager.model.vocabulary import CallOutcome, WasteReason
from sip_stager.proxy.forwarding import CALL_ID_FIELD, staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call, Forward
    from sip_stager.model.flow import Flow
    from sip_stager.proxy.branch import Branch
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed

_IN_VAIN = {
    CallOutcome.REJECTED: WasteReason.REJECTED,
    CallOutcome.CANCELLED: WasteReason.CANCELLED,
    CallOutcome.STOPPED: WasteReason.STOPPED,
}
"""Why an id was sent in vain, by the outcome of its call; in all else nobody answered."""


@dataclass(eq=False, slots=True)
class NewCall:
    """The call that an INVITE begins, when that came, and whether the caller has heard it ring.

    ``forward`` is what was staged, None where nothing was; ``return_unused`` takes it where nobody
    has used it.  ``users`` are the branches that it went to, but for those that surely did not use
    it; ``sent`` is the id, empty until any got it.
    """

    facilities: Facilities
    call: Call
    began: float
    rung: bool = False
    forward: Forward | None = None
    return_unused: Callable[[], None] | None = None
    users: set[Branch] = field(default_factory=set)
    sent: str = ""
    late: bool = False
    attempts: int = 0

    def fit(self, routed: Routed) -> Routed:
        """Give a further target as it may be tried now: without an id that may be forgotten.

        The first one has it in any case: whoever handed it over has seen to its life.
        """
        now = self.facilities.clock.time()
        if self.forward is not None and now > self.forward.staged_at + MAX_STAGED_ID_AGE:
            self.late = True
            return without_id(routed)
        return routed

    def forwarded(self, branch: Branch, target: Flow) -> None:
        """Tell that the INVITE left for a target, and with which id."""
        self.attempts += 1
        staged_id = ""
        if self.forward is not None and not self.late:
            self.users.add(branch)
            staged_id = self.sent = self.forward.staged_id
        event = InviteForwarded(self.call, staged_id, target, self._elapsed(), self.attempts)
        self.facilities.notify(event)

    def heard(self, status: int) -> None:
        """Tell of the first ringing that the caller hears."""
        if not self.rung and status >= 180:
            self.rung = True
            self.facilities.notify(CallRinging(self.call, status, self._elapsed()))

    def ended(self, outcome: CallOutcome, status: int, answered: Branch | None) -> None:
        """Tell the end, with the id that was sent, and if it was answered, to who answered."""
        staged_id = self.sent if outcome != CallOutcome.ANSWERED or answered in self.users else ""
        self.facilities.notify(CallEnded(self.call, staged_id, outcome, status, self._elapsed()))
        if answered not in self.users:
            self._not_answered(outcome)

    def _not_answered(self, outcome: CallOutcome) -> None:
        """Give back what nobody has used; tell of what was sent to targets that did not answer."""
        if self.forward is None or self.return_unused is None:
            return
        if not self.users:
            self.return_unused()
            return
        reason = _IN_VAIN.get(outcome, WasteReason.UNANSWERED)
        self.facilities.notify(StagingWasted(self.call, self.forward.staged_id, reason))

    def _elapsed(self) -> float:
        return self.facilities.now() - self.began


def with_id(routed: Routed, staged_id: str) -> Routed:
    """Give a target that is told of the staged call."""
    return routed._replace(request=staged(routed.request, staged_id))


def without_id(routed: Routed) -> Routed:
    """Give a target that is told of none, whatever the caller wrote."""
    return routed._replace(request=routed.request.without(CALL_ID_FIELD))
