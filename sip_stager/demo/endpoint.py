"""The user agent behind the built-in caller and agent.

It uses the proxy's own transaction layer, which retransmits for it (RFC 3261 17).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, cast

from sip_stager.model.flow import Flow
from sip_stager.sip.identifiers import Identifiers
from sip_stager.sip.parser import parse
from sip_stager.sip.responses import make_response
from sip_stager.sip.uri import parse_address
from sip_stager.transaction.base import Context
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.reporter import MessageReporter
from sip_stager.transaction.timers import LaneClock, Timers
from sip_stager.transport.listeners import Sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.sip.message import Request, Response
    from sip_stager.sip.responses import Extra
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.non_invite_server import ServerTransaction

HOST = "127.0.0.1"

SDP = (
    f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=demo\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=inactive\r\n"
)
"""An inactive audio stream: the demo shows signalling, and sends no media (RFC 3264 5.1)."""

_ALLOW = (b"Allow", b"INVITE, ACK, CANCEL, BYE, OPTIONS")


@dataclass(frozen=True, slots=True)
class Dialog:
    """The state of a dialog at one end (RFC 3261 12).

    ``local`` and ``remote`` are the From and To of the next request, with their tags;
    ``invite_cseq`` is the number in the CSeq of the INVITE.
    """

    call_id: bytes
    invite_cseq: int
    local: bytes
    remote: bytes
    target: bytes
    routes: tuple[bytes, ...]

    @property
    def next_hop(self) -> Flow:
        """Where the next request is sent: the first proxy of the route set."""
        uri = parse_address(self.routes[0] if self.routes else self.target).uri
        return Flow("UDP", uri.host, uri.port or 5060)


def make_dialog(
    message: Request | Response, local: bytes, remote: bytes, routes: list[bytes]
) -> Dialog:
    """Return the dialog that an INVITE or its 2xx creates; its Contact is the target."""
    target = parse_address(message.value(b"contact") or b"").uri.text
    return Dialog(message.call_id, message.cseq[0], local, remote, target, tuple(routes))


class Conversation(Protocol):
    """A call that an endpoint takes part in; ``hung_up`` is set by the other side's BYE."""

    hung_up: asyncio.Event


class Endpoint:
    """A SIP user agent on a free UDP port of a host (``async with`` opens and closes it).

    ``conversations`` are its calls by Call-ID.
    """

    conversations: Mapping[bytes, Conversation]

    def __init__(self, user: str, host: str = HOST) -> None:
        self.host = host
        self.loop = asyncio.get_running_loop()
        self.identifiers = Identifiers(os.urandom(32))
        self.port = 0
        self._user = user
        self._sockets = Sockets(self.loop, lambda _: None)
        context = Context(
            LaneClock(self.loop),
            self._sockets,
            lambda _: None,
            MessageReporter(lambda _: None),
            Timers(),
        )
        self._layer = TransactionLayer(context)
        self._layer.attach(self)
        self._sockets.attach(self._layer.receive_message)

    async def __aenter__(self) -> Self:
        self.port = await self._sockets.listen("UDP", (self.host, 0), 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sockets.close()

    @property
    def contact(self) -> str:
        """The Contact header field."""
        return f"Contact: <{self.uri}>"

    @property
    def uri(self) -> str:
        """The SIP URI of this endpoint."""
        return f"sip:{self._user}@{self.host}:{self.port}"

    def build_request(self, method: str, uri: str, fields: list[str], body: str = "") -> Request:
        """Return a request with this endpoint's Via."""
        branch = self.identifiers.branch().decode()
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport",
            "Max-Forwards: 70",
            *fields,
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return cast("Request", parse(("\r\n".join(lines) + "\r\n\r\n" + body).encode()))

    def build_in_dialog(self, dialog: Dialog, method: str, number: int) -> Request:
        """Return a request within a dialog, with ``number`` in its CSeq (RFC 3261 12.2.1.1)."""
        fields = [
            *(f"Route: {route.decode()}" for route in dialog.routes),
            f"From: {dialog.local.decode()}",
            f"To: {dialog.remote.decode()}",
            f"Call-ID: {dialog.call_id.decode()}",
            f"CSeq: {number} {method}",
        ]
        return self.build_request(method, dialog.target.decode(), fields)

    def send_request(self, request: Request, flow: Flow) -> None:
        """Send a request other than INVITE, and retransmit it until it is answered."""
        self._layer.start_request(bytes(request), request.method, request.branch, flow)

    def send_invite(self, invite: Request, flow: Flow, user: ClientUser) -> None:
        """Send an INVITE, and retransmit it until a response; ``user`` receives the responses."""
        self._layer.start_invite(bytes(invite), invite.branch, flow, user)

    def send_ack(self, dialog: Dialog) -> None:
        """Send the ACK of a 2xx."""
        ack = self.build_in_dialog(dialog, "ACK", dialog.invite_cseq)
        self._layer.send_ack(bytes(ack), dialog.next_hop)

    def build_response(
        self, request: Request, status: int, tag: bytes = b"", extra: Extra = ()
    ) -> Response:
        """Return a response; one that creates a dialog has Contact and Record-Route."""
        response = make_response(request, status, tag or self.identifiers.tag(), (_ALLOW, *extra))
        if request.method != b"INVITE" or status >= 300:
            return response
        for name, field in reversed(list(zip(request.names, request.fields, strict=True))):
            if name == b"record-route":  # all of them, in the same order (RFC 3261 12.1.1)
                response = response.with_first(name, field)
        response = response.with_first(b"contact", self.contact.encode())
        return _with_sdp(response) if status == 200 else response

    def receive_invite(
        self, invite: Request, _source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Refuse the call; the agent overrides this."""
        transaction.respond(self.build_response(invite, 405))

    def receive_request(
        self, request: Request, _source: Flow, transaction: ServerTransaction
    ) -> None:
        """Answer BYE and OPTIONS; refuse all other methods."""
        if request.method == b"BYE":
            conversation = self.conversations.get(request.call_id)
            transaction.respond(self.build_response(request, 200 if conversation else 481))
            if conversation:
                conversation.hung_up.set()
            return
        status = 200 if request.method == b"OPTIONS" else 405
        transaction.respond(self.build_response(request, status))

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Ignore the ACK of a 2xx; the agent overrides this."""

    def receive_cancel(
        self,
        cancel: Request,
        _source: Flow,
        transaction: ServerTransaction,
        _invite: InviteServerTransaction | None,
    ) -> None:
        """Answer a CANCEL without an INVITE (RFC 3261 9.2)."""
        transaction.respond(self.build_response(cancel, 481))


def _with_sdp(response: Response) -> Response:
    response = response.without(b"content-length")
    response = response.with_last(b"content-type", b"Content-Type: application/sdp")
    response = response.with_last(b"content-length", b"Content-Length: %d" % len(SDP))
    response.body = SDP.encode()
    return response
