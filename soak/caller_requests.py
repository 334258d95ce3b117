"""The requests that the caller of one call sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.messages import Message, format_message

if TYPE_CHECKING:
    from soak.call_plan import CallPlan

_SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
_LARGE = _SDP + b"a=note:" + b"x" * 1500 + b"\r\n"


class CallerRequests:
    """Formats requests; ``via`` is the Via without its branch: "SIP/2.0/UDP host:port"."""

    def __init__(self, plan: CallPlan, call_id: bytes, via: bytes) -> None:
        self.body = _LARGE if plan.large else _SDP
        self._plan, self._call_id, self._via = plan, call_id, via
        self._uri = b"sip:%b@edge.invalid" % plan.number.encode()
        self._branches = 0

    def new_branch(self) -> bytes:
        """Return a new branch."""
        self._branches += 1
        return b"z9hG4bK%d-%d" % (self._plan.index, self._branches)

    def invite(self, branch: bytes) -> bytes:
        """Return the INVITE."""
        fields = self._fields(b"INVITE", 1, branch, b"<%b>" % self._uri)
        return format_message(
            b"INVITE %b SIP/2.0" % self._uri, [*fields, self._contact()], self.body
        )

    def cancel(self, branch: bytes) -> bytes:
        """Return the CANCEL of the INVITE."""
        fields = self._fields(b"CANCEL", 1, branch, b"<%b>" % self._uri)
        return format_message(b"CANCEL %b SIP/2.0" % self._uri, fields)

    def ack(self, branch: bytes, refusal: Message) -> bytes:
        """Return the ACK of a refusal, which is hop by hop (RFC 3261 17.1.1.3)."""
        fields = self._fields(b"ACK", 1, branch, refusal.value(b"to"))
        return format_message(b"ACK %b SIP/2.0" % self._uri, fields)

    def in_dialog(self, accepted: Message, method: bytes, number: int, branch: bytes) -> bytes:
        """Return a request in the dialog of the 2xx ``accepted`` (RFC 3261 12.2.1.1)."""
        fields = self._fields(method, number, branch, accepted.value(b"to"))
        fields += [(b"Route", route) for route in accepted.record_routes[::-1]]
        if method == b"INVITE":
            fields.append(self._contact())
        return format_message(b"%b %b SIP/2.0" % (method, accepted.contact), fields)

    def _contact(self) -> tuple[bytes, bytes]:
        host = self._via.partition(b" ")[2]
        transport = self._plan.transport.lower().encode()
        return b"Contact", b"<sip:caller@%b;transport=%b>" % (host, transport)

    def _fields(
        self, method: bytes, number: int, branch: bytes, to: bytes
    ) -> list[tuple[bytes, bytes]]:
        return [
            (b"Via", b"%b;branch=%b;rport" % (self._via, branch)),
            (b"Max-Forwards", b"70"),
            (b"From", b"<sip:+33123456789@127.0.0.1>;tag=caller-%d" % self._plan.index),
            (b"To", to),
            (b"Call-ID", self._call_id),
            (b"CSeq", b"%d %b" % (number, method)),
        ]
