"""The transaction layer: matches messages to transactions (RFC 3261 17.1.3, 17.2.3).

::

    bytes -- parse --> response --- branch, CSeq method ---> client transaction --> its user
                |                                  (none: dropped, 18.1.2)
                +----> request --- matching.py --------------> server transaction
                                                   (none: checked, created, passed to the proxy)

An ACK is looked up as its INVITE; that of a 2xx has another branch and matches nothing.

A request that cannot be parsed, or that is invalid, is rejected without a transaction
(``rejection.py``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from sip_stager.model.vocabulary import DropCause
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.identifiers import tag_of
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import MAX_HEADER_LINES, check_body, parse
from sip_stager.sip.responses import make_response, response_flow
from sip_stager.sip.salvage import salvage_call_id, salvage_request
from sip_stager.transaction.invite_client import InviteClientTransaction
from sip_stager.transaction.invite_server import InviteServerTransaction
from sip_stager.transaction.lost_flows import LostFlows
from sip_stager.transaction.matching import EarlierServers, server_key
from sip_stager.transaction.non_invite_client import ClientTransaction
from sip_stager.transaction.non_invite_server import ServerTransaction
from sip_stager.transaction.rejection import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sip_stager.model.flow import Flow
    from sip_stager.transaction.base import ClientUser, Context

_INVITE_OR_ACK = frozenset({b"INVITE", b"ACK"})


class User(Protocol):
    """The transaction user: the proxy."""

    def receive_invite(
        self, invite: Request, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Handle an INVITE that begins a transaction."""

    def receive_request(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> None:
        """Handle any other request but CANCEL that begins a transaction."""

    def receive_ack(self, ack: Request, source: Flow) -> None:
        """Handle an ACK of a 2xx, or one that matches nothing."""

    def receive_cancel(
        self,
        cancel: Request,
        source: Flow,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """Handle a CANCEL; ``invite`` is the transaction that it matches (9.2), or None."""


class Gate(Protocol):
    """Turns requests of strangers away, ahead of their transactions."""

    @property
    def is_configured(self) -> Callable[[str], bool]:
        """True for an address in the settings, whose requests the gate need not see."""

    def turns_away(self, request: Request, source: Flow, size: int, *, under_way: bool) -> bool:
        """Return True if a request was turned away.

        ``size`` is that of the message, and ``under_way`` is True if it has the key of an INVITE's
        live transaction.
        """

    def turns_malformed_away(
        self, request: Request, source: Flow, size: int, fault: Malformed
    ) -> bool:
        """Return True if a malformed request was turned away."""


class TransactionLayer:
    """The transactions that are alive, in one store per kind.

    A header of more than ``max_header_lines`` is rejected.
    """

    def __init__(self, context: Context, max_header_lines: int = MAX_HEADER_LINES) -> None:
        self._context = context
        self._parse = partial(parse, max_lines=max_header_lines)
        self._user: User | None = None
        self._gate: Gate | None = None
        self._is_configured: Callable[[str], bool] = bool  # without a gate, any host is one
        self._is_behind_nat: Callable[[str], bool] | None = None
        self.invite_servers: dict[Hashable, InviteServerTransaction] = {}
        self.servers: dict[Hashable, ServerTransaction] = {}
        self.invite_clients: dict[Hashable, InviteClientTransaction] = {}
        self.clients: dict[Hashable, ClientTransaction] = {}
        self._lost_flows = LostFlows(context.clock, self.invite_clients, self.clients)
        self._rejection = Rejection(context)
        self._earlier_invites = EarlierServers(self.invite_servers)
        self._earlier_servers = EarlierServers(self.servers)

    def __len__(self) -> int:
        servers = len(self.invite_servers) + len(self.servers)
        return servers + len(self.invite_clients) + len(self.clients)

    @property
    def message_bytes(self) -> int:
        """The size of the messages that live transactions keep, in bytes."""
        return self._context.memory.size

    def needed_connections(self) -> set[int | tuple[str, int]]:
        """Return the TCP connections of all transactions: each by its number or its address."""
        stores = self.invite_servers, self.servers, self.invite_clients, self.clients
        return {
            one.flow.connection or (one.flow.host, one.flow.port)
            for store in stores
            for one in store.values()
            if one.reliable
        }

    def attach(self, user: User) -> None:
        """Set the user, which receives new requests."""
        self._user = user

    def limit_header_lines(self, max_header_lines: int) -> None:
        """Reject messages with more header lines from now on."""
        self._parse = partial(parse, max_lines=max_header_lines)

    def answer_to_source(self, is_behind_nat: Callable[[str], bool] | None) -> None:
        """Answer the requests of such hosts to their source port from now on, also without rport.

        None if there are no such hosts.
        """
        self._is_behind_nat = is_behind_nat

    def answers_to_source(self, host: str) -> bool:
        """Return True for a host whose requests are answered to their source port."""
        return self._is_behind_nat is not None and self._is_behind_nat(host)

    def attach_gate(self, gate: Gate) -> None:
        """Set the gate, which sees the requests from addresses that are not in the settings."""
        self._gate = gate
        self._is_configured = gate.is_configured

    def receive_message(self, data: bytes, source: Flow) -> None:
        """Handle one datagram, or one message from a stream."""
        try:
            message = self._parse(data)
            if isinstance(message, Response):
                if message.length != len(message.body):
                    check_body(message)
                client_key = message.transaction_key
            else:
                if self._is_behind_nat is not None and self._is_behind_nat(source.host):
                    message.ask_for_rport()
                message.note_source(source)
                key = server_key(message)
        except Malformed as fault:
            self._receive_malformed(data, source, fault)
            return
        if isinstance(message, Response):
            self._context.messages.response_received(message, client_key[1], source)
            client = self.invite_clients.get(client_key) or self.clients.get(client_key)
            if client is None:
                text = f"{message.status} to nothing that is alive"
                self._rejection.drop(source, DropCause.STRAY_RESPONSE, text, salvage_call_id(data))
            else:
                client.receive_response(message)
            return
        self._context.messages.request_received(message, source)
        if not self._is_configured(source.host) and self._is_turned_away(
            message, key, source, len(data)
        ):
            return
        if message.method in _INVITE_OR_ACK:
            self._receive_invite(message, key, source, len(data))
        else:
            self._receive_request(message, (key, message.method), source, len(data))

    def start_invite(
        self, invite: bytes, branch: bytes, flow: Flow, user: ClientUser
    ) -> InviteClientTransaction:
        """Send an INVITE, whose top Via has that branch, in a transaction."""
        key = branch, b"INVITE"
        client = InviteClientTransaction(
            self._context, self.invite_clients, key, flow, invite, user
        )
        self.invite_clients[key] = client
        return client

    def start_request(
        self,
        request: bytes,
        method: bytes,
        branch: bytes,
        flow: Flow,
        user: ClientUser | None = None,
    ) -> ClientTransaction:
        """Send any other request in a transaction; responses go to ``user``, if given."""
        key = branch, method
        client = ClientTransaction(self._context, self.clients, key, flow, request, user)
        self.clients[key] = client
        return client

    def send_ack(self, ack: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        """Send the ACK of a 2xx, which has no transaction (RFC 3261 17.1.1.3)."""
        self._context.send_request(ack, b"ACK", flow, failed)

    def flow_lost(self, flow: Flow, why: str) -> None:
        """Handle an address that cannot be reached, or a connection that ended (17.1.4, 18.4)."""
        self._lost_flows.add(flow, why)

    def _receive_invite(self, request: Request, key: Hashable, source: Flow, size: int) -> None:
        """Handle an INVITE or an ACK, which matches the INVITE's transaction (17.2.3)."""
        user, known = self._user, self.invite_servers.get(key)
        if self._earlier_invites.keys or (known and known.cseq_number != request.cseq_number):
            known, is_old = self._earlier_invites.match(key, request, known)
            if is_old:
                self._rejection.drop_old_repeat(request, source)
                return
        if known:
            known.receive_retransmission_or_ack(request, source)
        elif user is None or not (request.usual or self._rejection.is_valid(request, source)):
            return
        elif request.method == b"ACK":
            user.receive_ack(request, source)
        else:
            flow = response_flow(request.top_via, source)
            # Not the user's method: the user of now would live as long as the transaction.
            store, ack = self.invite_servers, self._pass_ack
            number = request.cseq_number
            server = InviteServerTransaction(self._context, store, key, flow, size, ack, number)
            self.invite_servers[key] = server
            try:
                user.receive_invite(request, source, server)
            except Exception:
                _respond_internal_error(request, server)
                raise

    def _pass_ack(self, ack: Request, source: Flow) -> None:
        if self._user is not None:
            self._user.receive_ack(ack, source)

    def _receive_request(self, request: Request, key: Hashable, source: Flow, size: int) -> None:
        user, known = self._user, self.servers.get(key)
        if self._earlier_servers.keys or (known and known.cseq_number != request.cseq_number):
            if request.method != b"CANCEL":
                known, is_old = self._earlier_servers.match(key, request, known)
                if is_old:
                    self._rejection.drop_old_repeat(request, source)
                    return
            elif known and known.cseq_number != request.cseq_number:
                # Neither of two CANCELs on one branch is older: each has an INVITE.
                key = key, request.cseq_number
                known = self.servers.get(key)
        if known:
            known.receive_retransmission(request, source)
        elif user is not None and (request.usual or self._rejection.is_valid(request, source)):
            flow = response_flow(request.top_via, source)
            server = ServerTransaction(self._context, self.servers, key, flow, size, request)
            self.servers[key] = server
            try:
                if request.method == b"CANCEL":
                    invite = self._earlier_invites.match_cancel(server_key(request), request)
                    if invite is not None:
                        invite.follow(request, source)
                    user.receive_cancel(request, source, server, invite)
                else:
                    user.receive_request(request, source, server)
            except Exception:
                _respond_internal_error(request, server)
                raise

    def _is_turned_away(self, request: Request, key: Hashable, source: Flow, size: int) -> bool:
        known = key in self.invite_servers
        gate = self._gate
        return gate is not None and gate.turns_away(request, source, size, under_way=known)

    def _receive_malformed(self, data: bytes, source: Flow, fault: Malformed) -> None:
        """Reject a request that could not be parsed, if it has a top Via; drop anything else."""
        if not data.strip(b"\r\n\0"):  # line breaks and NULs alone keep a NAT binding open
            self._rejection.drop(source, DropCause.KEEPALIVE, str(fault))
            return
        request = salvage_request(data)
        try:
            if request is not None:
                request.note_source(source)
                gate = None if self._is_configured(source.host) else self._gate
                if gate is None or not gate.turns_malformed_away(request, source, len(data), fault):
                    self._rejection.reject(request, source, fault)
                return
        except Malformed:  # no top Via: there is no address to respond to
            pass
        self._rejection.drop(source, DropCause.MALFORMED, str(fault), salvage_call_id(data))


def _respond_internal_error(
    request: Request, server: InviteServerTransaction | ServerTransaction
) -> None:
    """Respond 500 to a request whose handling raised, or its transaction would stay for ever."""
    server.respond(make_response(request, 500, tag_of(request)))
