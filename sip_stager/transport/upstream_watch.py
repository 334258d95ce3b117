"""The watch over the upstreams: OPTIONS to each of them, every ten seconds.

It runs only if a trunk or ``/readyz`` asks for it, because an upstream that answers no OPTIONS
would seem to be out of reach.  Calls never wait for it, and are sent to an upstream whatever it
says.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config.tables.address_types import parse_ip
from sip_stager.transport.options_ping import Peer, ping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sip_stager.ports import Resolver

log = logging.getLogger(__name__)

PING_INTERVAL = 10.0  # seconds from one round to the next
PING_TIMEOUT = 4.0  # seconds for the answer of an upstream


class Upstream(NamedTuple):
    """An upstream to ask; ``host`` is a name or an address, ``source`` the local address."""

    host: str
    port: int
    transport: str
    source: str = ""


class UpstreamWatch:
    """Asks the upstreams until ``stop``; ``unreachable`` is True once none of them answered.

    Until the first round is over, they are taken for reachable.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        names: Resolver,
        ask: Callable[[Peer, float], Awaitable[str]] = ping,
        interval: float | None = None,
    ) -> None:
        self._upstreams = upstreams
        self._names = names
        self._ping = ask
        self._interval = PING_INTERVAL if interval is None else interval
        self._task: asyncio.Task[None] | None = None
        self.unreachable = False

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def replace(self, upstreams: Sequence[Upstream]) -> None:
        """Ask these upstreams from the next round on; without any, none is unreachable."""
        self._upstreams = upstreams
        if not upstreams:
            self.unreachable = False
        elif self._task is None:
            self.start()

    async def stop(self) -> None:
        """Ask no more; harmless if it was not started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            answers = await asyncio.gather(*map(self._ask, self._upstreams))
            self.unreachable = bool(answers) and all(answers)
            await asyncio.sleep(self._interval)

    async def _ask(self, upstream: Upstream) -> str:
        try:
            return await self._ask_addresses(upstream)
        except Exception:  # an error of ours must neither end the watch nor keep calls away
            log.exception("upstream_watch_failed")
            return ""

    async def _ask_addresses(self, upstream: Upstream) -> str:
        """Return what is wrong; empty if one address answers: calls are sent to that one, too."""
        why = "the name has no address"
        for address in await self._addresses(upstream.host):
            why = await self._ping(Peer(address, *upstream[1:]), PING_TIMEOUT)
            if not why:
                break
        return why

    async def _addresses(self, host: str) -> Sequence[str]:
        if parse_ip(host) is not None:
            return (host,)
        found: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()

        def done(addresses: Sequence[str]) -> None:
            if not found.done():
                found.set_result(addresses)

        looking_up = self._names.resolve(host, done)
        try:
            return await found
        finally:
            looking_up.cancel()
