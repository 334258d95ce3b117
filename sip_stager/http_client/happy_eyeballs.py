"""Several addresses of one host, tried by turns (Happy Eyeballs, RFC 8305 section 5).

Nothing that went wrong is kept with its traceback: an API that is down fails thousands of times,
and each would be a cycle, for which nobody looks while calls are up.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

AddressInfo = tuple[Any, ...]
"""Family, type, protocol, canonical name and address, as ``getaddrinfo`` gives them."""

Failed = OSError | RuntimeError  # uvloop raises both

_NEXT_ADDRESS = 0.25  # seconds


async def race(addresses: Sequence[AddressInfo]) -> socket.socket | Failed:
    """Give the first connection that is made, or why the last address failed."""
    to_try = _by_turns(addresses)
    under_way: set[asyncio.Task[socket.socket | Failed]] = set()
    result: socket.socket | Failed = OSError("no address")
    try:
        while to_try or under_way:
            if to_try:
                under_way.add(asyncio.create_task(_connected(to_try.pop(0))))
            done, under_way = await asyncio.wait(
                under_way,
                timeout=_NEXT_ADDRESS if to_try else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for one in done:
                if isinstance(result, socket.socket):
                    _drop(one)
                else:
                    result = one.result()
            if isinstance(result, socket.socket):
                break
    finally:
        for one in under_way:
            one.add_done_callback(_drop)
            one.cancel()
    return result


def _by_turns(addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Put the address families by turns, that of the first address first (section 4)."""
    first = [one for one in addresses if one[0] == addresses[0][0]]
    others = [one for one in addresses if one[0] != addresses[0][0]]
    return [one for one in chain(*zip_longest(first, others)) if one is not None]


async def _connected(info: AddressInfo) -> socket.socket | Failed:
    family, kind, protocol, _, address = info
    try:
        connection = socket.socket(family, kind, protocol)
    except OSError as error:
        return error.with_traceback(None)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, address)
    except (OSError, RuntimeError) as error:
        connection.close()
        return error.with_traceback(None)
    except BaseException:
        connection.close()
        raise
    return connection


def _drop(task: asyncio.Task[socket.socket | Failed]) -> None:
    """Close what came too late to be of use."""
    if not task.cancelled() and isinstance(late := task.result(), socket.socket):
        late.close()
