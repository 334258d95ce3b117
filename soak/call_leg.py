"""What the two sides of a call share: time, repetition, and what must not have happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.call_plan import Plan
    from soak.transports import Wire


class Timers(NamedTuple):
    """RFC 3261's, in seconds; the program has the same in its settings."""

    t1: float = 0.05
    t2: float = 0.4
    t4: float = 0.5

    @property
    def patience(self) -> float:
        """64*T1."""
        return 64 * self.t1


SHORT = Timers()
"""So that what nobody answers ends within seconds."""


class Repetition:
    """Sends at once and again until told to stop, for 64*T1 at most."""

    __slots__ = ("_data", "_handle", "_left", "_loop", "_over", "_timers", "_wire")

    def __init__(
        self,
        data: bytes,
        wire: Wire,
        timers: Timers,
        over: Callable[[], None] | None = None,
        *,
        always: bool = False,
    ) -> None:
        """Begin; ``always`` repeats on streams, too (a 2xx), ``over`` hears that time is up."""
        self._data, self._wire, self._timers, self._over = data, wire, timers, over
        self._loop = asyncio.get_running_loop()
        self._left = timers.patience
        self._handle: asyncio.TimerHandle | None = None
        once = wire.reliable and not always
        self._again(self._left if once else timers.t1)

    def stop(self) -> None:
        """Send no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    @property
    def going(self) -> bool:
        """Whether nothing has stopped it yet."""
        return self._handle is not None

    def _again(self, interval: float) -> None:
        if not self._wire.closed:
            self._wire.send(self._data)
        interval = min(interval, self._left)
        self._left -= interval
        self._handle = self._loop.call_later(interval, self._due, interval)

    def _due(self, interval: float) -> None:
        if self._left > 0:
            self._again(min(2 * interval, self._timers.t2))
            return
        self._handle = None
        if self._over is not None:
            self._over()


class Leg:
    """One side of a call; ``unexpected`` is what the program must not have sent it."""

    def __init__(self, plan: Plan, timers: Timers) -> None:
        self.plan, self.timers = plan, timers
        self.gone = False
        self.unexpected: list[str] = []
        self.wires: set[Wire] = set()
        self.byes: dict[bytes, int] = {}  # by the peer's tag: how the BYE was answered, 0 for not
        self.hung_up_by_peer = False
        self._asking: dict[bytes, Repetition] = {}  # requests without an answer, by branch
        self._loop = asyncio.get_running_loop()

    def later(self, delay: float, then: Callable[..., object], *arguments: Any) -> None:
        """Do something after so many seconds, unless this side has vanished."""
        self._loop.call_later(delay, self._unless_gone, then, *arguments)

    def vanish(self) -> None:
        """Be not heard of again, and hear nothing."""
        self.gone = True
        for repetition in self._asking.values():
            repetition.stop()

    def ask(self, branch: bytes, request: bytes, wire: Wire) -> None:
        """Send a request until it is answered."""
        self.wires.add(wire)
        self._asking[branch] = Repetition(request, wire, self.timers)

    def heard(self, branch: bytes) -> None:
        """Stop sending a request; it was answered."""
        if branch in self._asking:
            self._asking[branch].stop()
        else:
            self.unexpected.append("a response to no request")

    def _unless_gone(self, then: Callable[..., object], *arguments: Any) -> None:
        if not self.gone:
            then(*arguments)
