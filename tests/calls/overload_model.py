"""A model of a proxy under load, in simulated time: one core, one socket, the overload control.

A call costs ``1 / CAPACITY`` seconds of CPU in all: a third for its INVITE, a quarter for its
staging, the rest for the messages that follow.  A refused call costs a thirtieth.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import OverloadState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.calls.overload import OverloadControl

CAPACITY = 300.0
BATCH = 64  # datagrams that are read before the loop does its other work
INTERVAL = 0.1
TRIP = 0.0005  # seconds on the network, and in a peer
COSTS = {
    "INVITE": 0.31, "staged": 0.25, "100": 0.04, "180": 0.07, "200": 0.10, "ACK": 0.07,
    "BYE": 0.11, "200 of BYE": 0.05, "refusal": 0.03, "ACK of refusal": 0.005,
}  # fmt: skip
FOLLOWING = {"200": "ACK", "ACK": "BYE", "BYE": "200 of BYE"}


@dataclass
class Outcome:
    """What callers got: the waits of answered calls in seconds, by the time of their INVITE."""

    waits: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    states: list[OverloadState] = field(default_factory=list)

    def goodput(self, since: float, until: float) -> float:
        """Return the answered calls as a share of what the capacity would have been."""
        answered = sum(since <= invite < until for invite, _ in self.waits)
        return answered / (until - since) / CAPACITY

    def percentile(self, share: float) -> float:
        """Return a percentile of the waits."""
        waits = sorted(wait for _, wait in self.waits)
        return waits[int(share * (len(waits) - 1))]

    @property
    def changes(self) -> int:
        """The number of changes of the control's state."""
        return sum(a is not b for a, b in zip(self.states, self.states[1:], strict=False))


class Model:
    """Runs calls at ``rate`` per second, a function of time, through one proxy."""

    def __init__(
        self,
        control: OverloadControl,
        rate: Callable[[float], float],
        *,
        api_delay: float = 0.0,
        hold: float = 0.1,
    ) -> None:
        self._control, self._rate, self._api_delay, self._hold = control, rate, api_delay, hold
        self._random = random.Random(7)
        self._events: list[tuple[float, int, str, float]] = []
        self._order = count()
        self._socket: deque[tuple[float, str, float]] = deque()
        self._staged: deque[float] = deque()
        self._admitted = 0
        self.now = 0.0
        self.outcome = Outcome()

    def run(self, seconds: float) -> Outcome:
        """Offer calls for so many seconds."""
        self._end, tick = seconds, INTERVAL
        self._at(0.0, "INVITE", 0.0)
        while self.now < seconds + 1:
            if self.now >= tick:
                self._control.step(self.now, 0.0, self._admitted)
                self.outcome.states.append(self._control.state)
                tick = self.now + INTERVAL
            self._arrive()
            if not (self._serve_api() | self._read_batch()):
                following = self._events[0][0] if self._events else tick
                self.now = max(self.now, min(tick, following))
        return self.outcome

    def _at(self, due: float, kind: str, invite: float) -> None:
        heapq.heappush(self._events, (due, next(self._order), kind, invite))

    def _arrive(self) -> None:
        """Put the datagrams that have arrived by now into the socket."""
        while self._events and self._events[0][0] <= self.now:
            due, _, kind, invite = heapq.heappop(self._events)
            if kind == "staged":
                self._staged.append(invite)
                continue
            self._socket.append((due, kind, due if kind == "INVITE" else invite))
            if kind == "INVITE":
                following = due + self._random.expovariate(self._rate(due))
                if following < self._end:
                    self._at(following, "INVITE", 0.0)

    def _work(self, kind: str) -> None:
        self.now += COSTS[kind] / CAPACITY

    def _serve_api(self) -> bool:
        served = bool(self._staged)
        while self._staged:
            invite = self._staged.popleft()
            self._work("staged")
            for kind in ("100", "180", "200"):
                self._at(self.now + TRIP, kind, invite)
        return served

    def _read_batch(self) -> bool:
        read = 0
        while read < BATCH and self._socket:
            arrived, kind, invite = self._socket.popleft()
            if not read and self._control.observe_age(0, self.now - arrived):
                self._control.begin_shedding(self.now)
            read += 1
            self._receive(kind, invite)
            self._arrive()
        return read > 0

    def _receive(self, kind: str, invite: float) -> None:
        if kind == "INVITE" and not self._control.admit(self.now):
            self.outcome.refused += 1
            self._work("refusal")
            self._at(self.now + TRIP, "ACK of refusal", invite)
            return
        self._work(kind)
        if kind == "INVITE":
            self._admitted += 1
            self._at(self.now + TRIP + self._api_delay, "staged", invite)
        elif kind == "180":
            self.outcome.waits.append((invite, self.now - invite - self._api_delay))
        elif following := FOLLOWING.get(kind):
            self._at(self.now + TRIP + (self._hold if kind == "ACK" else 0), following, invite)
