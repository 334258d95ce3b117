"""Looks host names up without ever making a call wait for a name that is known (RFC 3263 4.2)."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from sip_stager.ports import Cancellable

PATIENCE = 2.0
"""Seconds for one look-up; a caller hears a refusal before a carrier gives up."""
FRESH = 30.0
"""Seconds after which a known name is looked up again, while its old address goes on serving."""
MOST_NAMES = 1024
"""Names kept; a peer's Contact may name any host."""
MOST_LOOKED_UP = 16
"""Names of peers that are being looked up at a time, each by a thread that the system may hold for
longer than we wait."""

_TYPE = socket.SOCK_DGRAM


class CachingResolver:
    """A ``ports.Resolver`` over the system's resolver.

    ``families`` are those that we listen on: an address of another one could not be reached.
    Names that a peer chose have threads of their own, so that slow ones hold up nobody else's.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        families: Container[int] = (socket.AF_INET, socket.AF_INET6),
    ) -> None:
        self._loop = loop
        self._families = families
        self._kept: set[str] = set()
        self._known: dict[str, tuple[str, float]] = {}
        self._looking: dict[str, asyncio.Task[str | None]] = {}
        self._threads = ThreadPoolExecutor(MOST_LOOKED_UP, "resolver")
        self._held = 0

    def resolve(self, host: str, done: Callable[[str | None], None]) -> Cancellable:
        """Give an address of the host, or None (``ports.Resolver``)."""
        known = self._known.get(host)
        if known is None and host not in self._looking and self._held >= MOST_LOOKED_UP:
            return self._loop.call_soon(done, None)
        if known is None:
            return self._loop.create_task(self._wait_for(host, done))
        if self._loop.time() - known[1] > FRESH:
            self._look(host)
        return self._loop.call_soon(done, known[0])

    async def warm(self, host: str) -> str | None:
        """Look a name up before the first call needs it, and never forget it."""
        self._kept.add(host)
        return await self._look(host)

    async def _wait_for(self, host: str, done: Callable[[str | None], None]) -> None:
        done(await asyncio.shield(self._look(host)))

    def _look(self, host: str) -> asyncio.Task[str | None]:
        """Begin a look-up, or join the one that is under way."""
        task = self._looking.get(host)
        if task is None:
            task = self._looking[host] = self._loop.create_task(self._ask(host))
            task.add_done_callback(lambda _: self._looking.pop(host, None))
        return task

    async def _ask(self, host: str) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._found(host)
        except (OSError, TimeoutError, UnicodeError, RuntimeError):  # the last: no thread to be had
            return None
        address = next((str(one[4][0]) for one in found if one[0] in self._families), None)
        if address is None:
            return None
        self._known.pop(host, None)  # to the end of the queue of those that may be forgotten
        if len(self._known) >= MOST_NAMES:
            forgettable = (name for name in self._known if name not in self._kept)
            self._known.pop(next(forgettable, ""), None)
        self._known[host] = (address, self._loop.time())
        return address

    def _found(self, host: str) -> asyncio.Future[Any]:
        """Ask the system: for the operator's names as the loop does, for others in our threads."""
        if host in self._kept:
            return asyncio.ensure_future(self._loop.getaddrinfo(host, None, type=_TYPE))
        future = self._loop.run_in_executor(self._threads, _look_up, host)
        self._held += 1
        future.add_done_callback(self._freed)
        return asyncio.shield(future)

    def _freed(self, future: asyncio.Future[Any]) -> None:
        self._held -= 1
        if not future.cancelled():
            future.exception()  # nobody may be waiting any more, and that is no mistake


def _look_up(host: str) -> list[Any]:
    return socket.getaddrinfo(host, None, type=_TYPE)
