"""Finds the transaction that a message belongs to (RFC 3261 17.1.3, 17.2.3, 18.1.2, 18.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sip_stager.events import MessageDropped, MessageReceived
from sip_stager.sip.fields import Malformed
from sip_stager.sip.message import Request, Response, parse
from sip_stager.sip.responses import make_response, quoted, response_flow
from sip_stager.sip.via import COOKIE
from sip_stager.transaction.client import ClientTransaction
from sip_stager.transaction.invite_client import InviteClientTransaction
from sip_stager.transaction.invite_server import InviteServerTransaction
from sip_stager.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.ports import Flow
    from sip_stager.transaction.base import ClientUser, Surroundings

Server = InviteServerTransaction | ServerTransaction
Client = InviteClientTransaction | ClientTransaction


class User(Protocol):
    """The transaction user: the proxy."""

    def receive_request(self, request: Request, source: Flow, transaction: Server) -> None:
        """Take a request that begins a transaction, CANCEL excepted."""

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Take an ACK that belongs to no transaction, or to a 2xx."""

    def receive_cancel(
        self, cancel: Request, transaction: ServerTransaction, invite: Server | None
    ) -> None:
        """Take a CANCEL, and the transaction that it means, None where nothing matches."""


class TransactionLayer:
    """Holds the transactions that are alive."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._user: User | None = None
        self.servers: dict[Hashable, Server] = {}
        self.clients: dict[Hashable, Client] = {}

    def attach(self, user: User) -> None:
        """Say who is told of new requests."""
        self._user = user

    def receive(self, data: bytes, source: Flow) -> None:
        """Take one datagram, or one message from a stream."""
        try:
            message = parse(data)
            if isinstance(message, Request):
                message = message.stamped(source.host, source.port)
                key = server_key(message, message.method)
            else:
                message.check_body()
                key = message.branch, message.cseq_method
        except Malformed as fault:
            self._drop(source, "malformed" if data.strip(b"\r\n\0") else "keepalive", str(fault))
            return
        self._around.notify(MessageReceived(message, source))
        if isinstance(message, Request):
            self._receive_request(message, key, source)
        else:
            self._receive_response(message, key, source)

    def start(
        self, request: Request, branch: bytes, flow: Flow, user: ClientUser | None = None
    ) -> Client:
        """Send a request, whose top Via holds that branch, in a transaction."""
        key = (branch, request.method)
        client: Client
        if request.method == b"INVITE" and user is not None:
            client = InviteClientTransaction(self._around, self.clients, key, flow, request, user)
        else:
            client = ClientTransaction(self._around, self.clients, key, flow, request, user)
        self.clients[key] = client
        return client

    def send(self, request: Request, flow: Flow) -> None:
        """Send a request without a transaction: the ACK of a 2xx."""
        self._around.send(request, flow)

    def _receive_response(self, response: Response, key: Hashable, source: Flow) -> None:
        client = self.clients.get(key)
        if client is None:
            self._drop(source, "stray_response", f"{response.status} to nothing that is alive")
        else:
            client.receive(response)

    def _receive_request(self, request: Request, key: Hashable, source: Flow) -> None:
        server = self.servers.get(key)
        if server is not None:
            server.receive(request, source)
            return
        try:
            request.check()
        except Malformed as fault:
            self._reject(request, source, fault)
            return
        if self._user is None:
            return
        if request.method == b"ACK":
            self._user.receive_ack(request, source)
        elif request.method == b"CANCEL":
            invite = self.servers.get(server_key(request, b"INVITE"))
            self._user.receive_cancel(request, self._serve(request, key, source), invite)
        elif request.method == b"INVITE":
            self._tell(request, source, self._serve_invite(request, key, source), self._user)
        else:
            self._tell(request, source, self._serve(request, key, source), self._user)

    @staticmethod
    def _tell(request: Request, source: Flow, server: Server, user: User) -> None:
        """Tell of a request; a mistake in what is done with it must not keep it for ever."""
        try:
            user.receive_request(request, source, server)
        except Exception:
            server.respond(make_response(request, 500, b"mistake"))
            raise

    def _serve_invite(
        self, request: Request, key: Hashable, source: Flow
    ) -> InviteServerTransaction:
        flow = response_flow(request.top_via, source)
        server = InviteServerTransaction(self._around, self.servers, key, flow, self._acknowledged)
        self.servers[key] = server
        return server

    def _serve(self, request: Request, key: Hashable, source: Flow) -> ServerTransaction:
        flow = response_flow(request.top_via, source)
        server = ServerTransaction(self._around, self.servers, key, flow)
        self.servers[key] = server
        return server

    def _acknowledged(self, ack: Request, source: Flow) -> None:
        """Pass on the ACK of a 2xx whose sender used the branch of its INVITE."""
        if self._user is not None:
            self._user.receive_ack(ack, source)

    def _reject(self, request: Request, source: Flow, fault: Malformed) -> None:
        """Answer what can not be understood, without a transaction (RFC 3261 8.2.7)."""
        self._drop(source, "malformed", str(fault))
        if request.method != b"ACK":
            warning = (b"Warning", b"399 sip-stager " + quoted(str(fault)))
            response = make_response(request, fault.status, b"malformed", (warning,))
            self._around.send(response, response_flow(request.top_via, source))

    def _drop(self, source: Flow, cause: str, detail: str) -> None:
        self._around.notify(MessageDropped(source, cause, detail))


def server_key(request: Request, method: bytes) -> Hashable:
    """Give the key of the server transaction that a request belongs to (RFC 3261 17.2.3).

    An ACK belongs to its INVITE.  A branch without the cookie does not identify anything, and
    the request is compared as RFC 2543 did.
    """
    via = request.top_via
    if method == b"ACK":
        method = b"INVITE"
    if via.branch.startswith(COOKIE):
        return via.branch, via.sent_by, method
    number = (request.value(b"cseq") or b"").replace(b"\t", b" ").partition(b" ")[0]
    sender = request.values(b"via")[0], request.value(b"from")
    return sender, request.uri_text, request.call_id, number, method
