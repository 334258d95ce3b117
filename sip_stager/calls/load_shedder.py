"""New INVITEs in overload: refused from their first lines, ahead of the transaction layer.

::

    message --> ACK of a refusal of ours ----------------------> absorbed
       |
       +------> INVITE without a To tag
       |           |-- in the socket for longer than T1 -------> dropped: its repeat is behind it
       |           |-- of a transaction that is alive ---------> the transaction layer
       |           |-- refused before -------------------------> refused again, byte for byte
       |           |-- of no trunk ----------------------------> 403 within a budget, or dropped
       |           +-- not admitted by the overload control ---> refused (the trunk's policy)
       |           +-- admitted -------------------------------> the transaction layer
       |
       +------> anything else belongs to a live call ----------> the transaction layer

A refusal is stateless (RFC 3261 8.2.7): the tag and the Retry-After are made from the INVITE by a
keyed digest, so a repeat gets the same ones.  The refusal is remembered all the same.  Else a
repeat that was already on its way might be admitted, and an agent would talk to nobody: for its
caller the call is over.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import CallRefused, MessageDropped, OverloadChanged
from sip_stager.model.vocabulary import DropCause, OverloadState
from sip_stager.proxy.refusals import refusal_warning
from sip_stager.sip.parser import MAX_HEADER_LINES
from sip_stager.sip.responses import RETRY_AFTER_STATUSES, response_flow
from sip_stager.sip.unparsed import (
    InviteHead,
    is_new_invite,
    make_stateless_response,
    read_invite,
    to_tag,
)
from sip_stager.transaction.matching import server_key

if TYPE_CHECKING:
    from sip_stager.calls.new_calls import NewCalls
    from sip_stager.calls.overload import OverloadControl
    from sip_stager.calls.strangers import AnswerBudget
    from sip_stager.model.call import Cause, Refusal
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Clock, MessageObserver, Notify, Transport
    from sip_stager.sip.identifiers import Identifiers
    from sip_stager.transaction.layer import TransactionLayer

MAX_REFUSED = 50_000
"""Refused INVITEs that each of the two sets remembers: 32 s of 1,500 a second, in 6 MB."""


class SheddingRules(NamedTuple):
    """How new calls are refused in overload; times are in seconds.

    Retry-After is spread evenly from ``retry_after_min`` to ``retry_after_max``, so that callers do
    not come back all at once.  An INVITE older than ``max_age`` is dropped, T1 by default: then its
    sender has repeated it.  A refusal is remembered for at least ``lifetime``, in which the sender
    may repeat the INVITE (64 * T1).  An INVITE with more than ``max_header_lines`` is left to the
    transaction layer, which rejects it.
    """

    retry_after_min: int = 1
    retry_after_max: int = 10
    max_age: float = 0.5
    lifetime: float = 32.0
    max_header_lines: int = MAX_HEADER_LINES


class LoadShedder:
    """Screens received messages while it is ``active`` (``transport.types.Screen``)."""

    def __init__(
        self,
        layer: TransactionLayer,
        identifiers: Identifiers,
        clock: Clock,
        transport: Transport,
        notify: Notify,
        messages: MessageObserver,
        admission: Admission,
        new_calls: NewCalls,
        control: OverloadControl,
        rules: SheddingRules = SheddingRules(),  # noqa: B008  a tuple
        strangers: AnswerBudget | None = None,
    ) -> None:
        self._layer = layer
        self._identifiers = identifiers
        self._clock = clock
        self._transport = transport
        self._notify = notify
        self._messages = messages
        self._admission = admission
        self._new_calls = new_calls
        self._rules = rules
        self._strangers = strangers
        self._refused = _Recent(rules.lifetime)
        self._began_at = 0.0
        self._count = 0
        self.control = control
        self.active = False

    def adopt(
        self,
        admission: Admission,
        new_calls: NewCalls,
        threshold: float,
        rules: SheddingRules,
        strangers: AnswerBudget,
    ) -> None:
        """Use other settings from now on; INVITEs that were refused stay refused."""
        self._admission, self._new_calls = admission, new_calls
        self._rules, self._strangers = rules, strangers
        self.control.set_threshold(threshold)

    def observe_messages(self, messages: MessageObserver) -> None:
        """Report messages to another observer from now on."""
        self._messages = messages

    def observe_age(self, interface: int, seconds: float) -> None:
        """Take the age of the oldest datagram in a listener's socket, as it is read."""
        if self.control.observe_age(interface, seconds):
            before, now = self.control.state, self._clock.time()
            self.control.begin_shedding(now)
            self._report_change(before, now)

    def end_interval(self, lag: float) -> None:
        """End an interval of the overload control; ``lag`` is the event loop's, in seconds."""
        before = self.control.state
        now = self._clock.time()
        self.control.step(now, lag, self._new_calls.admitted)
        self._refused.expire(now)
        self._report_change(before, now)

    def screen(self, data: bytes, source: Flow, age: float) -> bool:
        """Return True if a message was settled here; ``age`` is its time in the socket."""
        if data.startswith(b"ACK "):
            return self._absorb_ack(data, source)
        return is_new_invite(data) and self._screen_invite(data, source, age)

    def _absorb_ack(self, ack: bytes, source: Flow) -> bool:
        """Absorb the ACK of a refusal; it has the tag of that (RFC 3261 17.1.1.3)."""
        if to_tag(ack) not in self._refused:
            return False
        self._messages.raw_message(ack, source, sent=False)
        return True

    def _screen_invite(self, data: bytes, source: Flow, age: float) -> bool:
        shedding = self.control.state is OverloadState.SHEDDING
        if shedding and age > self._rules.max_age:
            detail = f"an INVITE waited in the socket for {age:.1f} s: its repeat is answered"
            self._notify(MessageDropped(source, DropCause.STALE, detail))
            return True
        head = read_invite(data, source, self._rules.max_header_lines)
        if head is None or self._is_alive(head):
            return False
        parts = head.call_id, head.cseq, head.via.branch
        tag = self._identifiers.answer_tag(*parts)
        refused_before = tag in self._refused
        if not refused_before and not shedding:
            return False
        refusal = self._admission.refuse_unread(source)
        if not refusal.trunk and not self._may_answer_stranger(source, head):
            return True
        if not refused_before:
            if refusal.trunk:
                if self.control.admit(self._clock.time()):
                    return False
                self._refused.add(tag)
            self._report_refusal(head, refusal)
        self._messages.raw_message(data, source, sent=False)
        self._respond(head, source, tag, refusal, len(data))
        return True

    def _is_alive(self, head: InviteHead) -> bool:
        """Return True for a repeat, and False for a later INVITE on the same branch."""
        latest = self._layer.invite_servers.get(_transaction_key(head))
        return latest is not None and int(head.cseq) <= (latest.cseq_number or 0)

    def _may_answer_stranger(self, source: Flow, head: InviteHead) -> bool:
        """Return True if a stranger's INVITE is answered, by the setting and within the budget."""
        budget = self._strangers
        if budget is None or (budget.answers_invites and budget.take()):
            return True
        call_id = head.call_id.decode("ascii", "backslashreplace")
        detail = f"{source.host} belongs to no trunk"
        self._notify(MessageDropped(source, DropCause.STRANGER, detail, call_id))
        return False

    def _respond(
        self, head: InviteHead, source: Flow, tag: bytes, refusal: Refusal, size: int
    ) -> None:
        # A stranger learns neither the reason nor the name of this program.
        extra = [_warning(refusal.cause)] if refusal.trunk else []
        if refusal.status in RETRY_AFTER_STATUSES:
            extra.append((b"Retry-After", b"%d" % self._retry_after(tag)))
        reason = refusal.reason.encode("utf-8")
        response = make_stateless_response(head, refusal.status, reason, tag, extra)
        if not refusal.trunk and len(response) > size:  # a forged source would be flooded
            return
        behind_nat = self._layer.answers_to_source(source.host)
        flow = source if behind_nat else response_flow(head.via, source)
        self._transport.send(response, flow)
        self._messages.raw_message(response, flow, sent=True)

    def _retry_after(self, tag: bytes) -> int:
        """Return the seconds of a Retry-After: random, and the same for each repeat."""
        low, high = self._rules.retry_after_min, self._rules.retry_after_max
        return low + int(tag[:8], 16) % (high - low + 1)

    def _report_refusal(self, head: InviteHead, refusal: Refusal) -> None:
        self._count += 1
        call_id = head.call_id.decode("ascii", "backslashreplace")
        text = refusal.text or f"datagrams wait for {self.control.delay:.3f} s"
        status, cause = refusal.status, refusal.cause
        event = CallRefused(call_id, refusal.trunk, status, cause, text, 0.0)
        self._notify(event)

    def _report_change(self, before: OverloadState, now: float) -> None:
        state = self.control.state
        # Refused INVITEs may be repeated, and their ACKs come, after the overload.
        self.active = state is OverloadState.SHEDDING or bool(self._refused)
        if state is before:
            return
        if state is OverloadState.SHEDDING:
            self._began_at, self._count = now, 0
        control, seconds = self.control, now - self._began_at
        event = OverloadChanged(state, control.worst_delay, control.average, self._count, seconds)
        self._notify(event)


class _Recent:
    """A set whose keys are forgotten after one to two lifetimes, or when there are too many."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._renewed_at = 0.0

    def __contains__(self, key: bytes) -> bool:
        return key in self._young or key in self._old

    def __bool__(self) -> bool:
        return bool(self._young or self._old)

    def add(self, key: bytes) -> None:
        """Remember a key."""
        self._young.add(key)
        if len(self._young) >= MAX_REFUSED:
            self._old, self._young = self._young, set()

    def expire(self, now: float) -> None:
        """Forget the old keys once a lifetime is over."""
        if now - self._renewed_at >= self._lifetime:
            self._old, self._young = self._young, set()
            self._renewed_at = now


@lru_cache(maxsize=8)
def _warning(cause: Cause) -> tuple[bytes, bytes]:
    """Return the Warning of a refusal; the same few are sent a thousand times a second."""
    return refusal_warning(cause, 0.0)


def _transaction_key(head: InviteHead) -> object:
    """Return the key of the server transaction that the INVITE would have."""
    if head.request:
        return server_key(head.request)
    return head.via.branch, *head.via.sent_by, head.call_id
