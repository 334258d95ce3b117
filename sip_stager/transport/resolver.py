"""The cache of host names, for the SIP side and for the HTTP client (RFC 3263 4.2).

A name that is known is never waited for: *stale while revalidate*.

::

    age      0 ------------ 30 s ----------------- 60 s --------- 1 h -------------------->
    settings looked up again every 30 s, so that its age has a bound without a call as well
    peers    known at once | known at once,       | a look-up is waited for;
                           | looked up again      | if it fails, the old addresses are used
    HTTP     known at once | known at once, looked up again      | waits for a look-up

- The SIP side uses an old address for as long as the resolver has no newer one: a call to it may
  fail, but a call without an address fails for certain.  The HTTP side has retries, so after an
  hour without an answer of the resolver it fails rather than connect to an address that may be
  another's by now.
- All that wait for a name share one look-up.  A look-up is never cut off, only the waiting is.
- The names in the settings (upstreams, the API) are never forgotten, and are looked up by the
  loop's threads.  Any caller may bring another name in a Contact: for these ``peer_lookups`` has
  threads of its own.  A peer's name that was not found is not looked up again for a few seconds.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from sip_stager.transport.peer_lookups import AddressInfo, PeerLookups

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from sip_stager.ports import Cancellable

LOOKUP_TIMEOUT = 2.0
"""Seconds that the SIP side waits: a caller gets a refusal before the carrier gives up."""
FRESH = 30.0
"""Seconds after which a known name is looked up again."""
REFRESH_INTERVAL = 30.0
"""Seconds between two look-ups of a name in the settings, whether calls come or not."""
MAX_UNASKED = 60.0
"""Seconds after which the SIP side waits for a look-up, if there was none since."""
MAX_STALE = 3600.0
"""Seconds after which the HTTP side waits for a look-up rather than use an old address."""
RETRY_INTERVAL = 1.0
"""Seconds between two look-ups of a known name if one, or a connection, failed."""
NEGATIVE_TIME = 5.0
"""Seconds for which a peer's name that was not found is not looked up again."""
MAX_NAMES = 1024
"""Names that are remembered; the one looked up longest ago is forgotten."""
MAX_ADDRESSES = 8
"""Addresses of one name that the SIP side tries."""

_LookUp = asyncio.Task["Sequence[AddressInfo]"]


