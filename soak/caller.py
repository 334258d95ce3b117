"""The caller of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.call_leg import Leg, Timers
from soak.caller_requests import CallerRequests
from soak.malformed import malformed_invite
from soak.messages import Message, format_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.call_plan import CallPlan
    from soak.channels import Channel


class Caller(Leg):
    """Places one call; ``via`` is its address, ``open_channel`` returns a way to the program."""

    def __init__(
        self,
        plan: CallPlan,
        call_id: bytes,
        timers: Timers,
        via: bytes,
        open_channel: Callable[[], Channel],
    ) -> None:
        super().__init__(plan, timers)
        self.call_id = call_id
        self.requests = CallerRequests(plan, call_id, via)
        self.started_at = self._loop.time()
        self.waited: float | None = None  # seconds from the INVITE to its first response
        self.status = 0
        self.ended_at = 0.0
        self.cancelled = False
        self.cancel_status = 0
        self.acknowledged: set[bytes] = set()
        self.reinvite_status: int | None = None
        self._open_channel = open_channel
        self._got_provisional = self._wants_cancel = False
        self._acks: dict[bytes, bytes] = {}  # by the To tag of the 2xx
        self._accepted: dict[bytes, Message] = {}
        self._invite_branch = self.requests.new_branch()
        self._invite_channel = open_channel()

    def send_invite(self) -> None:
        """Send the INVITE."""
        plan, channel = self.plan, self._invite_channel
        invite = self.requests.invite(self._invite_branch)
        if plan.caller == "malformed INVITE":
            self.send_request(self._invite_branch, malformed_invite(invite, plan.variant), channel)
            return
        if plan.caller == "garbage first":
            channel.send(plan.variant.to_bytes(2, "big") * (plan.variant % 50))
        self.send_request(self._invite_branch, invite, channel)
        if plan.caller == "repeats INVITE":
            for delay in (0.0, 0.002, 0.03, 0.3):
                self.schedule(delay, self._resend_invite, invite, channel)
        self._vanish_at("INVITE")
        self.schedule(plan.cancel_after, self._cancel)

    def receive_message(self, message: Message, channel: Channel) -> None:
        """Handle a message of the program."""
        if self.vanished:
            return
        if not message.status:
            self._receive_request(message, channel)
            return
        if self.waited is None:
            self.waited = self._loop.time() - self.started_at
        if self.plan.caller == "malformed INVITE":
            self.receive_answer(self._invite_branch)
            self._record_final(message.status)
            return
        if len(message.fields.get(b"via", [])) != 1:
            self.unexpected.append("a response with more or fewer than one Via")
        self._receive_response(message)

    def _receive_response(self, message: Message) -> None:
        match message.cseq_method, message.branch == self._invite_branch:
            case b"INVITE", True:
                self._receive_invite_response(message)
            case b"INVITE", False:
                self._receive_reinvite_response(message)
            case b"CANCEL", _:
                self.receive_answer(b"CANCEL")
                self.cancel_status = message.status
            case b"BYE", _ if message.status >= 200:
                self.receive_answer(message.branch)
                self.byes[message.to_tag] = message.status
            case b"BYE", _:
                pass  # a late 100 is allowed (RFC 4320 4.1)
            case _:
                self.unexpected.append(f"a response to {message.cseq_method!r}")

    def _receive_invite_response(self, message: Message) -> None:
        self.receive_answer(self._invite_branch)
        if message.status < 200:
            self._receive_provisional(message.status)
        elif message.status < 300:
            self._receive_2xx(message)
        else:
            self._receive_refusal(message)

    def _receive_provisional(self, status: int) -> None:
        if self.status >= 300:
            self.unexpected.append(f"{status} after {self.status}")
        first, self._got_provisional = not self._got_provisional, True
        if first and self._wants_cancel:
            self._cancel()
        if first and self.plan.caller == "cancels while staging":
            self.schedule(self.plan.short_delay, self._cancel)
        if status > 100 and self.plan.caller == "cancels while ringing":
            self.schedule(self.plan.short_delay, self._cancel)
        self._vanish_at("100" if status == 100 else "ringing")

    def _receive_2xx(self, message: Message) -> None:
        if self.status >= 300:
            self.unexpected.append(f"{message.status} after {self.status}")
        self._record_final(message.status)
        tag = message.to_tag
        if tag in self._accepted:
            if ack := self._acks.get(tag):  # a retransmitted 2xx (RFC 3261 13.2.2.4)
                self._dialog_channel().send(ack)
            return
        self._accepted[tag] = message
        if self.plan.caller == "CANCEL crosses 200" and len(self._accepted) == 1:
            self._send_cancel()
        self._vanish_at("answer")
        if self.plan.caller != "never ACKs" and not self.vanished:
            self._acknowledge(message)
            self._talk(tag, first=len(self._accepted) == 1)

    def _receive_refusal(self, message: Message) -> None:
        if self.status and self.status != message.status:
            self.unexpected.append(f"{message.status} after {self.status}")
        self._record_final(message.status)
        self._vanish_at("answer")
        if self.plan.caller != "never ACKs" and not self.vanished:
            ack = self.requests.ack(self._invite_branch, message)
            self._dialog_channel().send(ack)

    def _resend_invite(self, invite: bytes, channel: Channel) -> None:
        """Send the INVITE again, unless its transaction may have ended: it would be a new call."""
        timer_i = 0.0 if channel.reliable else self.timers.t4 / 2  # halved, for safety
        if not self.status or self._loop.time() - self.ended_at < timer_i:
            channel.send(invite)

    def _record_final(self, status: int) -> None:
        self.ended_at = self.ended_at or self._loop.time()
        self.status = self.status or status

    def _acknowledge(self, message: Message) -> None:
        """Send the ACK of a 2xx, end to end (RFC 3261 13.2.2.4)."""
        requests, accepted = self.requests, self._accepted[message.to_tag]
        ack = requests.in_dialog(accepted, b"ACK", message.number, requests.new_branch())
        if message.number == 1:
            self._acks[message.to_tag] = ack
            self.acknowledged.add(message.to_tag)
        for _ in range(3 if self.plan.caller == "repeats ACK" else 1):
            self._dialog_channel().send(ack)

    def _talk(self, tag: bytes, *, first: bool) -> None:
        plan = self.plan
        if not first or plan.caller == "hangs up at once":
            self._hang_up(tag)
        elif plan.caller == "re-INVITE":
            self.schedule(plan.short_delay, self._reinvite, tag)
        else:
            self.schedule(plan.talk_time + (plan.caller == "waits for the BYE"), self._hang_up, tag)

    def _reinvite(self, tag: bytes) -> None:
        if not self.hung_up_by_peer:
            self.reinvite_status = 0
            self._send_in_dialog(tag, b"INVITE", 2)
            self.schedule(self.timers.transaction_timeout + self.plan.talk_time, self._hang_up, tag)

    def _receive_reinvite_response(self, message: Message) -> None:
        self.receive_answer(message.branch)
        if message.status < 200:
            return
        first, self.reinvite_status = not self.reinvite_status, message.status
        if message.status < 300:
            self._acknowledge(message)
        else:
            accepted = self._accepted[message.to_tag]
            ack = self.requests.in_dialog(accepted, b"ACK", 2, message.branch)
            self._dialog_channel().send(ack)
        if first:
            self.schedule(self.plan.talk_time, self._hang_up, message.to_tag)

    def _hang_up(self, tag: bytes) -> None:
        if not self.hung_up_by_peer and tag not in self.byes:
            self.byes[tag] = 0
            self._send_in_dialog(tag, b"BYE", 3)

    def _send_in_dialog(self, tag: bytes, method: bytes, number: int) -> None:
        branch = self.requests.new_branch()
        request = self.requests.in_dialog(self._accepted[tag], method, number, branch)
        self.send_request(branch, request, self._dialog_channel())

    def _cancel(self) -> None:
        """Cancel the call unless it has ended; wait for a provisional response (RFC 3261 9.1)."""
        self._wants_cancel = True
        if not self.status and self._got_provisional and not self.cancelled:
            self._send_cancel()

    def _send_cancel(self) -> None:
        self.cancelled = True
        cancel = self.requests.cancel(self._invite_branch)
        self.send_request(b"CANCEL", cancel, self._dialog_channel())

    def _receive_request(self, request: Message, channel: Channel) -> None:
        if request.method != b"BYE":
            self.unexpected.append(f"the caller got a {request.method!r}")
            return
        self.channels.add(channel)
        self.hung_up_by_peer = True
        channel.send(format_response(request, 200))

    def _vanish_at(self, moment: str) -> None:
        if self.plan.caller == "vanishes" and self.plan.vanishes_at == moment:
            self.vanish()

    def _dialog_channel(self) -> Channel:
        # A caller whose connection has ended opens another (RFC 3261 18).
        channel = self._open_channel() if self._invite_channel.closed else self._invite_channel
        self.channels.add(channel)
        return channel
