"""Keepalives to callers behind a NAT, while their calls are up (RFC 5626 4.4, 5.4).

A NAT forgets a binding over UDP that is silent for about 30 s, and the BYE of the callee would then
be lost.  So each flow that a seal has gets a line break at least every 25 s::

    FlowRecorded ---> CallRefused, CallEnded (unanswered) --> over
         |
         '----------> CallEnded (answered) --> CallHungUp --> over
                                               |
                                               '-- MAX_DURATION is over, or the connection is

Calls of one flow share its keepalives.  The store is bounded: beyond it the oldest call's flow gets
none any more.  After a restart it is empty, and the calls that were up rely on their callers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sip_stager.events import CallEnded, CallHungUp, CallRefused, FlowRecorded
from sip_stager.model.vocabulary import CallOutcome

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Clock, Handlers, Transport

KEEPALIVE = b"\r\n\r\n"
"""Every parser of SIP skips it (RFC 3261 7.5); over TCP it asks for an answer (RFC 5626 3.5.1)."""
KEEPALIVE_INTERVAL = 25.0
"""Seconds; RFC 5626 4.4.2 has 24 to 29 for UDP."""
MAX_CALLS = 20_000
"""Call-IDs with a flow that are remembered."""
MAX_DURATION = 4 * 3600.0
"""Seconds; a call whose BYE did not come by here is taken for over then."""
_NOT_OVER = frozenset({401, 407})
"""Statuses of a BYE after which it is sent again with credentials: the call goes on."""


class FlowKeepalives:
    """Sends keepalives to the flows of calls; ``handlers`` are its observer."""

    def __init__(self, clock: Clock, transport: Transport) -> None:
        self._clock = clock
        self._transport = transport
        # A trunk that forks a call uses its Call-ID twice, from one flow: both are counted.
        self._calls: dict[str, tuple[Flow, int, float]] = {}  # in the order of their begin
        self._calls_of: dict[Flow, int] = {}
        self._due: deque[tuple[float, Flow]] = deque()  # the earliest first: the interval is one
        self._queued: set[Flow] = set()  # the flows in it
        self._is_timed = False

    @property
    def handlers(self) -> Handlers:
        """The events that it follows calls by, each with its handler."""
        return {
            FlowRecorded: self._begin,
            CallRefused: self._refuse,
            CallEnded: self._end_invite,
            CallHungUp: self._hang_up,
        }

    def __len__(self) -> int:
        return len(self._calls_of)

    def _begin(self, event: FlowRecorded) -> None:
        call_id, flow, now = event.call.call_id, event.source, self._clock.time()
        known = self._calls.get(call_id)
        if known is not None:
            # From another connection or port, only if its caller redialled: the last one counts.
            self._forget(call_id)
        elif len(self._calls) >= MAX_CALLS:
            self._forget(next(iter(self._calls)))
        count = known[1] if known else 0
        self._calls[call_id] = flow, count + 1, now + MAX_DURATION
        if flow not in self._queued:
            self._queue(flow, now)
            self._start_timer()
        self._calls_of[flow] = self._calls_of.get(flow, 0) + 1

    def _refuse(self, event: CallRefused) -> None:
        if event.call is not None:
            self._end(event.call.call_id)

    def _end_invite(self, event: CallEnded) -> None:
        if event.outcome is not CallOutcome.ANSWERED:
            self._end(event.call.call_id)

    def _hang_up(self, event: CallHungUp) -> None:
        if self._calls and (event.response is None or event.response.status not in _NOT_OVER):
            self._end(event.bye.call_id_text)

    def _end(self, call_id: str) -> None:
        """End one of the calls with a Call-ID."""
        known = self._calls.get(call_id)
        if known is None:
            return
        flow, count, until = known
        if count > 1:
            self._calls[call_id] = flow, count - 1, until
        else:
            self._forget(call_id)

    def _forget(self, call_id: str) -> None:
        flow = self._calls.pop(call_id)[0]
        left = self._calls_of.get(flow, 0) - 1
        if left > 0:
            self._calls_of[flow] = left
        else:
            self._calls_of.pop(flow, None)

    def _queue(self, flow: Flow, now: float) -> None:
        self._queued.add(flow)
        self._due.append((now + KEEPALIVE_INTERVAL, flow))

    def _start_timer(self) -> None:
        if self._due and not self._is_timed:
            self._is_timed = True
            delay = max(0.0, self._due[0][0] - self._clock.time())
            self._clock.call_later(delay, self._send_due)

    def _send_due(self) -> None:
        """Send the keepalives that are due; a flow without calls leaves the queue."""
        self._is_timed = False
        now, due = self._clock.time(), self._due
        self._expire(now)
        while due and due[0][0] <= now:
            flow = due.popleft()[1]
            self._queued.discard(flow)
            if flow not in self._calls_of:
                continue
            if flow.transport == "TCP" and not self._transport.is_connected(flow.host, flow.port):
                del self._calls_of[flow]  # only its peer could open it again
                continue
            self._transport.send(KEEPALIVE, flow)
            self._queue(flow, now)
        self._start_timer()

    def _expire(self, now: float) -> None:
        while self._calls:
            call_id, (_, _, until) = next(iter(self._calls.items()))
            if until > now:
                return
            self._forget(call_id)