class _Name:
    """A name in the cache; times are the loop's."""

    __slots__ = ("addresses", "asked_at", "found_at", "look_up", "reachable")

    def __init__(self) -> None:
        self.addresses: Sequence[AddressInfo] = ()
        self.reachable: Sequence[str] = ()  # those that a listener could send to
        self.asked_at = self.found_at = float("-inf")
        self.look_up: _LookUp | None = None  # under way, of a name in the settings


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
        self.families = families
        self._names: dict[str, _Name] = {}  # the one looked up last at the end
        self._refreshing: dict[str, asyncio.TimerHandle] = {}  # the names in the settings
        self._missing: dict[str, float] = {}  # the time until which a peer's name is not looked up
        self._peers = PeerLookups(loop, self._remember_peers)

    # For the SIP side.

    def resolve(
        self, host: str, done: Callable[[Sequence[str]], None], source: str = ""
    ) -> Cancellable:
        """Call ``done`` later with the addresses of the host (``ports.Resolver``)."""
        name = self._names.get(host)
        if name is not None and name.addresses and not self._is_overdue(name):
            self._revalidate(host, name, source)
            return self._loop.call_soon(done, name.reachable)
        known_missing = self._missing.get(host, 0.0) > self._loop.time()
        if known_missing and host not in self._refreshing:
            return self._loop.call_soon(done, ())
        return self._loop.create_task(self._wait_for(host, source, done))

    def addresses(self, host: str) -> Iterator[str]:
        """Yield the addresses that a name is known to have now."""
        name = self._names.get(host)
        return (str(each[4][0]) for each in name.addresses) if name else iter(())

    async def warm(self, host: str) -> str | None:
        """Look up a name of the settings before the first call needs it, and from now on."""
        self._keep_fresh(host)
        return next(iter(await self._within_timeout(host, "")), None)

    async def _wait_for(
        self, host: str, source: str, done: Callable[[Sequence[str]], None]
    ) -> None:
        done(await self._within_timeout(host, source))

    async def _within_timeout(self, host: str, source: str) -> Sequence[str]:
        """Return the addresses of a name, the old ones if there is no answer in time."""
        look_up = self._join(host) if host in self._refreshing else self._ask_for(host, source)
        await asyncio.wait([look_up], timeout=LOOKUP_TIMEOUT)
        if look_up.done() and not look_up.cancelled() and look_up.result():
            return self._reachable(look_up.result())
        name = self._names.get(host)
        if not look_up.done():
            if name is not None and name.look_up is look_up:
                # The next caller starts a new look-up: the query or its answer may have been lost.
                name.look_up = None
            self._remember_missing(host)
        return name.reachable if name is not None else ()

    def _reachable(self, addresses: Sequence[AddressInfo]) -> Sequence[str]:
        found = (str(each[4][0]) for each in addresses if each[0] in self.families)
        return tuple(dict.fromkeys(found))[:MAX_ADDRESSES]

    def _is_overdue(self, name: _Name) -> bool:
        """Return True if a name was last looked up so long ago that it may well have moved.

        While the resolver fails, a look-up was just tried, and no call waits for another one.
        """
        return self._loop.time() - max(name.asked_at, name.found_at) > MAX_UNASKED

    # For the HTTP client.

    def find(self, host: str) -> Sequence[AddressInfo] | asyncio.Future[Sequence[AddressInfo]]:
        """Return all addresses of a name of the settings, or a look-up of it under way."""
        self._keep_fresh(host)
        name = self._names.get(host)
        if name is None or self._loop.time() - name.found_at > MAX_STALE:
            return self._join(host)
        self._revalidate(host, name, "")
        return name.addresses

    def renew(self, host: str) -> None:
        """Look a known name up again: no address could be connected to, so it may have moved."""
        name = self._names.get(host)
        if name is not None and name.addresses:
            self._look_up_again(host, name, "")

    def close(self) -> None:
        """Cancel the look-ups under way, and start no more."""
        for timer in self._refreshing.values():
            timer.cancel()
        for name in self._names.values():
            if name.look_up is not None:
                name.look_up.cancel()
        self._peers.close()

    # Look-ups.

    def _keep_fresh(self, host: str) -> None:
        """Look a name of the settings up again and again, from now on."""
        if host not in self._refreshing:
            self._refreshing[host] = self._loop.call_later(REFRESH_INTERVAL, self._refresh, host)

    def _refresh(self, host: str) -> None:
        self._refreshing[host] = self._loop.call_later(REFRESH_INTERVAL, self._refresh, host)
        self._join(host)

    def _revalidate(self, host: str, name: _Name, source: str) -> None:
        if self._loop.time() - name.found_at >= FRESH:
            self._look_up_again(host, name, source)

    def _look_up_again(self, host: str, name: _Name, source: str) -> None:
        """Start a look-up that nobody waits for, unless there was one just now."""
        if self._loop.time() - name.asked_at < RETRY_INTERVAL:
            return
        if host in self._refreshing:
            self._join(host)
        else:
            self._ask_for(host, source)

    def _ask_for(self, host: str, source: str) -> asyncio.Future[Sequence[AddressInfo]]:
        """Return the look-up of a peer's name."""
        if host in self._names:
            self._names[host].asked_at = self._loop.time()
        return self._peers.look_up(host, source, LOOKUP_TIMEOUT)

    def _join(self, host: str) -> _LookUp:
        """Return the look-up of a name in the settings that is under way, or start one."""
        name = self._names.setdefault(host, _Name())
        if name.look_up is None:
            name.asked_at = self._loop.time()
            name.look_up = self._loop.create_task(self._look_up(host, name))
        return name.look_up

    async def _look_up(self, host: str, name: _Name) -> Sequence[AddressInfo]:
        """Look a name up and remember it; return no addresses if that fails."""
        found: Sequence[AddressInfo]
        try:
            found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, RuntimeError):  # the last: no thread can be started
            found = ()
        if name.look_up is asyncio.current_task():  # else the SIP side has given up on this one
            name.look_up = None
        self._remember(host, name, found)
        return found

    def _remember_peers(self, host: str, found: Sequence[AddressInfo]) -> None:
        if found:
            self._missing.pop(host, None)
            self._remember(host, self._names.get(host) or _Name(), found)
        else:
            self._remember_missing(host)

    def _remember_missing(self, host: str) -> None:
        """Answer at once for some seconds: a caller who asks again waits for nothing."""
        self._missing.pop(host, None)  # so that it becomes the newest
        if len(self._missing) >= MAX_NAMES:
            del self._missing[next(iter(self._missing))]
        self._missing[host] = self._loop.time() + NEGATIVE_TIME

    def _remember(self, host: str, name: _Name, found: Sequence[AddressInfo]) -> None:
        if found:
            name.addresses, name.found_at = found, self._loop.time()
            name.reachable = self._reachable(found)
            self._names.pop(host, None)  # to the end of those that may be forgotten
            self._names[host] = name
            self._forget_oldest()
        elif not name.addresses and name.look_up is None:
            self._names.pop(host, None)  # names that do not exist take no room

    def _forget_oldest(self) -> None:
        if len(self._names) > MAX_NAMES:
            peers = (host for host in self._names if host not in self._refreshing)
            self._names.pop(next(peers, ""), None)
