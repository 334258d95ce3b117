"""The core between alice (a trunk) and bob (the upstream); carol and dave stand by."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sip_stager.calls.load_shedder import LoadShedder
from sip_stager.calls.new_calls import NewCalls
from sip_stager.calls.overload import OverloadControl
from sip_stager.calls.shutdown import Shutdown
from sip_stager.calls.strangers import AnswerBudget, StrangerGate, StrangerRules
from sip_stager.events import Event, MessageDropped
from sip_stager.model.flow import Flow
from sip_stager.proxy.bounds import Bounds
from sip_stager.proxy.callee_naming import CalleeNaming
from sip_stager.proxy.core import Proxy
from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.proxy.next_hop import Locator
from sip_stager.proxy.relay_rules import RelayRules
from sip_stager.proxy.responder import Responder
from sip_stager.proxy.seal import Seal
from sip_stager.proxy.sender import Sender
from sip_stager.proxy.target_set import Failover, RequestUri, UpstreamTargets, distinct
from sip_stager.sip.identifiers import Identifiers
from sip_stager.sip.message import Message, Request, Response
from sip_stager.sip.parser import parse_sent
from sip_stager.sip.uri import parse_uri
from sip_stager.transaction.base import Context
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.reporter import MessageReporter
from sip_stager.transaction.timers import LaneClock, Timers
from tests.support.fakes import (
    FakeAdmission,
    FakeClock,
    FakePeers,
    FakeResolver,
    FakeStager,
    FakeTransport,
)
from tests.support.messages import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Network, IPv6Network

    from sip_stager.ports import Notify, Stager
    from tests.support.fakes import FakeRoutes

ALICE = Flow("UDP", "192.0.2.1", 5060, 0)
BOB = Flow("UDP", "192.0.2.2", 5060, 0)
CAROL = Flow("UDP", "192.0.2.3", 5060, 0)
DAVE = Flow("UDP", "192.0.2.4", 5060, 0)
ALICE_TCP = Flow("TCP", "192.0.2.1", 40000, 1, 7)
STRANGER = Flow("UDP", "203.0.113.66", 5060, 0)
NAMES = {
    "192.0.2.1": "alice",
    "192.0.2.2": "bob",
    "192.0.2.3": "carol",
    "192.0.2.4": "dave",
    "203.0.113.66": "stranger",
}

INTERFACES = (
    Interface("UDP", "198.51.100.1", "198.51.100.1", 5060),
    Interface("TCP", "198.51.100.1", "198.51.100.1", 5060),
    Interface("UDP", "2001:db8::1", "2001:db8::1", 5060),
)
"""What the proxy listens on."""

SEAL = Seal(b"key")
TRUNK_NAME = "trunk"
"""The trunk of every call that is admitted."""
USER = SEAL.seal_for(request(), TRUNK_NAME).decode()
"""The user part of the Record-Route that alice's INVITE gets."""
URI = f"<sip:{USER}@198.51.100.1:5060;lr>"
ROUTE = f"Route: {URI}"
"""What a request of alice's dialog brings, from either side."""

E = TypeVar("E", bound=Event)


