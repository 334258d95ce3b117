"""Whether what became of a call is explained by what its two sides did."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from soak.call_plan import API, DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from soak.call_plan import Plan
    from soak.callee import Callee
    from soak.caller import Caller

SILENCE = 0
_ORDERING = 0.1  # seconds in which two sockets may be read in the wrong order


class Call(NamedTuple):
    """Both sides of one call."""

    plan: Plan
    caller: Caller
    callee: Callee
    trace: list[tuple[float, str, bytes]]  # the time, who and which way, and how it begins

    def traced(self) -> list[str]:
        """Return what passed, in seconds from the INVITE."""
        return [
            f"{at - self.caller.began:7.3f} {way}: {data.partition(b'branch')[0]!r}"
            for at, way, data in self.trace
        ]

    @property
    def torn(self) -> bool:
        """Whether a connection that it used was cut, so that messages may be lost for good."""
        return any(wire.closed for wire in self.caller.wires | self.callee.wires)

    @property
    def given_up(self) -> bool:
        """Whether timer B may have come before what the callee sent: the machine stood still."""
        caller = self.caller
        fires = caller.began + caller.timers.patience
        return caller.status in {408, 487} and fires <= caller.ended_at <= fires + DEADLINE

    @property
    def far_side(self) -> str:
        """The API where it does not stage, else the callee where the INVITE may come so far."""
        if self.plan.caller in {"malformed INVITE", "unmapped number", "from no trunk"}:
            return "-"
        return self.plan.callee if API[self.plan.api].staged else f"API: {self.plan.api}"

    @property
    def outcome(self) -> str:
        """What the caller heard at the end."""
        caller = self.caller
        words = str(caller.status or "silence")
        if caller.cancelled and caller.status != 487:
            words += ", cancelled"
        if caller.status == 200 and not self.callee.acknowledged:
            words += ", no ACK"
        return words


def unexplained(call: Call) -> Iterator[str]:
    """Say what cannot come of what both sides did, in words."""
    yield from call.caller.unexpected
    yield from call.callee.unexpected
    if call.caller.status not in (allowed := _allowed(call)):
        said = " or ".join(str(status or "silence") for status in sorted(allowed))
        yield f"the caller heard {call.caller.status or 'nothing'} and not {said}"
    yield from _forwarding(call)
    yield from _acknowledgements(call)
    yield from _byes(call)
    yield from _requests(call)


def _allowed(call: Call) -> set[int]:
    """Give the final responses to the INVITE that may come."""
    plan, caller = call.plan, call.caller
    if plan.caller == "malformed INVITE":
        return {400, 505, SILENCE}
    if caller.gone or call.torn:
        return {caller.status} if caller.status == SILENCE else _answers(call) | {SILENCE}
    return _answers(call)


def _answers(call: Call) -> set[int]:
    plan = call.plan
    if plan.caller == "unmapped number":
        answers = {404}
    elif plan.caller == "from no trunk":
        answers = {403}
    elif not API[plan.api].staged:
        answers = {503}
    elif call.callee.finals:
        answers = {500 if final == 503 else final for final in call.callee.finals}
        answers |= {503} if 503 in call.callee.finals else set()
    else:
        answers = {408}  # also of a call whose CANCEL crossed it
    if call.given_up and API[plan.api].staged:
        answers |= {408}
    return answers | ({487} if call.caller.cancelled else set())


def _forwarding(call: Call) -> Iterator[str]:
    callee = call.callee
    if callee.invite is None:
        return
    if not call.plan.reaches_callee:
        yield "the callee was invited"
    if len(callee.branches) > 1:
        yield "the callee was invited twice"
    if not callee.staged_id:
        yield "the INVITE has no staged id, or several"
    if callee.invite.body != call.caller.requests.body:
        yield "the INVITE's body is another"
    if call.caller.status == 487 and callee.invited_at > call.caller.ended_at + _ORDERING:
        yield "the callee was invited after the caller's 487"
    if (
        call.caller.status == 487
        and callee.rang
        and not (callee.cancelled or callee.gone or call.given_up)
    ):
        yield "the callee was not cancelled"


def _acknowledgements(call: Call) -> Iterator[str]:
    caller, callee = call.caller, call.callee
    if call.torn or call.given_up or not callee.unacknowledged:
        return
    if callee.finals[0] != 200:
        yield f"the callee's {callee.finals[0]} was not acknowledged"
    elif not (caller.gone or call.plan.caller == "never ACKs"):
        yield "the callee's 2xx was not acknowledged"


def _byes(call: Call) -> Iterator[str]:
    for side, asking, asked in (
        ("caller", call.caller, call.callee),
        ("callee", call.callee, call.caller),
    ):
        for status in asking.byes.values():
            if status == SILENCE and not (asking.gone or asked.gone or call.torn):
                yield f"the {side}'s BYE was not answered"
            elif status not in {SILENCE, 200}:
                yield f"the {side}'s BYE was answered {status}"


def _requests(call: Call) -> Iterator[str]:
    caller, callee = call.caller, call.callee
    if caller.gone or call.torn:
        return
    if caller.cancelled and caller.cancel_status not in {200, 481}:
        yield f"the CANCEL was answered {caller.cancel_status or 'by nobody'}"
    if caller.reinvite_status not in {None, 200} and not (
        callee.gone and caller.reinvite_status == 408
    ):
        yield f"the re-INVITE was answered {caller.reinvite_status or 'by nobody'}"
