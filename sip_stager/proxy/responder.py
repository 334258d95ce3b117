"""Responses of our own: with our To tag, and the refusals of INVITEs with their reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.events import CallRefused
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.ports import Notify
from sip_stager.proxy.callee_naming import CalleeNaming
from sip_stager.proxy.interfaces import Interfaces
from sip_stager.proxy.refusals import refusal_warning
from sip_stager.sip.identifiers import TAG_LENGTH, Identifiers
from sip_stager.sip.responses import (
    REASONS,
    Extra,
    make_early_response,
    make_response,
    warning_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call, Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Responder:
    """Makes our own responses, and refuses INVITEs."""

    interfaces: Interfaces
    identifiers: Identifiers
    notify: Notify
    naming: CalleeNaming | None = None

    def make_response(self, request: Request, status: int, extra: Extra = ()) -> Response:
        """Make a response of our own; an INVITE and its CANCEL get the same To tag (9.2)."""
        return make_response(request, status, self.tag(request), extra)

    def make_ringing(self, invite: Request, status: int, source: Flow) -> Response:
        """Make our own 180 or 183, in an early dialog that the callee's dialog supersedes."""
        contact = self.interfaces.contact(source.interface)
        return make_early_response(invite, status, self.tag(invite, b"ringing"), contact)

    def instead_of_503(self, request: Request) -> Response:
        """Return a 500 for a 503, which would say that this proxy is out of service (16.7)."""
        return self.make_response(
            request, 500, (warning_field("the next hop is out of service: 503"),)
        )

    def tag(self, request: Request, *kind: bytes) -> bytes:
        """Return the To tag of our responses to a request and its CANCEL; another one per kind.

        It is a keyed digest: the ACK of a response that we have forgotten is known by it.
        """
        parts = request.call_id, b"%d" % request.cseq[0], request.top_via.branch
        return self.identifiers.answer_tag(*parts, *kind)

    def is_of_refusal(self, ack: Request) -> bool:
        """Return True for the ACK of a response of ours that we have forgotten."""
        return len(ack.to_tag) == TAG_LENGTH and ack.to_tag == self.tag(ack)

    def refuse(
        self,
        invite: Request,
        respond: Callable[[Response], None],
        refusal: Refusal,
        trunk: str,
        elapsed: float,
        tag: bytes = b"",
        call: Call | None = None,
        own_ringing: float | None = None,
    ) -> None:
        """Refuse an INVITE and report it; the refusal's text is for the log alone.

        ``call`` is the INVITE's call, if it was admitted before, and ``own_ringing`` the seconds
        to our first 18x.
        """
        # A stranger learns neither the reason nor the name of this program.
        stranger = refusal.cause is RefusalCause.UNKNOWN_SOURCE
        extra = [] if stranger else [refusal_warning(refusal.cause, elapsed)]
        if refusal.retry_after is not None:
            extra.append((b"Retry-After", b"%d" % refusal.retry_after))
        reason = refusal.reason.encode("utf-8")
        tag = tag or self.tag(invite)
        respond(make_response(invite, refusal.status, tag, tuple(extra), reason))
        event = CallRefused(
            invite.call_id_text,
            trunk,
            refusal.status,
            refusal.cause,
            refusal.text,
            elapsed,
            refusal.reason,
            refusal.from_number,
            refusal.to_number,
            call,
            own_ringing,
        )
        self.notify(event)

    def report_invalid(self, invite: Request, status: int, extra: Extra) -> None:
        """Report a new INVITE that got an error response, with the words of its Warning."""
        warning = dict(extra).get(b"Warning", b"").decode("ascii", "backslashreplace")
        cause = RefusalCause.INVALID_REQUEST
        reason = REASONS.get(status, b"").decode()
        self.notify(CallRefused(invite.call_id_text, "", status, cause, warning, 0.0, reason))
