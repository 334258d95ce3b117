"""The callee of one call: the upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.call_leg import Leg, Retransmission, Timers
from soak.malformed import malformed_response
from soak.messages import Message, format_message, format_response

if TYPE_CHECKING:
    from soak.call_plan import CallPlan
    from soak.channels import Channel

STAGED_ID = b"x-rounded-call-id"
_MAX_RING_TIME = 2.5  # seconds after which a callee that does not answer refuses the call
_REFUSALS = {"busy": 486, "unavailable": 503, "declines": 603, "moved": 302}


class Callee(Leg):
    """Handles the call of a plan, if its INVITE arrives."""

    def __init__(self, plan: CallPlan, timers: Timers, contact: bytes) -> None:
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
        self._channel: Channel
        self._last_provisional = b""
        self._answers: dict[tuple[bytes, int], Retransmission] = {}  # by To tag and CSeq number

    def receive_message(self, message: Message, channel: Channel) -> None:
        """Handle a message of the program."""
        if self.vanished:
            return
        if message.status:
            self._receive_bye_response(message)
            return
        match message.method:
            case b"INVITE" if message.to_tag:
                self._receive_reinvite(message, channel)
            case b"INVITE":
                self._receive_invite(message, channel)
            case b"ACK":
                self._receive_ack(message)
            case b"CANCEL":
                self._receive_cancel(message, channel)
            case b"BYE":
                self.hung_up_by_peer = True
                channel.send(format_response(message, 200))
            case method:
                self.unexpected.append(f"the callee got a {method!r}")

    def _receive_invite(self, invite: Message, channel: Channel) -> None:
        self.branches.add(invite.branch)
        if self.invite is not None:  # a retransmission
            if self._last_provisional and not self.finals:
                channel.send(self._last_provisional)
            return
        self.invited_at, self.invite, self._channel = self._loop.time(), invite, channel
        self.channels.add(channel)
        ids = invite.fields.get(STAGED_ID, [])
        self.staged_id = ids[0] if len(ids) == 1 else b""
        self._follow_plan(self.plan.callee)

    def _follow_plan(self, callee: str) -> None:
        rings = self.plan.ring_time
        match callee:
            case "silent":
                self.vanish()
            case "answers at once":
                self._answer()
            case "early media":
                self._send_provisional(183)
                self.schedule(rings, self._answer)
            case "many provisionals":
                for ordinal, status in enumerate((180, 183, 182, 180, 181)):
                    self.schedule(rings * ordinal / 5, self._send_provisional, status)
                self.schedule(rings, self._answer)
            case "rings on" | "487 late" | "200 after CANCEL":
                self._send_provisional(180)
                self.schedule(_MAX_RING_TIME, self._refuse, 480)
            case "vanishes after 180":
                self._send_provisional(180)
                self.vanish()
            case "busy" | "unavailable" | "declines" | "moved":
                self.schedule(rings / 3, self._refuse, _REFUSALS[callee])
            case _ if callee.startswith("malformed"):
                self._send_malformed(callee)
            case _:
                self.schedule(rings / 10, self._send_provisional, 180)
                self.schedule(rings, self._answer)

    def _send_malformed(self, callee: str) -> None:
        if self.invite is not None:
            good = format_response(self.invite, 183, self._tag())
            malformed = malformed_response(good, self.plan.variant, framed=self._channel.reliable)
            self._channel.send(malformed)
        if callee == "malformed, then silent":
            self.vanish()
        elif callee == "malformed, then busy":
            self.schedule(self.plan.ring_time, self._refuse, 486)
        else:
            self.schedule(self.plan.ring_time, self._answer)

    def _tag(self, ordinal: int = 1) -> bytes:
        return b"callee-%d-%d" % (self.plan.index, ordinal)

    def _send_provisional(self, status: int) -> None:
        if self.invite is not None and not self.finals:
            self.rang = True
            self._last_provisional = format_response(
                self.invite, status, self._tag(), self._contacts()
            )
            self._channel.send(self._last_provisional)

    def _contacts(self) -> list[tuple[bytes, bytes]]:
        return [(b"Contact", b"<%b>" % self._contact)]

    def _refuse(self, status: int) -> None:
        if self.invite is not None and not self.finals:
            self.finals.append(status)
            refusal = format_response(self.invite, status, self._tag(), self._contacts())
            self._send_until_ack(refusal, self._tag(), 1, self._channel)

    def _answer(self) -> None:
        if self.invite is None or self.finals:
            return
        self.finals.append(200)
        for ordinal in (1, 2) if self.plan.callee == "two 2xx" else (1,):
            tag = self._tag(ordinal)
            ok = format_response(self.invite, 200, tag, self._contacts())
            self._send_until_ack(ok, tag, 1, self._channel, always=True)

    def _send_until_ack(
        self, answer: bytes, tag: bytes, number: int, channel: Channel, *, always: bool = False
    ) -> None:
        def on_timeout() -> None:
            if not self.vanished:
                self.unacknowledged.add(tag)
                if always:
                    self._hang_up(tag)  # a 2xx without ACK ends the dialog (RFC 3261 13.3.1.4)

        retransmission = Retransmission(answer, channel, self.timers, on_timeout, always=always)
        self._answers[tag, number] = retransmission

    def _receive_ack(self, ack: Message) -> None:
        answer = self._answers.get((ack.to_tag, ack.number))
        if answer is None:
            self.unexpected.append("an ACK without a final response")
            return
        answer.stop()
        first = ack.to_tag not in self.acknowledged
        self.acknowledged.add(ack.to_tag)
        self.unacknowledged.discard(ack.to_tag)
        if first and self.finals[0] == 200 and ack.to_tag == self._tag():
            self._talk()

    def _talk(self) -> None:
        if self.plan.callee == "BYEs first":
            self.schedule(self.plan.short_delay, self._hang_up, self._tag())
        elif self.plan.callee == "vanishes when up":
            self.vanish()
        elif self.plan.caller == "waits for the BYE":
            self.schedule(self.plan.talk_time, self._hang_up, self._tag())

    def _receive_reinvite(self, invite: Message, channel: Channel) -> None:
        key = invite.to_tag, invite.number
        if key not in self._answers:
            ok = format_response(invite, 200, b"", self._contacts())
            self._send_until_ack(ok, *key, channel, always=True)

    def _receive_cancel(self, cancel: Message, channel: Channel) -> None:
        self.cancelled = True
        channel.send(format_response(cancel, 200, self._tag()))
        if self.finals:
            return
        match self.plan.callee:
            case "487 late":
                self.schedule(self.plan.ring_time, self._refuse, 487)
            case "200 after CANCEL":
                self._answer()
            case _:
                self._refuse(487)

    def _hang_up(self, tag: bytes) -> None:
        """Send a BYE along the recorded route (RFC 3261 12.1.1)."""
        if self.invite is None or self.hung_up_by_peer or tag in self.byes:
            return
        self.byes[tag] = 0
        branch = b"z9hG4bKbye-%b" % tag
        invite = self.invite
        host = self._contact.partition(b"@")[2].partition(b";")[0]
        transport = b"TCP" if self._channel.reliable else b"UDP"
        fields = [
            (b"Via", b"SIP/2.0/%b %b;branch=%b" % (transport, host, branch)),
            (b"Max-Forwards", b"70"),
            (b"From", b"%b;tag=%b" % (invite.value(b"to"), tag)),
            (b"To", invite.value(b"from")),
            (b"Call-ID", invite.call_id),
            (b"CSeq", b"1 BYE"),
            *((b"Route", entry) for entry in invite.record_routes),
        ]
        self.send_request(
            branch, format_message(b"BYE %b SIP/2.0" % invite.contact, fields), self._channel
        )

    def _receive_bye_response(self, message: Message) -> None:
        self.receive_answer(message.branch)
        if message.status >= 200:
            self.byes[message.from_tag] = message.status
