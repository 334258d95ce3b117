"""The calls: placed at a rate that the machine bears, and judged when they must be over."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from functools import partial
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from soak.call_plan import MOST_PATIENT, draw
from soak.callee import Callee
from soak.caller import Caller
from soak.messages import Message
from soak.tcp_connections import STRAY, Connections
from soak.transports import Datagrams, Stream
from soak.verdict import Call, unexplained

if TYPE_CHECKING:
    from soak.call_leg import Timers
    from soak.transports import Wire

_HOST, _STRANGER = "127.0.0.1", "127.0.0.9"
_TICK = 0.02  # seconds between two looks at the clock
_CALL_ID = re.compile(rb"\r\nCall-ID: (\S+)")
_SLOWEST = 20.0  # calls per second, whatever the machine does
_STOOD_STILL = 1.0  # seconds; after more the machine, and nobody else, ends what 64*T1 limits
_MOST_TOLD = 50  # unexplained calls that are printed


class Soak:
    """All calls of a run."""

    def __init__(
        self, seed: int, timers: Timers, program: tuple[str, int], callee_port: int, loss: float
    ) -> None:
        self.seed, self.timers, self.loss = seed, timers, loss
        self.placed = self.judged = self.unjudged = 0
        self.rate = 100.0
        self.table: Counter[tuple[str, str, str]] = Counter()  # caller, far side, outcome
        self.strange: list[str] = []
        self.traces: dict[str, list[str]] = {}  # what passed in calls without an explanation
        self.staged_ids: set[bytes] = set()
        self._chance = Random(seed)
        self._program, self._callee_port = program, callee_port
        self._live: dict[bytes, Call] = {}
        self._order: deque[Call] = deque()
        self._waits: list[float] = []
        self.stalls: list[float] = []  # when this machine stood still, or the program did
        self.lifetime = MOST_PATIENT + 3 * timers.patience  # seconds until a call must be over
        self._loop = asyncio.get_running_loop()

    @property
    def alive(self) -> int:
        """How many calls are not over."""
        return len(self._order)

    @property
    def lost(self) -> int:
        """How many datagrams were lost on purpose."""
        return sum(each.lost for each in self._datagrams)

    async def open(self) -> None:
        """Open the sockets of both sides."""
        chance, program = self._chance, self._program
        caller = self._caller_takes, partial(self._witness, "caller"), chance
        callee = self._callee_takes, partial(self._witness, "callee"), chance
        self._trunk = Datagrams((_HOST, 0), program, *caller)
        self._nobody = Datagrams((_STRANGER, 0), program, *caller)
        self._upstream = Datagrams((_HOST, self._callee_port), program, *callee)
        self._datagrams = (self._trunk, self._nobody, self._upstream)
        for each in self._datagrams:
            each.loss = self.loss
        self._upstreams: list[Stream] = []
        self._server = await self._loop.create_server(
            lambda: Stream(*callee[:2], self._upstreams.append), _HOST, self._callee_port
        )
        self.connections = Connections(program, *caller)
        await self.connections.start((_HOST, self._trunk.port))

    async def place(self, calls: int, seconds: float, most: float) -> bool:
        """Place so many calls, ``most`` a second; False when the time ran out before."""
        began = before = self._loop.time()
        due = 0.0
        while self.placed < calls:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            if now - began > seconds:
                return False
            due += min(now - before, 0.2) * self.rate
            self._note_stall(now - before)
            before = now
            while due >= 1 and self.placed < calls:
                due -= 1
                self._place()
            self._judge(now)
            if len(self._waits) > 50:
                self._pace(most)
        return True

    async def drain(self) -> None:
        """Wait until the last call must be over, then close all."""
        before = self._loop.time()
        while self._order:
            await asyncio.sleep(_TICK)
            now = self._loop.time()
            self._note_stall(now - before)
            before = now
            self._judge(now)
        await self.connections.close()
        self._server.close()
        for stream in self._upstreams:
            stream.close()

    def close(self) -> None:
        """Close the sockets that could still be sent to."""
        for each in self._datagrams:
            each.close()

    def _place(self) -> None:
        plan = draw(self.seed, self.placed)
        call_id = b"%d-%x@soak" % (plan.index, self.seed)
        host = (_STRANGER if plan.caller == "from no trunk" else _HOST).encode()
        port = (self._nobody if plan.caller == "from no trunk" else self._trunk).port
        via = b"SIP/2.0/%b %b:%d" % (plan.transport.encode(), host, port)
        contact = b"sip:callee@127.0.0.1:%d" % self._callee_port

        def wire() -> Wire:
            if plan.caller == "from no trunk":
                return self._nobody
            return self._trunk if plan.transport == "UDP" else self.connections.one()

        call = Call(
            plan,
            Caller(plan, call_id, self.timers, via, wire),
            Callee(plan, self.timers, contact),
            [],
        )
        self.placed += 1
        self._live[call_id] = call
        self._order.append(call)
        call.caller.start()

    def _judge(self, now: float) -> None:
        while self._order and now - self._order[0].caller.began > self.lifetime:
            call = self._order.popleft()
            del self._live[call.caller.call_id]
            if self._stood_still(call.caller.began):
                self.unjudged += 1
                continue
            self.judged += 1
            self.table[call.plan.caller, call.far_side, call.outcome] += 1
            self._check(call)

    def _note_stall(self, seconds: float) -> None:
        if seconds > _STOOD_STILL:
            self.stalls.append(self._loop.time())

    def _stood_still(self, since: float) -> bool:
        return bool(self.stalls) and self.stalls[-1] > since

    def _check(self, call: Call) -> None:
        for words in unexplained(call):
            self._tell(call.caller.call_id, f"{words}: {call.plan}")
            if len(self.traces) < _MOST_TOLD:
                self.traces[call.caller.call_id.decode()] = call.traced()
        staged_id = call.callee.staged_id
        if staged_id and staged_id in self.staged_ids:
            self._tell(call.caller.call_id, f"the staged id {staged_id!r} is another call's")
        self.staged_ids.add(staged_id)

    def _tell(self, call_id: bytes, words: str) -> None:
        self.strange.append(f"{call_id.decode(errors='backslashreplace')}: {words}")
        if len(self.strange) <= _MOST_TOLD:
            print("unexplained:", self.strange[-1], flush=True)  # noqa: T201  a program's output

    def _caller_takes(self, data: bytes, wire: Wire) -> None:
        self._take(data, wire, "caller")

    def _callee_takes(self, data: bytes, wire: Wire) -> None:
        self._take(data, wire, "callee")

    def _witness(self, side: str, way: str, data: bytes) -> None:
        """Note what passes, so that what cannot be explained can be read."""
        found = _CALL_ID.search(data)
        if found and (call := self._live.get(found[1])):
            call.trace.append((self._loop.time(), f"{side} {way}", data[:90]))

    def _take(self, data: bytes, wire: Wire, side: str) -> None:
        try:
            message = Message(data)
            call_id = message.call_id
            if call := self._live.get(call_id):
                leg = call.caller if side == "caller" else call.callee
                waited = call.caller.waited
                leg.receive(message, wire)
                if waited is None and call.caller.waited is not None:
                    self._waits.append(call.caller.waited)
                    self._note_stall(call.caller.waited)
            elif call_id not in {STRAY, b""} and not self._stood_still(
                self._loop.time() - 3 * self.lifetime
            ):
                self._tell(call_id, f"the {side} got this for a call that is over: {data[:80]!r}")
        except (ValueError, IndexError, KeyError) as error:
            self._tell(b"?", f"the {side} cannot read {data[:300]!r}: {error!r}")

    def _pace(self, most: float) -> None:
        """Place fewer calls while the machine has no time to answer."""
        slow = median(self._waits) > self.timers.t1 / 2
        self.rate = max(self.rate * 0.8, _SLOWEST) if slow else min(self.rate * 1.05, most)
        self._waits.clear()
