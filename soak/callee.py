"""The callee's side of a call: the upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.call_leg import Leg, Repetition, Timers
from soak.malformed import malformed_response
from soak.messages import Message, response, written

if TYPE_CHECKING:
    from soak.call_plan import Plan
    from soak.transports import Wire

STAGED_ID = b"x-rounded-call-id"
RINGS_ON = 2.5
"""Seconds after which the most patient callee gives up, too."""
_REFUSALS = {"busy": 486, "unavailable": 503, "declines": 603, "moved": 302}


class Callee(Leg):
    """Takes the call that a plan describes, if it comes."""

    def __init__(self, plan: Plan, timers: Timers, contact: bytes) -> None:
        super().__init__(plan, timers)
        self.branches: set[bytes] = set()
        self.invited_at = 0.0
        self.invite: Message | None = None
        self.staged_id = b""
        self.finals: list[int] = []
        self.rang = self.cancelled = False
        self.unacknowledged: set[bytes] = set()
        self.acknowledged: set[bytes] = set()
        self._contact = contact
        self._wire: Wire
        self._last = b""  # the last provisional response
        self._answers: dict[tuple[bytes, int], Repetition] = {}  # by To tag and CSeq number

    def receive(self, message: Message, wire: Wire) -> None:
        """Take what the program sent."""
        if self.gone:
            return
        if message.status:
            self._bye_answered(message)
            return
        match message.method:
            case b"INVITE" if message.to_tag:
                self._reinvited(message, wire)
            case b"INVITE":
                self._invited(message, wire)
            case b"ACK":
                self._acknowledged(message)
            case b"CANCEL":
                self._cancelled(message, wire)
            case b"BYE":
                self.hung_up_by_peer = True
                wire.send(response(message, 200))
            case method:
                self.unexpected.append(f"the callee was asked to {method!r}")

    def _invited(self, invite: Message, wire: Wire) -> None:
        self.branches.add(invite.branch)
        if self.invite is not None:
            if self._last and not self.finals:
                wire.send(self._last)
            return
        self.invited_at, self.invite, self._wire = self._loop.time(), invite, wire
        self.wires.add(wire)
        ids = invite.fields.get(STAGED_ID, [])
        self.staged_id = ids[0] if len(ids) == 1 else b""
        self._begin(self.plan.callee)

    def _begin(self, callee: str) -> None:
        rings = self.plan.rings
        match callee:
            case "silent":
                self.vanish()
            case "answers at once":
                self._answer()
            case "early media":
                self._provisional(183)
                self.later(rings, self._answer)
            case "many provisionals":
                for ordinal, status in enumerate((180, 183, 182, 180, 181)):
                    self.later(rings * ordinal / 5, self._provisional, status)
                self.later(rings, self._answer)
            case "rings on" | "487 late" | "200 after CANCEL":
                self._provisional(180)
                self.later(RINGS_ON, self._refuse, 480)
            case "vanishes after 180":
                self._provisional(180)
                self.vanish()
            case "busy" | "unavailable" | "declines" | "moved":
                self.later(rings / 3, self._refuse, _REFUSALS[callee])
            case _ if callee.startswith("malformed"):
                self._malformed(callee)
            case _:
                self.later(rings / 10, self._provisional, 180)
                self.later(rings, self._answer)

    def _malformed(self, callee: str) -> None:
        if self.invite is not None:
            good = response(self.invite, 183, self._tag())
            spoiled = malformed_response(good, self.plan.variant, framed=self._wire.reliable)
            self._wire.send(spoiled)
        if callee == "malformed, then silent":
            self.vanish()
        elif callee == "malformed, then busy":
            self.later(self.plan.rings, self._refuse, 486)
        else:
            self.later(self.plan.rings, self._answer)

    def _tag(self, ordinal: int = 1) -> bytes:
        return b"callee-%d-%d" % (self.plan.index, ordinal)

    def _provisional(self, status: int) -> None:
        if self.invite is not None and not self.finals:
            self.rang = True
            self._last = response(self.invite, status, self._tag(), self._contacts())
            self._wire.send(self._last)

    def _contacts(self) -> list[tuple[bytes, bytes]]:
        return [(b"Contact", b"<%b>" % self._contact)]

    def _refuse(self, status: int) -> None:
        if self.invite is not None and not self.finals:
            self.finals.append(status)
            refusal = response(self.invite, status, self._tag(), self._contacts())
            self._until_acknowledged(refusal, self._tag(), 1, self._wire)

    def _answer(self) -> None:
        if self.invite is None or self.finals:
            return
        self.finals.append(200)
        for ordinal in (1, 2) if self.plan.callee == "two 2xx" else (1,):
            tag = self._tag(ordinal)
            ok = response(self.invite, 200, tag, self._contacts())
            self._until_acknowledged(ok, tag, 1, self._wire, always=True)

    def _until_acknowledged(
        self, answer: bytes, tag: bytes, number: int, wire: Wire, *, always: bool = False
    ) -> None:
        def over() -> None:
            if not self.gone:
                self.unacknowledged.add(tag)
                if always:
                    self._hang_up(tag)  # RFC 3261 13.3.1.4

        repetition = Repetition(answer, wire, self.timers, over, always=always)
        self._answers[tag, number] = repetition

    def _acknowledged(self, ack: Message) -> None:
        answer = self._answers.get((ack.to_tag, ack.number))
        if answer is None:
            self.unexpected.append("an ACK of nothing")
            return
        answer.stop()
        first = ack.to_tag not in self.acknowledged
        self.acknowledged.add(ack.to_tag)
        self.unacknowledged.discard(ack.to_tag)
        if first and self.finals[0] == 200 and ack.to_tag == self._tag():
            self._talk()

    def _talk(self) -> None:
        if self.plan.callee == "BYEs first":
            self.later(self.plan.wait, self._hang_up, self._tag())
        elif self.plan.callee == "vanishes when up":
            self.vanish()
        elif self.plan.caller == "waits for the BYE":
            self.later(self.plan.talks, self._hang_up, self._tag())

    def _reinvited(self, invite: Message, wire: Wire) -> None:
        key = invite.to_tag, invite.number
        if key not in self._answers:
            ok = response(invite, 200, b"", self._contacts())
            self._until_acknowledged(ok, *key, wire, always=True)

    def _cancelled(self, cancel: Message, wire: Wire) -> None:
        self.cancelled = True
        wire.send(response(cancel, 200, self._tag()))
        if self.finals:
            return
        match self.plan.callee:
            case "487 late":
                self.later(self.plan.rings, self._refuse, 487)
            case "200 after CANCEL":
                self._answer()
            case _:
                self._refuse(487)

    def _hang_up(self, tag: bytes) -> None:
        """Send a BYE over the recorded route (RFC 3261 12.1.1)."""
        if self.invite is None or self.hung_up_by_peer or tag in self.byes:
            return
        self.byes[tag] = 0
        branch = b"z9hG4bKbye-%b" % tag
        invite = self.invite
        host = self._contact.partition(b"@")[2].partition(b";")[0]
        transport = b"TCP" if self._wire.reliable else b"UDP"
        fields = [
            (b"Via", b"SIP/2.0/%b %b;branch=%b" % (transport, host, branch)),
            (b"Max-Forwards", b"70"),
            (b"From", b"%b;tag=%b" % (invite.value(b"to"), tag)),
            (b"To", invite.value(b"from")),
            (b"Call-ID", invite.call_id),
            (b"CSeq", b"1 BYE"),
            *((b"Route", entry) for entry in invite.recorded),
        ]
        self.ask(branch, written(b"BYE %b SIP/2.0" % invite.contact, fields), self._wire)

    def _bye_answered(self, message: Message) -> None:
        self.heard(message.branch)
        if message.status >= 200:
            self.byes[message.from_tag] = message.status
