"""The cache of host names, for the SIP side and for the HTTP client (RFC 3263 4.2).

A name that is known is never waited for: *stale while revalidate*.

::

    age      0 ---------- 30 s ------------------------- 1 h ----------------------->
    SIP      known at once | known at once, looked up again in the background
    HTTP     known at once | known at once, looked up again | waits for a look-up

- The SIP side uses an old address for as long as it gets no newer one: a call to it may fail, but a
  call without an address fails for certain.  The HTTP side has retries, so after an hour without an
  answer of the resolver it fails rather than connect to an address that may be another's by now.
- All that wait for a name share one look-up.  A look-up is never cut off, only the waiting is.
- The operator's names (upstreams, the API) are never forgotten, and are looked up by the loop's
  threads.  Any caller may bring another name in a Contact: such names have threads of their own,
  bounded, so that slow ones delay nobody else, and the oldest are forgotten.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from sip_stager.ports import Cancellable

LOOKUP_TIMEOUT = 2.0
"""Seconds that the SIP side waits: a caller gets a refusal before the carrier gives up."""
FRESH = 30.0
"""Seconds after which a known name is looked up again."""
MAX_STALE = 3600.0
"""Seconds after which the HTTP side waits for a look-up rather than use an old address."""
RETRY_INTERVAL = 1.0
"""Seconds between two look-ups of a known name if one, or a connection, failed."""
MAX_NAMES = 1024
"""Names that are remembered; the one looked up longest ago is forgotten."""
MAX_PEER_LOOKUPS = 16
"""Look-ups of peers' names at a time; each occupies a thread that the system may hold for longer
than anybody waits."""

AddressInfo = tuple[Any, ...]
"""Family, type, protocol, canonical name and address, as ``getaddrinfo`` returns them."""

_LookUp = asyncio.Task["Sequence[AddressInfo]"]


class _Name:
    """A name in the cache; times are the loop's."""

    __slots__ = ("addresses", "asked_at", "found_at", "look_up")

    def __init__(self) -> None:
        self.addresses: Sequence[AddressInfo] = ()
        self.asked_at = self.found_at = float("-inf")
        self.look_up: _LookUp | None = None  # under way


