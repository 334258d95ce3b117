"""A caller and a callee that retransmit as RFC 3261 asks, over a network that loses datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from tests.support.conversation import ALICE, BOB, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable

T1, T2 = 0.5, 4.0
DELAY = 0.01
"""Seconds from sender to receiver."""


class LossyNetwork:
    """A network between peers and proxy that loses the datagrams whose numbers are in ``lost``."""

    def __init__(self, lost: Collection[int]) -> None:
        self.edge = Conversation(delay=0.7)
        self.clock = self.edge.clock
        self.carried = 0
        self._lost = lost
        self._peers: dict[str, Callable[[bytes], None]] = {}
        self.edge.transport.send = self._from_proxy  # type: ignore[method-assign]

    def attach(self, flow: Flow, receive: Callable[[bytes], None]) -> None:
        self._peers[flow.host] = receive

    def to_proxy(self, message: Request | Response, source: Flow) -> None:
        if self._arrives():
            self.clock.call_later(DELAY, self.edge.layer.receive_message, bytes(message), source)

    def _from_proxy(
        self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None
    ) -> None:
        if self._arrives():
            self.clock.call_later(DELAY, self._peers[flow.host], data)

    def _arrives(self) -> bool:
        self.carried += 1
        return self.carried - 1 not in self._lost


class Peer:
    """A peer that retransmits a message until it is stopped."""

    flow: Flow

    def __init__(self, network: LossyNetwork) -> None:
        self.network = network
        self._timer: Cancellable | None = None
        network.attach(self.flow, lambda data: self.receive(parse(data)))

    def receive(self, message: Request | Response) -> None:
        raise NotImplementedError

    def send(self, message: Request | Response) -> None:
        self.network.to_proxy(message, self.flow)

    def send_until_heard(self, message: Request | Response, interval: float = T1) -> None:
        self.stop()
        self.send(message)
        self._timer = self.network.clock.call_later(
            interval, self.send_until_heard, message, min(2 * interval, T2)
        )

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Caller(Peer):
    """A caller who hangs up eight seconds after the answer."""

    flow = ALICE

    def __init__(self, network: LossyNetwork) -> None:
        super().__init__(network)
        self.answered = self.ended = False
        self._ack: Request | None = None

    def call(self) -> None:
        self.send_until_heard(request())

    def receive(self, message: Request | Response) -> None:
        assert isinstance(message, Response), message
        method, status = message.cseq_method, message.status
        if method == b"BYE" and status == 200:
            self.stop()
            self.ended = True
        elif method == b"INVITE" and status == 200:
            self._answered(message)
        elif method == b"INVITE" and status < 200 and not self.answered:
            self.stop()

    def _answered(self, ok: Response) -> None:
        if self._ack is None:
            self.stop()
            self.answered = True
            self._ack = self._in_dialog("ACK", ok)
            bye = self._in_dialog("BYE", ok)
            self.network.clock.call_later(8.0, self.send_until_heard, bye)
        self.send(self._ack)

    @staticmethod
    def _in_dialog(method: str, ok: Response) -> Request:
        routes = b", ".join(reversed(ok.values(b"record-route"))).decode()
        return request(
            method,
            "sip:bob@192.0.2.2",
            branch=f"z9hG4bK-{method}",
            cseq=1 if method == "ACK" else 2,
            to_tag=ok.to_tag.decode(),
            extra=(f"Route: {routes}",),
        )


class Callee(Peer):
    """A callee that rings, and answers after half a second."""

    flow = BOB

    def __init__(self, network: LossyNetwork) -> None:
        super().__init__(network)
        self.invites: set[bytes] = set()
        self.call_ids: set[bytes] = set()
        self.acknowledged = self.ended = False
        self._last: Response | None = None

    def receive(self, message: Request | Response) -> None:
        assert isinstance(message, Request), message
        if message.method == b"INVITE":
            self._invited(message)
        elif message.method == b"ACK":
            self.stop()
            self.acknowledged = True
        elif message.method == b"BYE":
            self.stop()
            self.ended = True
            self.send(response(message, 200))

    def _invited(self, invite: Request) -> None:
        self.call_ids.update(invite.values(b"x-rounded-call-id"))
        if invite.branch not in self.invites:
            self.invites.add(invite.branch)
            self._last = response(invite, 180)
            self.network.clock.call_later(0.5, self._answer, invite)
        if self._last is not None and not self.acknowledged:
            self.send(self._last)

    def _answer(self, invite: Request) -> None:
        self._last = response(invite, 200)
        if not self.ended:
            self.send_until_heard(self._last)
