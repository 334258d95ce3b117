"""The report of a new call: what observers learn of it, and what became of its staged id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.events import (
    CallEnded,
    CallRefused,
    CallRinging,
    CallTreated,
    InviteForwarded,
    StagingWasted,
)
from sip_stager.model.call import MAX_STAGED_ID_AGE, Call, Forward
from sip_stager.model.vocabulary import CallOutcome, StagingOutcome, WasteReason
from sip_stager.ports import Clock, Notify
from sip_stager.proxy.branch import Branch
from sip_stager.sip.message import Request, Response

if TYPE_CHECKING:
    from sip_stager.model.call import Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.model.vocabulary import TreatmentKind
    from sip_stager.proxy.request_forwarding import Routed

_WASTE_REASONS = {
    CallOutcome.REJECTED: WasteReason.REJECTED,
    CallOutcome.CANCELLED: WasteReason.CANCELLED,
    CallOutcome.STOPPED: WasteReason.STOPPED,
}
"""The reason why an id was sent in vain, by the outcome of the call; UNANSWERED for all others."""


@dataclass(eq=False, slots=True)
class CallReport:
    """Reports what becomes of the call that an INVITE begins, which came at ``started_at``.

    ``now`` returns the seconds of a precise clock.  ``own_ringing``, ``ringing`` and ``cancelled``
    are the seconds from the start to our first 18x, to the upstream's, and to the caller's CANCEL.

    ``forward`` is the staged call, or None.  ``return_unused`` returns it to the stager if no
    target has used it.  ``users`` are the branches that got its id, without those that certainly
    did not use it; ``sent_id`` is the id, empty until a branch got it.  ``id_withheld`` is True if
    the last target was tried without the id.  ``received`` is the last final response of a target,
    and ``cancel`` the caller's CANCEL.
    """

    clock: Clock
    notify: Notify
    now: Callable[[], float]
    call: Call
    started_at: float
    own_ringing: float | None = None
    forward: Forward | None = None
    return_unused: Callable[[], None] | None = None
    users: set[Branch] = field(default_factory=set)
    sent_id: str = ""
    id_withheld: bool = False
    attempts: int = 0
    ringing: float | None = None
    received: Response | None = None
    cancel: Request | None = None
    cancelled: float | None = None

    def elapsed(self) -> float:
        """Return the seconds since the INVITE came."""
        return self.now() - self.started_at

    def with_usable_id(self, routed: Routed, *, one_platform: bool) -> Routed:
        """Return a further target, with the id unless that is too old, or may be in use.

        It may be in use at a target that got a CANCEL and has not ended: with the same id another
        platform could have the agent answer twice, unless all are ``one_platform``.  The first
        target gets the id in any case: staging hands out none that is too old.
        """
        forward = self.forward
        if forward is None:
            return routed
        expired = self.clock.time() > forward.staged_at + MAX_STAGED_ID_AGE
        in_use = not one_platform and any(user.may_be_in_use for user in self.users)
        self.id_withheld = expired or in_use
        return routed._replace(staged_id="" if self.id_withheld else forward.staged_id)

    def report_treated(self, attempt: Call, failure: Refusal, kind: TreatmentKind) -> None:
        """Report the treatment of a call that an attempt did not stage."""
        cause, text = failure.cause, failure.text
        self.notify(CallTreated(attempt, cause, kind, text, self.elapsed()))

    def report_own_ringing(self, status: int) -> None:
        """Report the first ringing of our own."""
        if self.own_ringing is None:
            self.own_ringing = self.elapsed()
            self.notify(CallRinging(self.call, status, self.own_ringing, local=True))

    def report_internal_error(self, sent: Response) -> None:
        """Report the response to a call for which our own code raised."""
        call, cause, reason = self.call, StagingOutcome.INTERNAL_ERROR, sent.reason.decode()
        what = call.call_id, call.trunk, sent.status, cause, "", self.elapsed(), reason
        self.notify(CallRefused(*what, call=call))

    def report_forwarded(self, branch: Branch, target: Flow) -> None:
        """Report that the INVITE was sent to a target, and with which id."""
        self.attempts += 1
        staged_id = ""
        if self.forward is not None and not self.id_withheld:
            self.users.add(branch)
            staged_id = self.sent_id = self.forward.staged_id
        event = InviteForwarded(self.call, staged_id, target, self.elapsed(), self.attempts)
        self.notify(event)

    def report_ringing(self, status: int) -> None:
        """Report the first ringing of the call."""
        if self.ringing is not None or status < 180:
            return
        self.ringing = self.elapsed()
        if self.own_ringing is None:
            self.notify(CallRinging(self.call, status, self.ringing))

    def note_cancel(self, cancel: Request) -> None:
        """Remember the caller's CANCEL for the report."""
        self.cancel, self.cancelled = cancel, self.elapsed()

    def report_ended(self, outcome: CallOutcome, sent: Response, answered: Branch | None) -> None:
        """Report the end of the INVITE, and return or report a staged call that went unused.

        The event has the id that was sent; of an answered call only if the answering branch got it.
        """
        staged_id = (
            self.sent_id if outcome != CallOutcome.ANSWERED or answered in self.users else ""
        )
        event = CallEnded(
            self.call,
            staged_id,
            outcome,
            sent.status,
            self.elapsed(),
            sent,
            self.received,
            self.cancel,
            self.own_ringing,
            self.ringing,
            self.cancelled,
        )
        self.notify(event)
        if answered not in self.users:
            self._settle_unused(outcome)

    def _settle_unused(self, outcome: CallOutcome) -> None:
        """Return a staged call that no target used; report one that was sent in vain."""
        if self.forward is None or self.return_unused is None:
            return
        if not self.users:
            self.return_unused()
            return
        reason = _WASTE_REASONS.get(outcome, WasteReason.UNANSWERED)
        self.notify(StagingWasted(self.call, self.forward.staged_id, reason))
