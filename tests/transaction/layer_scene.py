"""A transaction layer with a clock moved by hand, and a user that records its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import Event, MessageDropped
from sip_stager.sip.parser import parse
from sip_stager.sip.responses import make_response
from sip_stager.transaction.base import Context
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.reporter import MessageReporter
from sip_stager.transaction.timers import LaneClock, Timers
from tests.support.conversation import ALICE, BOB, alive, short
from tests.support.fakes import FakeClock, FakeTransport
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Message, Request, Response
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.non_invite_client import ClientTransaction
    from sip_stager.transaction.non_invite_server import ServerTransaction

    Client = InviteClientTransaction | ClientTransaction
    Server = InviteServerTransaction | ServerTransaction

TCP_TO_BOB = BOB._replace(transport="TCP")

USUAL = Timers()
QUICK = Timers(t1=0.25, t2=2.0, t4=2.5)
SLOW = Timers(t1=1.0, t2=8.0, t4=10.0)


class RecordingUser:
    """A sender of a request that records its results."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def receive_response(self, response: Response) -> None:
        self.results.append(str(response.status))

    def timed_out(self) -> None:
        self.results.append("timed out")

    def send_failed(self, why: str) -> None:
        self.results.append(why)


class Scene:
    """The layer's user; ``passed`` has the methods of the requests that it was passed."""

    def __init__(self, timers: Timers = USUAL) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.events: list[Event] = []
        self.lanes = LaneClock(self.clock)
        context = Context(
            self.lanes,
            self.transport,
            self.events.append,
            MessageReporter(self.events.append),
            timers,
        )
        self.layer = TransactionLayer(context)
        self.layer.attach(self)
        self.passed: list[str] = []
        self.servers: list[Server] = []
        self.requests: list[Request] = []
        self.cancelled: list[Server | None] = []
        self._taken = 0

    def receive_invite(
        self, invite: Request, source: Flow, transaction: InviteServerTransaction
    ) -> None:
        self._passed(invite, transaction)

    def receive_request(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> None:
        self._passed(request, transaction)

    def _passed(self, request: Request, transaction: Server) -> None:
        self.passed.append(request.method.decode())
        self.servers.append(transaction)
        self.requests.append(request)

    def receive_ack(self, ack: Request, source: Flow) -> None:
        self.passed.append("ACK")

    def receive_cancel(
        self,
        cancel: Request,
        source: Flow,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        self._passed(cancel, transaction)
        self.cancelled.append(invite)

    def receive(self, message: bytes | Message, source: Flow = ALICE) -> None:
        self.layer.receive_message(bytes(message), source)

    def send(self, method: str, flow: Flow = BOB) -> tuple[Request, RecordingUser]:
        """Send a request in a transaction."""
        sent, user = request(method, branch="z9hG4bK-ours"), RecordingUser()
        self.start(sent, flow, user)
        return sent, user

    def start(self, sent: Request, flow: Flow = BOB, user: RecordingUser | None = None) -> None:
        """Send a request in a transaction."""
        data, branch = bytes(sent), sent.branch
        if sent.method == b"INVITE":
            assert user is not None
            self.layer.start_invite(data, branch, flow, user)
        else:
            self.layer.start_request(data, sent.method, branch, flow, user)

    @property
    def client(self) -> Client:
        """The one client transaction that is alive."""
        alive: list[Client] = [*self.layer.invite_clients.values(), *self.layer.clients.values()]
        assert len(alive) == 1
        return alive[0]

    def respond(self, status: int, server: int = -1) -> None:
        """Respond to the last request, or another one."""
        answer = make_response(self.requests[server], status, b"ours")
        self.servers[server].respond(answer)

    def take(self) -> list[str]:
        """Return the messages sent since the last look, in short."""
        new = self.transport.sent[self._taken :]
        self._taken = len(self.transport.sent)
        return [short(parse(data)) for data, _ in new]

    def times(self, what: str, seconds: float) -> list[float]:
        """Advance the clock; return the times at which a message was sent, in seconds from now."""
        found: list[float] = []
        for step in range(int(seconds * 8)):
            sent = self.take()
            assert set(sent) <= {what}
            found += [step / 8] * len(sent)
            self.clock.advance(0.125)
        return found

    def lifetime(self) -> float:
        """Advance the clock until no transaction is alive; return the seconds."""
        began = self.clock.now
        self.clock.advance(0.0)
        while self.alive:
            assert self.clock.now - began < 1000
            self.clock.advance(0.125)
        return self.clock.now - began

    def answer(self, sent: Request, status: int) -> None:
        """Receive a response from bob."""
        self.receive(response(sent, status), BOB)

    @property
    def dropped(self) -> list[str]:
        return [event.cause for event in self.events if isinstance(event, MessageDropped)]

    @property
    def alive(self) -> int:
        return alive(self.layer)

    @property
    def over(self) -> bool:
        """True if no transaction is alive, and nothing more is sent."""
        if self.alive:
            return False
        self.take()
        self.clock.advance(200)
        return not self.take() and not self.clock.waiting
