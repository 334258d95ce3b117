"""The calls of the last while with their messages: a store in memory, bounded in bytes.

It is made from events, from messages (``message_recorder.py``) and from the log's last line of each
call; no call depends on it::

    INVITE of anybody --> unadmitted --- admitted, or refused to a trunk ---> calls
                              |                                                 |
              MAX_UNADMITTED, the oldest gives way            calls, minutes, bytes: the oldest
                                                              gives way, unadmitted ones first

A stranger may send any number of INVITEs, so these never take the place of a trunk's call.  What
arrives is stored as it came, which costs a call little; it is masked when it is read.

The key of a call is its Call-ID as the log shows it, in which E.164 numbers are masked: so the
address of a call holds no number, and the last line finds its call.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sip_stager.events import (
    CallAdmitted,
    CallRefused,
    CallRinging,
    CallTreated,
    Event,
    InviteForwarded,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingWasted,
)
from sip_stager.model.flow import Flow
from sip_stager.sip.message import MAX_CALL_ID_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sip_stager.observability.log_fields import LogFields
    from sip_stager.ports import Handlers

MAX_UNADMITTED = 200
"""Calls of strangers, and others that were never admitted."""
MAX_MOMENTS = 200
"""Messages and events of one call; later ones are counted alone."""
MAX_CALL_BYTES = 256 * 1024
"""Bytes of one call; later messages are counted alone."""
MAX_ENDS = 20
"""Last lines of one call."""
_MOMENT_BYTES = 300
"""About the memory of a message without its own bytes, or of an event."""
_CALL_BYTES = 2000
"""About the memory of a call without its moments, its last line included."""


class Moment(NamedTuple):
    """A message or an event of a call, ``at`` seconds after its first one.

    ``event`` is None for a message: its bytes are in ``data``, and ``flow`` is its peer.
    """

    at: float
    event: Event | None
    data: bytes = b""
    flow: Flow | None = None
    sent: bool = False
    retransmission: bool = False


class PastCall:
    """A call with its moments.

    ``fields`` are those of the log's lines about it, empty until it is admitted.  ``ends`` are its
    last lines: several calls may share a Call-ID.
    """

    def __init__(self, call_id: str, began: float) -> None:
        self.call_id, self.began, self.began_at = call_id, began, time.time()
        self.last = began
        self.fields: Mapping[str, Any] = {}
        self.ends: list[Mapping[str, Any]] = []
        self.moments: list[Moment] = []
        self.left_out = 0
        self.size = _CALL_BYTES


class CallHistory:
    """Holds at most ``max_calls`` calls of the last ``seconds``, in at most ``max_bytes``.

    ``handlers`` are its observer of events.
    """

    def __init__(
        self,
        fields: LogFields,
        max_calls: int,
        seconds: float,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.fields = fields
        self._max_calls, self._seconds, self._max_bytes = max_calls, seconds, max_bytes
        self._clock = clock
        self._calls: dict[str, PastCall] = {}
        self._unadmitted: dict[str, PastCall] = {}
        self.bytes = 0
        self.dropped = 0
        events = (
            *(CallRinging, CallTreated, InviteForwarded, StagingClaimed, StagingEnded),
            *(StagingPolled, StagingRetried, StagingStarted, StagingWasted),
        )
        self.handlers: Handlers = {
            CallAdmitted: self._note_admitted,
            CallRefused: self._note_refused,
            **dict.fromkeys(events, self._note_event),
        }

    def __len__(self) -> int:
        return len(self._calls) + len(self._unadmitted)

    @property
    def figures(self) -> dict[str, int]:
        """The number of calls, and about the bytes of their memory."""
        return {"calls": len(self), "bytes": self.bytes}

    def find(self, call_id: str) -> PastCall | None:
        """Return a call by its Call-ID, as the log shows it or as it came."""
        self._expire()
        for key in (call_id, self.fields.call_id(call_id)):
            if found := self._calls.get(key) or self._unadmitted.get(key):
                return found
        return None

    def newest_first(self) -> list[PastCall]:
        """Return all calls, the one that began last first."""
        self._expire()
        calls = (*self._calls.values(), *self._unadmitted.values())
        return sorted(calls, key=lambda call: call.began, reverse=True)

    def note_end(self, line: Mapping[str, Any]) -> None:
        """Add the last line of a call; one that was forgotten, or never seen, begins anew."""
        key = line["call_id"]
        call = self._known(key) or self._begin(key)
        call.ends.append(line)
        del call.ends[:-MAX_ENDS]
        call.last = self._clock()
        if line.get("trunk") or line["side"] in {"caller", "agent"}:
            self._admit(call)

    def note_received(self, call_id: bytes, data: bytes, flow: Flow, *, begins: bool) -> None:
        """Add a message that was received; ``begins``: also if no call has that Call-ID."""
        key = self._key(call_id)
        call = self._known(key)
        if call is None:
            if not begins:
                return
            call = self._begin(key)
        self._add(call, None, data, flow)

    def note_sent(self, call_id: bytes, data: bytes, flow: Flow, *, again: bool) -> None:
        """Add a message that was sent, maybe as a retransmission."""
        call = self._known(self._key(call_id))
        if call is not None:
            self._add(call, None, data, flow, sent=True, retransmission=again)

    def _key(self, call_id: bytes) -> str:
        # The same text as that of the events, which strangers cannot make long.
        text = call_id[:MAX_CALL_ID_TEXT].decode("ascii", "backslashreplace")
        return self.fields.call_id(text)

    def _note_admitted(self, event: CallAdmitted) -> None:
        key = self.fields.call_id(event.call.call_id)
        call = self._known(key) or self._begin(key)
        call.fields = self.fields.call(event.call)
        self._admit(call)

    def _note_refused(self, event: CallRefused) -> None:
        call = self._known(self.fields.call_id(event.call_id))
        if call is None:
            return
        if event.call is None and not call.fields:
            numbers = event.from_number, event.to_number
            call.fields = self.fields.unadmitted(event.call_id, event.trunk, *numbers)
        self._add(call, event)
        if event.trunk:
            self._admit(call)

    def _note_event(self, event: Any) -> None:
        call = self._known(self.fields.call_id(event.call.call_id))
        if call is not None:
            self._add(call, event)

    def _known(self, key: str) -> PastCall | None:
        return self._calls.get(key) or self._unadmitted.get(key)

    def _begin(self, key: str) -> PastCall:
        if len(self._unadmitted) >= MAX_UNADMITTED:
            self._drop(self._unadmitted)
        self.bytes += _CALL_BYTES
        call = self._unadmitted[key] = PastCall(key, self._clock())
        return call

    def _add(
        self,
        call: PastCall,
        event: Event | None,
        data: bytes = b"",
        flow: Flow | None = None,
        *,
        sent: bool = False,
        retransmission: bool = False,
    ) -> None:
        size = len(data) + _MOMENT_BYTES
        call.last = now = self._clock()
        key, calls = call.call_id, self._calls
        if calls.pop(key, None) is not None:  # behind all others: the oldest is the least active
            calls[key] = call
        if len(call.moments) >= MAX_MOMENTS or call.size + size > MAX_CALL_BYTES:
            call.left_out += 1
            return
        at = now - call.began
        call.moments.append(Moment(at, event, data, flow, sent, retransmission))
        call.size += size
        self.bytes += size
        while self.bytes > self._max_bytes and len(self) > 1:
            self._drop(self._unadmitted or self._calls)

    def _admit(self, call: PastCall) -> None:
        """Put a call behind all that were active before it, among those of trunks."""
        key = call.call_id
        if (self._unadmitted.pop(key, None) or self._calls.pop(key, None)) is None:
            return  # it gave way meanwhile
        self._calls[key] = call
        if len(self._calls) > self._max_calls:
            self._drop(self._calls)
        self._expire()

    def _expire(self) -> None:
        """Drop the calls in which nothing happened for so long."""
        before = self._clock() - self._seconds
        for calls in (self._calls, self._unadmitted):
            while calls and next(iter(calls.values())).last < before:
                self._drop(calls, count=False)

    def _drop(self, calls: dict[str, PastCall], *, count: bool = True) -> None:
        oldest = calls.pop(next(iter(calls)))
        self.bytes -= oldest.size
        self.dropped += count
