"""The protocol by which a response context reports what becomes of a new call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sip_stager.model.call import Call
    from sip_stager.model.flow import Flow
    from sip_stager.model.vocabulary import CallOutcome
    from sip_stager.proxy.branch import Branch
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.sip.message import Request, Response


class CallObserver(Protocol):
    """The record of a new call; an INVITE of a dialog has none.

    ``users`` are the branches that may have used the staged agent.  ``received`` is the last final
    response of a target, before any change of ours.
    """

    call: Call
    users: set[Branch]
    received: Response | None

    def with_usable_id(self, routed: Routed, *, one_platform: bool) -> Routed:
        """Return a further target, with the staged id unless that must not be sent again."""

    def report_forwarded(self, branch: Branch, target: Flow) -> None:
        """Report that the INVITE was sent to a target."""

    def report_ringing(self, status: int) -> None:
        """Report a provisional response that was passed back."""

    def note_cancel(self, cancel: Request) -> None:
        """Remember the caller's CANCEL for the report."""

    def report_ended(self, outcome: CallOutcome, sent: Response, answered: Branch | None) -> None:
        """Report the final response that was passed back."""
