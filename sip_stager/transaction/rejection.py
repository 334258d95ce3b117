"""Messages that reach no transaction: rejected without one (RFC 3261 8.2.7), or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import MessageDropped
from sip_stager.model.vocabulary import DropCause
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.identifiers import tag_of
from sip_stager.sip.parser import check_request
from sip_stager.sip.responses import make_response, response_flow, warning_field

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request
    from sip_stager.transaction.base import Context


class Rejection:
    """Rejects invalid requests, and reports messages that are dropped."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def is_valid(self, request: Request, source: Flow) -> bool:
        """Return True if a request is valid; else it is rejected here."""
        try:
            check_request(request)
        except Malformed as fault:
            self.reject(request, source, fault)
            return False
        return True

    def reject(self, request: Request, source: Flow, fault: Malformed) -> None:
        """Reject an invalid request without a transaction (RFC 3261 8.2.7)."""
        self.drop(source, DropCause.MALFORMED, str(fault), request.call_id_text)
        if b"ACK" not in {request.method, request.cseq_method}:
            extra = (warning_field(str(fault)),)
            response = make_response(request, fault.status, tag_of(request), extra)
            flow = response_flow(request.top_via, source)
            self._context.send_response(bytes(response), request.method, fault.status, flow)

    def drop_old_repeat(self, request: Request, source: Flow) -> None:
        """Drop a repeat of a request that is over; its branch has a later request now."""
        detail = f"a repeated {request.method.decode('ascii', 'backslashreplace')}"
        detail += f" with CSeq {request.cseq_number}, after a later one with its branch"
        self.drop(source, DropCause.OLD_REPEAT, detail, request.call_id_text)

    def drop(self, source: Flow, cause: DropCause, detail: str, call_id: str = "") -> None:
        """Report a message that is dropped."""
        self._context.notify(MessageDropped(source, cause, detail, call_id))