class Conversation:
    """The core with its fakes; it reports sent messages as ``["alice 100 INVITE", ...]``."""

    def __init__(
        self,
        upstream: str = "sip:192.0.2.2:5060",
        delay: float | None = None,
        *,
        request_uri: RequestUri = "rewrite",
        backups: tuple[str, ...] = (),
        redirects: int = 0,
        one_platform: bool = False,
        bounds: Bounds = Bounds(),  # noqa: B008  a tuple
        interfaces: tuple[Interface, ...] = INTERFACES,
        strangers: StrangerRules | None = None,
        relay_to: tuple[IPv4Network | IPv6Network, ...] = (),
        stager_over: Callable[[Conversation], Stager] | None = None,
        routes: FakeRoutes | None = None,
        leaving: dict[str, int] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.stager = FakeStager(self.clock, delay)
        self.resolver = FakeResolver(self.clock, {"upstream.example": "192.0.2.2"})
        self.events: list[Event] = []
        self.observers: list[Notify] = []
        timers = Timers()
        clock = LaneClock(self.clock)
        reporter = MessageReporter(self._notify)
        context = Context(clock, self.transport, self._notify, reporter, timers)
        self.layer = TransactionLayer(context)
        self.listeners = listeners = Interfaces(interfaces, routes=routes)
        uris = tuple(distinct(parse_uri(uri.encode()) for uri in (upstream, *backups)))
        locator = Locator(
            listeners, self.resolver, self.clock, is_connected=self.transport.is_connected
        )
        identifiers, notify = Identifiers(b"seed"), self._notify
        limits = timers.c, timers.m
        sender = Sender(self.layer, listeners, locator, identifiers, clock, *limits, notify)
        # alice is of the trunk, and bob the upstream
        self.peers = FakePeers({ALICE.host: TRUNK_NAME, "192.0.2.11": "other"}, {BOB.host})
        own = {("198.51.100.1", 9090)}
        relay_rules = RelayRules(listeners, SEAL, self.peers, uris, relay_to, own)
        naming = CalleeNaming(SEAL, relay_rules) if strangers else None
        responder = Responder(listeners, identifiers, notify, naming)
        failover = Failover(one_platform=one_platform)
        targets = UpstreamTargets(uris, request_uri, failover, redirects, leaving or {})
        self.admission = FakeAdmission()
        self.new_calls = NewCalls(
            sender,
            responder,
            SEAL,
            targets,
            self.admission,
            stager_over(self) if stager_over else self.stager,
            bounds,
            clock,
            notify,
            now=self.clock.time,
        )
        self.proxy = Proxy(sender, responder, SEAL, self.admission, bounds, self.new_calls, notify)
        self.shutdown = Shutdown(self.layer, self.new_calls)
        ports = clock, self.transport, notify, reporter, self.admission
        self.shedder = LoadShedder(
            self.layer, identifiers, *ports, self.new_calls, OverloadControl(0.1)
        )
        self._taken = 0
        if strangers is not None:
            budget = AnswerBudget(self.clock, strangers)
            gate = context, self.peers, self.admission, listeners, SEAL, relay_rules
            self.layer.attach_gate(StrangerGate(*gate, budget, strangers))
            self.shedder._strangers = budget

    def _notify(self, event: Event) -> None:
        self.events.append(event)
        for observe in self.observers:
            observe(event)

    def receive(self, data: bytes | Message, source: Flow = ALICE, age: float = 0.0) -> None:
        """Pass a message from a peer to the core; ``age`` is its time in the socket."""
        shedder = self.shedder
        if not (shedder.active and shedder.screen(bytes(data), source, age)):
            self.layer.receive_message(bytes(data), source)

    def forward(self, invite: bytes | Request, source: Flow = ALICE) -> Request:
        """Pass a new call to the core and stage it; return the request that was forwarded."""
        self.receive(invite, source)
        self.stager.stagings[-1].succeed()
        self.clock.advance(0.1)
        return self.relayed

    def relay(self, later: bytes | Request, source: Flow = ALICE) -> Request:
        """Pass a request of a dialog to the core; return the request that was forwarded."""
        self.receive(later, source)
        self.clock.advance(0.1)
        return self.relayed

    @property
    def relayed(self) -> Request:
        """The last request that was sent."""
        data = next(data for data, _ in reversed(self.transport.sent) if data[:4] != b"SIP/")
        message = parse_sent(data)
        assert isinstance(message, Request)
        return message

    @property
    def flow(self) -> Flow:
        """The destination of the last message."""
        return self.transport.sent[-1][1]

    def messages(self) -> list[tuple[str, Request | Response]]:
        """Return the messages sent since the last look, with their destinations."""
        new = self.transport.sent[self._taken :]
        self._taken = len(self.transport.sent)
        return [(name_of(flow), parse_sent(data)) for data, flow in new]

    def take(self) -> list[str]:
        """Return the messages sent since the last look, in short."""
        return [f"{name} {short(message)}" for name, message in self.messages()]

    def last(self, peer: str) -> Request | Response:
        """Return the last message that a peer got."""
        for data, flow in reversed(self.transport.sent):
            if name_of(flow) == peer:
                return parse_sent(data)
        raise AssertionError(f"nothing was sent to {peer}")

    def last_request(self, peer: str) -> Request:
        message = self.last(peer)
        assert isinstance(message, Request), message
        return message

    def last_response(self, peer: str) -> Response:
        message = self.last(peer)
        assert isinstance(message, Response), message
        return message

    @property
    def dropped(self) -> list[str]:
        """The causes of the messages that were dropped."""
        return [event.cause for event in self.events if isinstance(event, MessageDropped)]

    @property
    def alive(self) -> int:
        """The number of live transactions."""
        return alive(self.layer)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def alive(layer: TransactionLayer) -> int:
    """Return the number of live transactions; check that the count of their bytes is theirs."""
    servers = [*layer.invite_servers.values(), *layer.servers.values()]
    transactions = [*servers, *layer.invite_clients.values(), *layer.clients.values()]
    assert layer.message_bytes == sum(each.size for each in transactions)
    assert all(each.size for each in transactions)
    return len(transactions)


def name_of(flow: Flow) -> str:
    """Return a peer's name, or its address."""
    return NAMES.get(flow.host, flow.host)


def short(message: Request | Response) -> str:
    """Return a message as ``180 INVITE`` or ``INVITE``."""
    if isinstance(message, Response):
        return f"{message.status} {message.cseq_method.decode()}"
    return message.method.decode()
