"""What both sides of a call share: timers, retransmission, unexpected messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.call_plan import CallPlan
    from soak.channels import Channel


class Timers(NamedTuple):
    """The timers of RFC 3261 in seconds; the program has the same in its settings."""

    t1: float = 0.05
    t2: float = 0.4
    t4: float = 0.5

    @property
    def transaction_timeout(self) -> float:
        """64*T1: timers B, F and H."""
        return 64 * self.t1


SHORT = Timers()
"""Unanswered transactions end within seconds."""


class Retransmission:
    """Sends a message at once and again until stopped, for 64*T1 at most (RFC 3261 17)."""

    __slots__ = ("_channel", "_data", "_handle", "_left", "_loop", "_on_timeout", "_timers")

    def __init__(
        self,
        data: bytes,
        channel: Channel,
        timers: Timers,
        on_timeout: Callable[[], None] | None = None,
        *,
        always: bool = False,
    ) -> None:
        """Start to send.

        On a stream only a 2xx is sent again (``always``): it crosses hops that may lose it.
        """
        self._data, self._channel, self._timers, self._on_timeout = (
            data,
            channel,
            timers,
            on_timeout,
        )
        self._loop = asyncio.get_running_loop()
        self._left = timers.transaction_timeout
        self._handle: asyncio.TimerHandle | None = None
        once = channel.reliable and not always
        self._send(self._left if once else timers.t1)

    def stop(self) -> None:
        """Send no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    @property
    def active(self) -> bool:
        """True until it is stopped or times out."""
        return self._handle is not None

    def _send(self, interval: float) -> None:
        if not self._channel.closed:
            self._channel.send(self._data)
        interval = min(interval, self._left)
        self._left -= interval
        self._handle = self._loop.call_later(interval, self._due, interval)

    def _due(self, interval: float) -> None:
        if self._left > 0:
            self._send(min(2 * interval, self._timers.t2))
            return
        self._handle = None
        if self._on_timeout is not None:
            self._on_timeout()


class Leg:
    """One side of a call; ``unexpected`` lists what the program must not have sent."""

    def __init__(self, plan: CallPlan, timers: Timers) -> None:
        self.plan, self.timers = plan, timers
        self.vanished = False
        self.unexpected: list[str] = []
        self.channels: set[Channel] = set()
        self.byes: dict[
            bytes, int
        ] = {}  # by the peer's tag: the status that answered it, 0 for none
        self.hung_up_by_peer = False
        self._pending: dict[bytes, Retransmission] = {}  # unanswered requests by branch
        self._loop = asyncio.get_running_loop()

    def schedule(self, delay: float, then: Callable[..., object], *arguments: Any) -> None:
        """Call a function after ``delay`` seconds, unless this side has vanished by then."""
        self._loop.call_later(delay, self._call_unless_vanished, then, *arguments)

    def vanish(self) -> None:
        """Stop sending and ignore everything that arrives, as a host without power does."""
        self.vanished = True
        for retransmission in self._pending.values():
            retransmission.stop()

    def send_request(self, branch: bytes, request: bytes, channel: Channel) -> None:
        """Send a request, and again until it is answered."""
        self.channels.add(channel)
        self._pending[branch] = Retransmission(request, channel, self.timers)

    def receive_answer(self, branch: bytes) -> None:
        """Stop sending a request."""
        if branch in self._pending:
            self._pending[branch].stop()
        else:
            self.unexpected.append("a response without a request")

    def _call_unless_vanished(self, then: Callable[..., object], *arguments: Any) -> None:
        if not self.vanished:
            then(*arguments)
