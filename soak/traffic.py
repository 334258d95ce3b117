"""All calls of a run: placed at a rate that the machine can handle, and judged at their end.

When a call must have ended is known from its age alone: after ``lifetime`` seconds every timer of
the RFC has fired.  If the machine stands still, timers of both sides fire late and a call may end
in ways that nothing explains, so calls that were alive in such a moment are not judged.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from functools import partial
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from soak.call_plan import MAX_CANCEL_DELAY, draw_plan
from soak.callee import Callee
from soak.caller import Caller
from soak.channels import LossySocket, Stream
from soak.messages import Message
from soak.tcp_connections import STRAY, TcpConnections
from soak.verdict import Call, find_unexplained

if TYPE_CHECKING:
    from soak.call_leg import Timers
    from soak.channels import Channel

_HOST, _UNKNOWN_HOST = "127.0.0.1", "127.0.0.9"
_TICK = 0.02  # seconds between two rounds
_CALL_ID = re.compile(rb"\r\nCall-ID: (\S+)")
_MIN_RATE = 20.0  # calls per second, however slow the machine is
_MAX_STALL = 1.0  # seconds; a longer stall makes timers of 64*T1 fire on its own
_MAX_CATCH_UP = 0.2  # seconds of missed calls that are placed at once after a stall
_MIN_WAITS = 50  # measured waits before the rate is adjusted
_MAX_PRINTED = 50  # unexplained calls


class Traffic:
    """All calls of a run."""

    def __init__(
        self, seed: int, timers: Timers, program: tuple[str, int], callee_port: int, loss: float
    ) -> None:
        self.seed, self.timers, self.loss = seed, timers, loss
        self.placed = self.judged = self.unjudged = 0
        self.rate = 100.0
        self.outcomes: Counter[tuple[str, str, str]] = Counter()  # caller, far side, outcome
        self.unexplained: list[str] = []
        self.traces: dict[str, list[str]] = {}  # the messages of unexplained calls
        self.staged_ids: set[bytes] = set()
        self._random = Random(seed)
        self._program, self._callee_port = program, callee_port
        self._calls: dict[bytes, Call] = {}
        self._by_age: deque[Call] = deque()
        self._waits: list[float] = []
        self.stalls: list[float] = []  # times at which the machine or the program stood still
        self.lifetime = (
            MAX_CANCEL_DELAY + 3 * timers.transaction_timeout
        )  # seconds until a call must be over
        self._loop = asyncio.get_running_loop()

    @property
    def alive(self) -> int:
        """The number of calls that are not judged yet."""
        return len(self._by_age)

    @property
    def lost(self) -> int:
        """The number of datagrams that were lost on purpose."""
        return sum(each.lost for each in self._datagrams)

    async def open(self) -> None:
        """Open the sockets of both sides."""
        random, program = self._random, self._program
        caller = self._caller_received, partial(self._record, "caller"), random
        callee = self._callee_received, partial(self._record, "callee"), random
        self._trunk = LossySocket((_HOST, 0), program, *caller)
        self._unknown = LossySocket((_UNKNOWN_HOST, 0), program, *caller)
        self._upstream = LossySocket((_HOST, self._callee_port), program, *callee)
        self._datagrams = (self._trunk, self._unknown, self._upstream)
        for each in self._datagrams:
            each.loss = self.loss
        self._upstreams: list[Stream] = []
        self._server = await self._loop.create_server(
            lambda: Stream(*callee[:2], self._upstreams.append), _HOST, self._callee_port
        )
        self.connections = TcpConnections(program, *caller)
        await self.connections.start((_HOST, self._trunk.port))

    async def place_calls(self, calls: int, seconds: float, max_rate: float) -> bool:
        """Place calls at ``max_rate`` per second at most; return False if the time runs out."""
        started = before = self._loop.time()
        due = 0.0
        while self.placed < calls:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            if now - started > seconds:
                return False
            due += min(now - before, _MAX_CATCH_UP) * self.rate
            self._record_stall(now - before)
            before = now
            while due >= 1 and self.placed < calls:
                due -= 1
                self._place()
            self._judge(now)
            if len(self._waits) > _MIN_WAITS:
                self._adjust_rate(max_rate)
        return True

    async def drain(self) -> None:
        """Wait until the last call must be over, then close the connections."""
        before = self._loop.time()
        while self._by_age:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            self._record_stall(now - before)
            before = now
            self._judge(now)
        await self.connections.close()
        self._server.close()
        for stream in self._upstreams:
            stream.close()

    def close(self) -> None:
        """Close the UDP sockets, to which the program may send until it is idle."""
        for each in self._datagrams:
            each.close()

    def _place(self) -> None:
        plan = draw_plan(self.seed, self.placed)
        call_id = b"%d-%x@soak" % (plan.index, self.seed)
        host = (_UNKNOWN_HOST if plan.caller == "from no trunk" else _HOST).encode()
        port = (self._unknown if plan.caller == "from no trunk" else self._trunk).port
        via = b"SIP/2.0/%b %b:%d" % (plan.transport.encode(), host, port)
        contact = b"sip:callee@127.0.0.1:%d" % self._callee_port

        def channel() -> Channel:
            if plan.caller == "from no trunk":
                return self._unknown
            return self._trunk if plan.transport == "UDP" else self.connections.choose()

        call = Call(
            plan,
            Caller(plan, call_id, self.timers, via, channel),
            Callee(plan, self.timers, contact),
            [],
        )
        self.placed += 1
        self._calls[call_id] = call
        self._by_age.append(call)
        call.caller.send_invite()

    def _judge(self, now: float) -> None:
        while self._by_age and now - self._by_age[0].caller.started_at > self.lifetime:
            call = self._by_age.popleft()
            del self._calls[call.caller.call_id]
            if self._stalled_since(call.caller.started_at):
                self.unjudged += 1
                continue
            self.judged += 1
            self.outcomes[call.plan.caller, call.far_side, call.outcome] += 1
            self._check(call)

    def _record_stall(self, seconds: float) -> None:
        if seconds > _MAX_STALL:
            self.stalls.append(self._loop.time())

    def _stalled_since(self, since: float) -> bool:
        return bool(self.stalls) and self.stalls[-1] > since

    def _check(self, call: Call) -> None:
        for text in find_unexplained(call):
            self._report(call.caller.call_id, f"{text}: {call.plan}")
            if len(self.traces) < _MAX_PRINTED:
                self.traces[call.caller.call_id.decode()] = call.trace_lines()
        staged_id = call.callee.staged_id
        if staged_id and staged_id in self.staged_ids:
            self._report(
                call.caller.call_id, f"the staged id {staged_id!r} belongs to another call"
            )
        self.staged_ids.add(staged_id)

    def _report(self, call_id: bytes, text: str) -> None:
        self.unexplained.append(f"{call_id.decode(errors='backslashreplace')}: {text}")
        if len(self.unexplained) <= _MAX_PRINTED:
            print("unexplained:", self.unexplained[-1], flush=True)  # noqa: T201  a program's output

    def _caller_received(self, data: bytes, channel: Channel) -> None:
        self._receive(data, channel, "caller")

    def _callee_received(self, data: bytes, channel: Channel) -> None:
        self._receive(data, channel, "callee")

    def _record(self, side: str, direction: str, data: bytes) -> None:
        """Record a message for the trace of an unexplained call."""
        found = _CALL_ID.search(data)
        if found and (call := self._calls.get(found[1])):
            call.trace.append((self._loop.time(), f"{side} {direction}", data[:90]))

    def _receive(self, data: bytes, channel: Channel, side: str) -> None:
        try:
            message = Message(data)
            call_id = message.call_id
            if call := self._calls.get(call_id):
                leg = call.caller if side == "caller" else call.callee
                waited = call.caller.waited
                leg.receive_message(message, channel)
                if waited is None and call.caller.waited is not None:
                    self._waits.append(call.caller.waited)
                    self._record_stall(call.caller.waited)
            elif call_id not in {STRAY, b""} and not self._stalled_since(
                self._loop.time() - 3 * self.lifetime
            ):
                self._report(
                    call_id, f"the {side} received this after its call was over: {data[:80]!r}"
                )
        except (ValueError, IndexError, KeyError) as error:
            self._report(b"?", f"the {side} cannot parse {data[:300]!r}: {error!r}")

    def _adjust_rate(self, max_rate: float) -> None:
        """Lower the rate if responses are slow, and raise it otherwise."""
        slow = median(self._waits) > self.timers.t1 / 2
        self.rate = max(self.rate * 0.8, _MIN_RATE) if slow else min(self.rate * 1.05, max_rate)
        self._waits.clear()
