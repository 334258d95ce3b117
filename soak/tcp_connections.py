"""TCP connections that come and go, and end in all the ways that connections end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from soak.messages import written
from soak.transports import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from soak.transports import Take, Witness

_HELD = 6  # connections that calls are placed on
_IDLE = 2.0  # seconds; then nothing is under way on a connection that the program opened
STRAY = b"stray@soak"
"""The Call-ID of what is no call."""


class Connections:
    """The caller's: those that it opens and ends, and those that the program opens to answer."""

    def __init__(
        self, program: tuple[str, int], take: Take, witness: Witness, chance: Random
    ) -> None:
        self.ends: Counter[str] = Counter()
        self._program, self._chance = program, chance
        self._take, self._witness = take, witness
        self._loop = asyncio.get_running_loop()
        self._open: list[Stream] = []
        self._accepted: set[Stream] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._ways: dict[str, Callable[[Stream], Awaitable[None]]] = {
            "closed": self._close,
            "reset": self._reset,
            "closed within a message": self._close_within,
            "reset within a message": self._reset_within,
            "garbage": self._garbage,
            "in pieces": self._in_pieces,
        }

    async def start(self, address: tuple[str, int]) -> None:
        """Listen where the Via points, and open what calls are placed on."""

        def accepted() -> Stream:
            return Stream(self._take, self._witness, self._accepted.add)

        server = await self._loop.create_server(accepted, *address, backlog=1024)
        self._server = server
        self._tasks = [self._loop.create_task(self._hold()) for _ in range(_HELD)]
        self._tasks.append(self._loop.create_task(self._end_idle()))
        self._open += [await self._connect()]  # so that the first call finds one

    def one(self) -> Stream:
        """Give one that is open."""
        return self._chance.choice([stream for stream in self._open if not stream.closed])

    async def close(self) -> None:
        """Close all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()
        for stream in (*self._open, *self._accepted):
            stream.close()

    async def _hold(self) -> None:
        """Keep one open, for some time, and then another."""
        while True:
            stream = await self._connect()
            self._open.append(stream)
            with suppress(TimeoutError):
                await asyncio.wait_for(stream.ended.wait(), self._chance.uniform(3, 30))
            self._open.remove(stream)
            way = self._chance.choice(tuple(self._ways))
            self.ends["by the program" if stream.closed else way] += 1
            if not stream.closed:
                stream.closed = True  # calls go elsewhere from here on
                await self._ways[way](stream)

    async def _connect(self) -> Stream:
        _, stream = await self._loop.create_connection(
            lambda: Stream(self._take, self._witness), *self._program
        )
        return stream

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(_IDLE / 4)
            for stream in list(self._accepted):
                if stream.closed:
                    self._accepted.discard(stream)
                elif self._loop.time() - stream.used > _IDLE:
                    self.ends["idle"] += 1
                    stream.close()

    async def _close(self, stream: Stream) -> None:
        stream.close()

    async def _reset(self, stream: Stream) -> None:
        stream.reset()

    async def _close_within(self, stream: Stream) -> None:
        stream.write(_options()[: self._chance.randrange(1, 300)])
        stream.close()

    async def _reset_within(self, stream: Stream) -> None:
        stream.write(_options()[: self._chance.randrange(1, 300)])
        await asyncio.sleep(0.05)
        stream.reset()

    async def _garbage(self, stream: Stream) -> None:
        """Send what is no SIP; the program closes."""
        stream.write(self._chance.randbytes(200) + b"\r\n\r\n")
        with suppress(TimeoutError):
            await asyncio.wait_for(stream.ended.wait(), 1)
        stream.close()

    async def _in_pieces(self, stream: Stream) -> None:
        """Send a keepalive and a request in small pieces, and close after the answer's time."""
        data = b"\r\n\r\n" + _options()
        for at in range(0, len(data), 40):
            stream.write(data[at : at + 40])
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        stream.close()


def _options() -> bytes:
    return written(
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
