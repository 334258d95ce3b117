"""The caller's side of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.call_leg import Leg, Timers
from soak.caller_requests import Requests
from soak.malformed import malformed_invite
from soak.messages import Message, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.call_plan import Plan
    from soak.transports import Wire


class Caller(Leg):
    """Places one call.  ``via`` is where it is reached; ``wire`` gives a way to the program."""

    def __init__(
        self, plan: Plan, call_id: bytes, timers: Timers, via: bytes, wire: Callable[[], Wire]
    ) -> None:
        super().__init__(plan, timers)
        self.call_id = call_id
        self.requests = Requests(plan, call_id, via)
        self.began = self._loop.time()
        self.waited: float | None = None  # seconds from the INVITE to its first response
        self.status = 0
        self.ended_at = 0.0
        self.cancelled = False
        self.cancel_status = 0
        self.acknowledged: set[bytes] = set()
        self.reinvite_status: int | None = None
        self._wire = wire
        self._provisional = self._impatient = False
        self._acks: dict[bytes, bytes] = {}  # by the branch and To tag of what they acknowledge
        self._accepted: dict[bytes, Message] = {}
        self._invite_branch = self.requests.branch()
        self._invite_wire = wire()

    def start(self) -> None:
        """Send the INVITE."""
        plan, wire = self.plan, self._invite_wire
        invite = self.requests.invite(self._invite_branch)
        if plan.caller == "malformed INVITE":
            self.ask(self._invite_branch, malformed_invite(invite, plan.variant), wire)
            return
        if plan.caller == "garbage first":
            wire.send(plan.variant.to_bytes(2, "big") * (plan.variant % 50))
        self.ask(self._invite_branch, invite, wire)
        if plan.caller == "repeats INVITE":
            for delay in (0.0, 0.002, 0.03, 0.3):
                self.later(delay, self._repeat, invite, wire)
        self._vanish_at("INVITE")
        self.later(plan.patience, self._cancel)

    def receive(self, message: Message, wire: Wire) -> None:
        """Take what the program sent."""
        if self.gone:
            return
        if not message.status:
            self._asked(message, wire)
            return
        if self.waited is None:
            self.waited = self._loop.time() - self.began
        if self.plan.caller == "malformed INVITE":
            self.heard(self._invite_branch)
            self._final(message.status)
            return
        if len(message.fields.get(b"via", [])) != 1:
            self.unexpected.append("a response with more or less than its Via")
        self._response(message)

    def _response(self, message: Message) -> None:
        match message.cseq_method, message.branch == self._invite_branch:
            case b"INVITE", True:
                self._answered(message)
            case b"INVITE", False:
                self._reinvite_answered(message)
            case b"CANCEL", _:
                self.heard(b"CANCEL")
                self.cancel_status = message.status
            case b"BYE", _ if message.status >= 200:
                self.heard(message.branch)
                self.byes[message.to_tag] = message.status
            case b"BYE", _:
                pass  # a late 100 (RFC 4320 4.1)
            case _:
                self.unexpected.append(f"an answer to {message.cseq_method!r}")

    def _answered(self, message: Message) -> None:
        self.heard(self._invite_branch)
        if message.status < 200:
            self._provisionally(message.status)
        elif message.status < 300:
            self._ok(message)
        else:
            self._refused(message)

    def _provisionally(self, status: int) -> None:
        if self.status >= 300:
            self.unexpected.append(f"{status} after {self.status}")
        first, self._provisional = not self._provisional, True
        if first and self._impatient:
            self._cancel()
        if first and self.plan.caller == "cancels while staging":
            self.later(self.plan.wait, self._cancel)
        if status > 100 and self.plan.caller == "cancels while ringing":
            self.later(self.plan.wait, self._cancel)
        self._vanish_at("100" if status == 100 else "ringing")

    def _ok(self, message: Message) -> None:
        if self.status >= 300:
            self.unexpected.append(f"{message.status} after {self.status}")
        self._final(message.status)
        tag = message.to_tag
        if tag in self._accepted:
            if ack := self._acks.get(tag):
                self._wire_of_dialog().send(ack)
            return
        self._accepted[tag] = message
        if self.plan.caller == "CANCEL crosses 200" and len(self._accepted) == 1:
            self._send_cancel()
        self._vanish_at("answer")
        if self.plan.caller != "never ACKs" and not self.gone:
            self._acknowledge(message)
            self._talk(tag, first=len(self._accepted) == 1)

    def _refused(self, message: Message) -> None:
        if self.status and self.status != message.status:
            self.unexpected.append(f"{message.status} after {self.status}")
        self._final(message.status)
        self._vanish_at("answer")
        if self.plan.caller != "never ACKs" and not self.gone:
            ack = self.requests.ack(self._invite_branch, message)
            self._wire_of_dialog().send(ack)

    def _repeat(self, invite: bytes, wire: Wire) -> None:
        """Send it again, unless the transaction may have ended with the ACK: it were a new call."""
        left = 0.0 if wire.reliable else self.timers.t4 / 2  # timer I
        if not self.status or self._loop.time() - self.ended_at < left:
            wire.send(invite)

    def _final(self, status: int) -> None:
        self.ended_at = self.ended_at or self._loop.time()
        self.status = self.status or status

    def _acknowledge(self, message: Message) -> None:
        """Acknowledge a 2xx end to end (RFC 3261 13.2.2.4)."""
        requests, accepted = self.requests, self._accepted[message.to_tag]
        ack = requests.in_dialog(accepted, b"ACK", message.number, requests.branch())
        if message.number == 1:
            self._acks[message.to_tag] = ack
            self.acknowledged.add(message.to_tag)
        for _ in range(3 if self.plan.caller == "repeats ACK" else 1):
            self._wire_of_dialog().send(ack)

    def _talk(self, tag: bytes, *, first: bool) -> None:
        plan = self.plan
        if not first or plan.caller == "hangs up at once":
            self._hang_up(tag)
        elif plan.caller == "re-INVITE":
            self.later(plan.wait, self._reinvite, tag)
        else:
            self.later(plan.talks + (plan.caller == "waits for the BYE"), self._hang_up, tag)

    def _reinvite(self, tag: bytes) -> None:
        if not self.hung_up_by_peer:
            self.reinvite_status = 0
            self._ask_peer(tag, b"INVITE", 2)
            self.later(self.timers.patience + self.plan.talks, self._hang_up, tag)

    def _reinvite_answered(self, message: Message) -> None:
        self.heard(message.branch)
        if message.status < 200:
            return
        first, self.reinvite_status = not self.reinvite_status, message.status
        if message.status < 300:
            self._acknowledge(message)
        else:
            accepted = self._accepted[message.to_tag]
            ack = self.requests.in_dialog(accepted, b"ACK", 2, message.branch)
            self._wire_of_dialog().send(ack)
        if first:
            self.later(self.plan.talks, self._hang_up, message.to_tag)

    def _hang_up(self, tag: bytes) -> None:
        if not self.hung_up_by_peer and tag not in self.byes:
            self.byes[tag] = 0
            self._ask_peer(tag, b"BYE", 3)

    def _ask_peer(self, tag: bytes, method: bytes, number: int) -> None:
        branch = self.requests.branch()
        request = self.requests.in_dialog(self._accepted[tag], method, number, branch)
        self.ask(branch, request, self._wire_of_dialog())

    def _cancel(self) -> None:
        """Cancel once something was heard (RFC 3261 9.1), unless it has ended."""
        self._impatient = True
        if not self.status and self._provisional and not self.cancelled:
            self._send_cancel()

    def _send_cancel(self) -> None:
        self.cancelled = True
        cancel = self.requests.cancel(self._invite_branch)
        self.ask(b"CANCEL", cancel, self._wire_of_dialog())

    def _asked(self, request: Message, wire: Wire) -> None:
        if request.method != b"BYE":
            self.unexpected.append(f"the caller was asked to {request.method!r}")
            return
        self.wires.add(wire)
        self.hung_up_by_peer = True
        wire.send(response(request, 200))

    def _vanish_at(self, moment: str) -> None:
        if self.plan.caller == "vanishes" and self.plan.vanishes_at == moment:
            self.vanish()

    def _wire_of_dialog(self) -> Wire:
        wire = self._wire() if self._invite_wire.closed else self._invite_wire
        self.wires.add(wire)
        return wire
