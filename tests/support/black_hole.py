"""Ports where connections hang: each SYN is dropped, or the server stays silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_SYN_SENT = "02"  # the state of a connection in /proc/net/tcp


@contextlib.contextmanager
def black_hole() -> Iterator[socket.socket]:
    """Yield a listener whose backlog is full, so that the kernel drops each further SYN."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener


def port_of(listener: socket.socket) -> int:
    """Return the port that it listens on."""
    port: int = listener.getsockname()[1]
    return port


async def one_more_hangs(listener: socket.socket) -> None:
    """Wait until one more connection hangs than does now."""
    before = _hanging(port_of(listener))
    while _hanging(port_of(listener)) == before:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)


def _hanging(port: int) -> int:
    """Return the number of connections to a port whose SYN was not answered."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[2].endswith(f":{port:04X}") and row[3] == _SYN_SENT for row in rows)


async def short_wait() -> float:
    """Wait a little; return a lower bound of the seconds that passed."""
    since = perf_counter()
    await asyncio.sleep(0.05)
    return perf_counter() - since


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """Yield the host and port of a server that never sends a byte, and two events.

    The first is set by the first byte that it receives, the second by the connection's end.
    """
    received, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
            received.set()
            await reader.read()
        ended.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{port_of(server.sockets[0])}", received, ended
