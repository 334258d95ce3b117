"""Explains how a call ended from what its two sides did.

Each side does something at random, datagrams are lost and connections end, so one call may end in
several right ways.  ``find_unexplained`` lists what none of them allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from soak.call_plan import API_ANSWERS, DEADLINE, CallPlan
from soak.callee import Callee
from soak.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator


SILENCE = 0
_READ_ORDER_TOLERANCE = 0.1  # seconds; two sockets may be read in the wrong order


class Call(NamedTuple):
    """Both sides of one call."""

    plan: CallPlan
    caller: Caller
    callee: Callee
    trace: list[tuple[float, str, bytes]]  # time, side and direction, start of the message

    def trace_lines(self) -> list[str]:
        """Return the messages of the call, with seconds from the INVITE."""
        return [
            f"{at - self.caller.started_at:7.3f} {way}: {data.partition(b'branch')[0]!r}"
            for at, way, data in self.trace
        ]

    @property
    def connection_lost(self) -> bool:
        """True if one of its connections ended, so that messages may be lost for good."""
        return any(channel.closed for channel in self.caller.channels | self.callee.channels)

    @property
    def timer_b_fired(self) -> bool:
        """True if timer B may have ended it before the callee's response: the machine was slow."""
        caller = self.caller
        fires = caller.started_at + caller.timers.transaction_timeout
        return caller.status in {408, 487} and fires <= caller.ended_at <= fires + DEADLINE

    @property
    def far_side(self) -> str:
        """What the callee does, or what the API does if it does not stage the call, or "-"."""
        if self.plan.caller in {"malformed INVITE", "unmapped number", "from no trunk"}:
            return "-"
        return self.plan.callee if API_ANSWERS[self.plan.api].staged else f"API: {self.plan.api}"

    @property
    def outcome(self) -> str:
        """How the call ended for the caller."""
        caller = self.caller
        words = str(caller.status or "silence")
        if caller.cancelled and caller.status != 487:
            words += ", cancelled"
        if caller.status == 200 and not self.callee.acknowledged:
            words += ", no ACK"
        return words


def find_unexplained(call: Call) -> Iterator[str]:
    """Yield a sentence for each observation that nothing either side did explains."""
    yield from call.caller.unexpected
    yield from call.callee.unexpected
    if call.caller.status not in (allowed := _allowed_statuses(call)):
        expected = " or ".join(str(status or "silence") for status in sorted(allowed))
        yield f"the caller got {call.caller.status or 'nothing'} instead of {expected}"
    yield from _check_forwarding(call)
    yield from _check_acks(call)
    yield from _check_byes(call)
    yield from _check_requests(call)


def _allowed_statuses(call: Call) -> set[int]:
    """Return the statuses with which the INVITE may end."""
    plan, caller = call.plan, call.caller
    if plan.caller == "malformed INVITE":
        return {400, 505, 513, SILENCE}
    if caller.vanished or call.connection_lost:
        return {caller.status} if caller.status == SILENCE else _expected_statuses(call) | {SILENCE}
    return _expected_statuses(call)


def _expected_statuses(call: Call) -> set[int]:
    plan = call.plan
    if plan.caller == "unmapped number":
        statuses = {404}
    elif plan.caller == "from no trunk":
        statuses = {403}
    elif not API_ANSWERS[plan.api].staged:
        statuses = {480, 503}  # 503 while the circuit breaker is open
    elif call.callee.finals:
        # A 503 of the upstream is forwarded as 500 (RFC 3261 16.7 step 6).
        statuses = {500 if final == 503 else final for final in call.callee.finals}
        statuses |= {503} if 503 in call.callee.finals else set()
    else:
        statuses = {408}  # timer B; also of a call whose CANCEL came too late
    if call.timer_b_fired and API_ANSWERS[plan.api].staged:
        statuses |= {408}
    return statuses | ({487} if call.caller.cancelled else set())


def _check_forwarding(call: Call) -> Iterator[str]:
    callee = call.callee
    if callee.invite is None:
        return
    if not call.plan.reaches_callee:
        yield "the callee got an INVITE"
    if len(callee.branches) > 1:
        yield "the callee got two INVITEs"
    if not callee.staged_id:
        yield "the INVITE has no staged id or several"
    if callee.invite.body != call.caller.requests.body:
        yield "the INVITE's body has changed"
    if (
        call.caller.status == 487
        and callee.invited_at > call.caller.ended_at + _READ_ORDER_TOLERANCE
    ):
        yield "the callee got an INVITE after the caller's 487"
    if (
        call.caller.status == 487
        and callee.rang
        and not (callee.cancelled or callee.vanished or call.timer_b_fired)
    ):
        yield "the callee got no CANCEL"


def _check_acks(call: Call) -> Iterator[str]:
    caller, callee = call.caller, call.callee
    if call.connection_lost or call.timer_b_fired or not callee.unacknowledged:
        return
    if callee.finals[0] != 200:
        yield f"the callee's {callee.finals[0]} was not acknowledged"
    elif not (caller.vanished or call.plan.caller == "never ACKs"):
        yield "the callee's 2xx was not acknowledged"


def _check_byes(call: Call) -> Iterator[str]:
    for side, sender, receiver in (
        ("caller", call.caller, call.callee),
        ("callee", call.callee, call.caller),
    ):
        for status in sender.byes.values():
            if status == SILENCE and not (
                sender.vanished or receiver.vanished or call.connection_lost
            ):
                yield f"the {side}'s BYE was not answered"
            elif status not in {SILENCE, 200}:
                yield f"the {side}'s BYE was answered {status}"


def _check_requests(call: Call) -> Iterator[str]:
    caller, callee = call.caller, call.callee
    if caller.vanished or call.connection_lost:
        return
    if caller.cancelled and caller.cancel_status not in {200, 481}:
        yield f"the CANCEL was answered {caller.cancel_status or 'not at all'}"
    if caller.reinvite_status not in {None, 200} and not (
        callee.vanished and caller.reinvite_status == 408
    ):
        yield f"the re-INVITE was answered {caller.reinvite_status or 'not at all'}"
