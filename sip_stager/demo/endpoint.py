"""What the built-in caller and agent share: a UDP port on loopback, and how to speak from it.

They stand on the transaction layer of the proxy, which retransmits for them (RFC 3261 17).
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
from sip_stager.transaction.timers import Timers
from sip_stager.transport.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.sip.message import Message, Request, Response
    from sip_stager.sip.responses import Extra
    from sip_stager.transaction.base import ClientUser
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.server import ServerTransaction

HOST = "127.0.0.1"

SDP = (
    f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=demo\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=inactive\r\n"
)
"""The demo is about signalling: its ends agree on audio, and send none (RFC 3264 5.1)."""

_ALLOW = (b"Allow", b"INVITE, ACK, CANCEL, BYE, OPTIONS")


@dataclass(frozen=True, slots=True)
class Dialog:
    """What one end remembers of a call, to say more in it (RFC 3261 12).

    ``local`` and ``remote`` are the From and To of what is said next, with their tags; ``invite``
    is the number in the CSeq of its INVITE.
    """

    call_id: bytes
    invite: int
    local: bytes
    remote: bytes
    target: bytes
    routes: tuple[bytes, ...]

    @property
    def next_hop(self) -> Flow:
        """Where it goes: to the proxy, which put itself into the Record-Route."""
        uri = parse_address(self.routes[0] if self.routes else self.target).uri
        return Flow("UDP", uri.host, uri.port or 5060)


def dialog_of(message: Message, local: bytes, remote: bytes, routes: list[bytes]) -> Dialog:
    """Make the dialog that an INVITE or its 2xx begins; its Contact is the target."""
    target = parse_address(message.value(b"contact") or b"").uri.text
    return Dialog(message.call_id, message.cseq[0], local, remote, target, tuple(routes))


class Conversation(Protocol):
    """A call that an endpoint takes part in, until the other side hangs up."""

    hung_up: asyncio.Event


class Endpoint:
    """A SIP user agent on a free UDP port of a host (``async with`` opens and closes it).

    ``conversations`` are its calls by their Call-ID.
    """

    conversations: Mapping[bytes, Conversation]

    def __init__(self, user: str, host: str = HOST) -> None:
        self.host = host
        self.loop = asyncio.get_running_loop()
        self.identifiers = Identifiers(os.urandom(32))
        self.port = 0
        self._user = user
        self._sockets = Sockets(self.loop, lambda _: None)
        context = Context(self.loop, self._sockets, lambda _: None, Timers())
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
        """The SIP URI that leads here."""
        return f"sip:{self._user}@{self.host}:{self.port}"

    def compose(self, method: str, uri: str, fields: list[str], body: str = "") -> Request:
        """Make a request with a Via of ours."""
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

    def in_dialog(self, dialog: Dialog, method: str, number: int) -> Request:
        """Make a request of a dialog; ``number`` goes into its CSeq (RFC 3261 12.2.1.1)."""
        fields = [
            *(f"Route: {route.decode()}" for route in dialog.routes),
            f"From: {dialog.local.decode()}",
            f"To: {dialog.remote.decode()}",
            f"Call-ID: {dialog.call_id.decode()}",
            f"CSeq: {number} {method}",
        ]
        return self.compose(method, dialog.target.decode(), fields)

    def ask(self, request: Request, flow: Flow) -> None:
        """Send a request that is no INVITE again and again until it is answered."""
        self._layer.start_request(request, request.branch, flow)

    def invite(self, invite: Request, flow: Flow, user: ClientUser) -> None:
        """Send an INVITE again and again until it is heard; ``user`` hears the answers."""
        self._layer.start_invite(invite, invite.branch, flow, user)

    def acknowledge(self, dialog: Dialog) -> None:
        """Send the ACK of a 2xx."""
        self._layer.send_ack(self.in_dialog(dialog, "ACK", dialog.invite), dialog.next_hop)

    def answer(
        self, request: Request, status: int, tag: bytes = b"", extra: Extra = ()
    ) -> Response:
        """Make an answer; one that begins a dialog, or is to, holds Contact and Record-Route."""
        response = make_response(request, status, tag or self.identifiers.tag(), (_ALLOW, *extra))
        if request.method != b"INVITE" or status >= 300:
            return response
        for name, field in reversed(list(zip(request.names, request.fields, strict=True))):
            if name == b"record-route":  # in their order: RFC 3261 12.1.1
                response = response.with_first(name, field)
        response = response.with_first(b"contact", self.contact.encode())
        return _with_sdp(response) if status == 200 else response

    def receive_invite(
        self, invite: Request, _source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Take no calls."""
        transaction.respond(self.answer(invite, 405))

    def receive_request(
        self, request: Request, _source: Flow, transaction: ServerTransaction
    ) -> None:
        """Take a BYE, and answer what neither end of the demo has a use for."""
        if request.method == b"BYE":
            over = self.conversations.get(request.call_id)
            transaction.respond(self.answer(request, 200 if over else 481))
            if over:
                over.hung_up.set()
            return
        status = 200 if request.method == b"OPTIONS" else 405
        transaction.respond(self.answer(request, status))

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Take the ACK of a 2xx."""

    def receive_cancel(
        self,
        cancel: Request,
        transaction: ServerTransaction,
        _invite: InviteServerTransaction | None,
    ) -> None:
        """Answer a CANCEL of nothing (RFC 3261 9.2)."""
        transaction.respond(self.answer(cancel, 481))


def _with_sdp(response: Response) -> Response:
    response = response.without(b"content-length")
    response = response.with_last(b"content-type", b"Content-Type: application/sdp")
    response = response.with_last(b"content-length", b"Content-Length: %d" % len(SDP))
    response.body = SDP.encode()
    return response
