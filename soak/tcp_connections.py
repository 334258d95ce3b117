"""TCP connections of the callers, which end in all the ways that connections can end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from soak.channels import Stream
from soak.messages import format_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from soak.channels import OnMessage, OnTraffic

_OPEN_CONNECTIONS = 6  # connections that calls are placed on
_MIN_LIFETIME, _MAX_LIFETIME = 3, 30  # seconds of such a connection
_IDLE_TIMEOUT = 2.0  # seconds; a connection that the program opened carries no call any more then
STRAY = b"stray@soak"
"""The Call-ID of requests that belong to no call."""


class TcpConnections:
    """Connections that the callers open and end, and those that the program opens to them."""

    def __init__(
        self, program: tuple[str, int], on_message: OnMessage, on_traffic: OnTraffic, chance: Random
    ) -> None:
        self.ends: Counter[str] = Counter()
        self._program, self._chance = program, chance
        self._on_message, self._on_traffic = on_message, on_traffic
        self._loop = asyncio.get_running_loop()
        self._open: list[Stream] = []
        self._accepted: set[Stream] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._endings: dict[str, Callable[[Stream], Awaitable[None]]] = {
            "closed": self._close,
            "reset": self._reset,
            "closed within a message": self._close_within_message,
            "reset within a message": self._reset_within_message,
            "garbage": self._send_garbage,
            "in pieces": self._send_in_pieces,
        }

    async def start(self, address: tuple[str, int]) -> None:
        """Listen at the address in the Via, and open the connections for calls."""

        def accepted() -> Stream:
            return Stream(self._on_message, self._on_traffic, self._accepted.add)

        server = await self._loop.create_server(accepted, *address, backlog=1024)
        self._server = server
        self._tasks = [self._loop.create_task(self._keep_open()) for _ in range(_OPEN_CONNECTIONS)]
        self._tasks.append(self._loop.create_task(self._close_idle()))
        self._open += [await self._connect()]  # the first call must find one

    def choose(self) -> Stream:
        """Return one of the open connections."""
        return self._chance.choice([stream for stream in self._open if not stream.closed])

    async def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()
        for stream in (*self._open, *self._accepted):
            stream.close()

    async def _keep_open(self) -> None:
        """Keep one connection open for a random time, end it, and open another."""
        while True:
            stream = await self._connect()
            self._open.append(stream)
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    stream.ended.wait(), self._chance.uniform(_MIN_LIFETIME, _MAX_LIFETIME)
                )
            self._open.remove(stream)
            ending = self._chance.choice(tuple(self._endings))
            self.ends["by the program" if stream.closed else ending] += 1
            if not stream.closed:
                stream.closed = True  # no new call may choose it
                await self._endings[ending](stream)

    async def _connect(self) -> Stream:
        _, stream = await self._loop.create_connection(
            lambda: Stream(self._on_message, self._on_traffic), *self._program
        )
        return stream

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_TIMEOUT / 4)
            for stream in list(self._accepted):
                if stream.closed:
                    self._accepted.discard(stream)
                elif self._loop.time() - stream.last_used > _IDLE_TIMEOUT:
                    self.ends["idle"] += 1
                    stream.close()

    async def _close(self, stream: Stream) -> None:
        stream.close()

    async def _reset(self, stream: Stream) -> None:
        stream.reset()

    async def _close_within_message(self, stream: Stream) -> None:
        stream.write(_options()[: self._chance.randrange(1, 300)])
        stream.close()

    async def _reset_within_message(self, stream: Stream) -> None:
        stream.write(_options()[: self._chance.randrange(1, 300)])
        await asyncio.sleep(0.05)
        stream.reset()

    async def _send_garbage(self, stream: Stream) -> None:
        """Send bytes that are not SIP; the program must close the connection."""
        stream.write(self._chance.randbytes(200) + b"\r\n\r\n")
        with suppress(TimeoutError):
            await asyncio.wait_for(stream.ended.wait(), 1)
        stream.close()

    async def _send_in_pieces(self, stream: Stream) -> None:
        """Send a keepalive and a request in small pieces; close after the response."""
        data = b"\r\n\r\n" + _options()
        for at in range(0, len(data), 40):
            stream.write(data[at : at + 40])
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # time for the response
        stream.close()


def _options() -> bytes:
    return format_message(
        b"OPTIONS sip:edge.invalid SIP/2.0",
        [
            (b"Via", b"SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK-stray"),
            (b"Max-Forwards", b"70"),
            (b"From", b"<sip:soak@127.0.0.1>;tag=stray"),
            (b"To", b"<sip:edge.invalid>"),
            (b"Call-ID", STRAY),
            (b"CSeq", b"1 OPTIONS"),
        ],
        b"x" * 50,
    )
