"""The look-ups of names that peers bring, shared fairly between the peers.

A peer may name any host in a Contact, and a look-up of a name whose server never answers holds a
thread for many seconds: nobody can end it.  So each source has a share of the threads, and what
exceeds it waits in a queue of its own, where it delays no other source::

    source A: 4 threads, all slow -> queue of A: waits
    source B: 1 thread            -> queue of B: empty, so its next look-up begins at once

- Sources take turns: a thread that is free goes to the source that has waited longest for a turn.
- All that wait for a name share its look-up once it has begun.  Before that each source has an
  entry of its own, because one that is stuck in the queue of another would wait for that.
- An entry that nobody can wait for any more is dropped when its turn comes.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    Found = asyncio.Future[Sequence["AddressInfo"]]

AddressInfo = tuple[Any, ...]
"""Family, type, protocol, canonical name and address, as ``getaddrinfo`` returns them."""

MAX_LOOKUPS = 32
"""Look-ups at a time, each with a thread that the system may hold longer than anybody waits."""
MAX_LOOKUPS_PER_SOURCE = 4
"""Look-ups of one source at a time."""
MAX_QUEUED_PER_SOURCE = 64
"""Names of one source that wait for a thread; beyond it a look-up fails at once."""


class _Queued(NamedTuple):
    """A look-up that waits for a thread, until ``expires``."""

    found: Found
    expires: float


class PeerLookups:
    """Looks names up for sources; ``remember`` gets each result, an empty one for a failure."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        remember: Callable[[str, Sequence[AddressInfo]], None],
    ) -> None:
        self._loop = loop
        self._remember = remember
        self._threads = ThreadPoolExecutor(MAX_LOOKUPS, "resolver")
        self._running: dict[str, Found] = {}  # by name
        self._counts: dict[str, int] = {}  # of threads, by source
        self._queues: dict[
            str, dict[str, _Queued]
        ] = {}  # the source whose turn is next comes first

    def look_up(self, host: str, source: str, patience: float) -> Found:
        """Return the look-up of a name, which the source waits for as long as ``patience``.

        Its result has no addresses if it fails.  Do not cancel it: others may wait for it.
        """
        source = _share_of(source)
        if host in self._running:
            return self._running[host]
        queue = self._queues.get(source, {})
        if host in queue:
            return queue[host].found
        found: Found = self._loop.create_future()
        if self._has_room(source):
            self._begin(host, source, found)
        elif len(queue) < MAX_QUEUED_PER_SOURCE:
            entry = _Queued(found, self._loop.time() + patience)
            self._queues.setdefault(source, queue)[host] = entry
        else:
            found.set_result(())
        return found

    def close(self) -> None:
        """End all waiting; threads end by themselves."""
        for queue in self._queues.values():
            for entry in queue.values():
                entry.found.cancel()
        for found in self._running.values():
            found.cancel()
        self._queues.clear()

    def _has_room(self, source: str) -> bool:
        share = self._counts.get(source, 0)
        return share < MAX_LOOKUPS_PER_SOURCE and sum(self._counts.values()) < MAX_LOOKUPS

    def _begin(self, host: str, source: str, found: Found) -> None:
        self._running[host] = found
        self._counts[source] = self._counts.get(source, 0) + 1
        try:
            thread = self._loop.run_in_executor(self._threads, _getaddrinfo, host)
        except RuntimeError:  # no thread can be started, or the loop is being closed
            self._loop.call_soon(self._end, host, source, ())
            return
        thread.add_done_callback(partial(self._ended, host, source))

    def _ended(self, host: str, source: str, thread: asyncio.Future[Any]) -> None:
        failed = thread.cancelled() or thread.exception() is not None
        self._end(host, source, () if failed else thread.result())

    def _end(self, host: str, source: str, result: Sequence[AddressInfo]) -> None:
        self._release(source)
        self._remember(host, result)
        waiting = [self._running.pop(host)]
        # Other sources that queue for the same name need no look-up of their own any more.
        waiting += [queue.pop(host).found for queue in self._queues.values() if host in queue]
        for found in waiting:
            if not found.done():
                found.set_result(result)
        self._begin_queued()

    def _release(self, source: str) -> None:
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source]

    def _begin_queued(self) -> None:
        """Start one look-up of each source that waits, in turn, while threads are free."""
        for source in [*self._queues]:
            queue = self._queues.pop(source)
            if self._has_room(source):
                self._begin_first(source, queue)
            if queue:
                self._queues[source] = queue  # at the end: the others have their turn first

    def _begin_first(self, source: str, queue: dict[str, _Queued]) -> None:
        while queue:
            host, (found, expires) = next(iter(queue.items()))
            del queue[host]
            if expires <= self._loop.time():  # its callers have given up
                found.set_result(())
            elif host in self._running:  # another source began it meanwhile
                _copy_result(self._running[host], found)
            else:
                self._begin(host, source, found)
                return


def _copy_result(source: Found, target: Found) -> None:
    def copy(ended: Found) -> None:
        if not target.done():
            target.set_result(() if ended.cancelled() else ended.result())

    source.add_done_callback(copy)


def _share_of(source: str) -> str:
    """Return whose share a source uses: an IPv6 peer has a whole /64 of addresses."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    return source if address.version == 4 else f"{int(address) >> 64:x}/64"


def _getaddrinfo(host: str) -> list[Any]:
    return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
