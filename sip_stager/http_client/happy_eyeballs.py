"""Several addresses of one host, tried side by side (Happy Eyeballs, RFC 8305 section 5).

::

    address 1  |-- SYN ......................... (no reply)
    address 2      |-- SYN ..... connected       <-- returned
    address 3          |-- SYN . cancelled
               0   0.25  0.5 s

The next address is tried after 0.25 s without a connection, or as soon as all tries so far have
failed.  The first connection wins, and the others are closed.

Errors are returned without their traceback: it holds the frame, the frame holds the error, and
that cycle would stay for as long as the garbage collector is off.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

AddressInfo = tuple[Any, ...]
"""Family, type, protocol, canonical name and address, as ``getaddrinfo`` returns them."""

Failed = OSError | RuntimeError  # uvloop raises both

_NEXT_ADDRESS_DELAY = 0.25  # seconds; RFC 8305 recommends it

_Try = asyncio.Task[socket.socket | Failed]


async def race(addresses: Sequence[AddressInfo]) -> socket.socket | Failed:
    """Return the first connection that is made, or the error of the last try."""
    left = _interleave(addresses)
    under_way: set[_Try] = set()
    result: socket.socket | Failed = OSError("no address")
    try:
        while left or under_way:
            if left:
                under_way.add(asyncio.create_task(_connect(left.pop(0))))
            done, under_way = await asyncio.wait(
                under_way,
                timeout=_NEXT_ADDRESS_DELAY if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for each in done:
                # Two may connect in the same turn of the loop: only the first is used.
                if isinstance(result, socket.socket):
                    _close_late(each)
                else:
                    result = each.result()
            if isinstance(result, socket.socket):
                break
    finally:
        # A try may connect before its cancellation reaches it, so each is closed when it ends.
        for each in under_way:
            each.add_done_callback(_close_late)
            each.cancel()
    return result


def _interleave(addresses: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Alternate the address families, that of the first address first (RFC 8305 section 4)."""
    first = [each for each in addresses if each[0] == addresses[0][0]]
    others = [each for each in addresses if each[0] != addresses[0][0]]
    return [each for each in chain(*zip_longest(first, others)) if each is not None]


async def _connect(info: AddressInfo) -> socket.socket | Failed:
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


def _close_late(attempt: _Try) -> None:
    """Close a connection that came too late to be used."""
    if not attempt.cancelled() and isinstance(late := attempt.result(), socket.socket):
        late.close()