class NameCache:
    """A ``ports.Resolver``, and the ``Names`` of an ``http_client``, over the system's resolver.

    ``families`` are those that we listen on: the SIP side gets no address of another one, since
    nothing could be sent to it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        families: Container[int] = (socket.AF_INET, socket.AF_INET6),
    ) -> None:
        self._loop = loop
        self._families = families
        self._names: dict[str, _Name] = {}  # the one looked up last at the end
        self._operators: set[str] = set()
        self._threads = ThreadPoolExecutor(MAX_PEER_LOOKUPS, "resolver")
        self._peer_lookups = 0

    # For the SIP side.

    def resolve(self, host: str, done: Callable[[str | None], None]) -> Cancellable:
        """Call ``done`` later with an address of the host, or None (``ports.Resolver``)."""
        name = self._names.get(host)
        if name is not None and name.addresses:
            self._revalidate(host, name)
            return self._loop.call_soon(done, self._reachable(name.addresses))
        if (name is None or name.look_up is None) and not self._may_look_up(host):
            return self._loop.call_soon(done, None)
        return self._loop.create_task(self._wait_for(host, done))

    def addresses(self, host: str) -> Iterator[str]:
        """Yield the addresses that a name is known to have now."""
        name = self._names.get(host)
        return (str(each[4][0]) for each in name.addresses) if name else iter(())

    async def warm(self, host: str) -> str | None:
        """Look up a name of the operator's before the first call needs it."""
        self._operators.add(host)
        return await self._within_timeout(host)

    async def _wait_for(self, host: str, done: Callable[[str | None], None]) -> None:
        done(await self._within_timeout(host))

    async def _within_timeout(self, host: str) -> str | None:
        look_up = self._join(host)
        await asyncio.wait([look_up], timeout=LOOKUP_TIMEOUT)
        if look_up.done() and not look_up.cancelled():
            return self._reachable(look_up.result())
        # The next caller starts a new look-up: the query or its answer may have been lost.
        name = self._names.get(host)
        if name is not None and name.look_up is look_up:
            name.look_up = None
        return None

    def _reachable(self, addresses: Sequence[AddressInfo]) -> str | None:
        return next((str(each[4][0]) for each in addresses if each[0] in self._families), None)

    # For the HTTP client.

    def find(self, host: str) -> Sequence[AddressInfo] | asyncio.Future[Sequence[AddressInfo]]:
        """Return all addresses of a name of the operator's, or a look-up of it under way."""
        self._operators.add(host)
        name = self._names.get(host)
        if name is None or self._loop.time() - name.found_at > MAX_STALE:
            return self._join(host)
        self._revalidate(host, name)
        return name.addresses

    def renew(self, host: str) -> None:
        """Look a known name up again: no address could be connected to, so it may have moved."""
        name = self._names.get(host)
        if name is not None and name.addresses:
            self._look_up_again(host, name)

    def close(self) -> None:
        """Cancel the look-ups under way."""
        for name in self._names.values():
            if name.look_up is not None:
                name.look_up.cancel()

    # Look-ups.

    def _revalidate(self, host: str, name: _Name) -> None:
        if self._loop.time() - name.found_at >= FRESH:
            self._look_up_again(host, name)

    def _look_up_again(self, host: str, name: _Name) -> None:
        """Start a look-up that nobody waits for, unless there was one just now."""
        recent = self._loop.time() - name.asked_at < RETRY_INTERVAL
        if not recent and self._may_look_up(host):
            self._join(host)

    def _may_look_up(self, host: str) -> bool:
        return host in self._operators or self._peer_lookups < MAX_PEER_LOOKUPS

    def _join(self, host: str) -> _LookUp:
        """Return the look-up under way, or start one."""
        name = self._names.setdefault(host, _Name())
        if name.look_up is None:
            name.asked_at = self._loop.time()
            name.look_up = self._loop.create_task(self._look_up(host, name))
        return name.look_up

    async def _look_up(self, host: str, name: _Name) -> Sequence[AddressInfo]:
        """Look a name up and remember it; return no addresses if that fails."""
        try:
            found = await self._ask_system(host)
        except (OSError, UnicodeError, RuntimeError):  # the last: no thread can be started
            found = ()
        if name.look_up is asyncio.current_task():  # else the SIP side has given up on this one
            name.look_up = None
        self._remember(host, name, found)
        return found

    def _remember(self, host: str, name: _Name, found: Sequence[AddressInfo]) -> None:
        if found:
            name.addresses, name.found_at = found, self._loop.time()
            self._names.pop(host, None)  # to the end of those that may be forgotten
            self._names[host] = name
            self._forget_oldest()
        elif not name.addresses and name.look_up is None:
            self._names.pop(host, None)  # names that do not exist take no room

    def _forget_oldest(self) -> None:
        if len(self._names) > MAX_NAMES:
            peers = (
                host
                for host, name in self._names.items()
                if host not in self._operators and name.look_up is None
            )
            self._names.pop(next(peers, ""), None)

    async def _ask_system(self, host: str) -> Sequence[AddressInfo]:
        if host in self._operators:
            return await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        future = self._loop.run_in_executor(self._threads, _getaddrinfo, host)
        self._peer_lookups += 1
        future.add_done_callback(self._peer_lookup_ended)
        return await asyncio.shield(future)  # a thread cannot be cancelled, so it still counts

    def _peer_lookup_ended(self, future: asyncio.Future[Any]) -> None:
        self._peer_lookups -= 1
        if not future.cancelled():
            future.exception()  # nobody may be waiting any more, and asyncio would log it


def _getaddrinfo(host: str) -> list[Any]:
    return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
