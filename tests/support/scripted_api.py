"""A server on a real socket that sends the bytes it was given, whatever the request."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from contextlib import suppress
from typing import Self


def answer(body: bytes, status: str = "201 Created", *lines: str) -> bytes:
    """Return the bytes of a response with that body."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines))
    return head.encode() + b"\r\n\r\n" + body


class Scripted:
    """Answers the n-th request of every connection with the n-th of ``answers``.

    After the last it closes if ``closes``; otherwise it waits until the client does.  ``listener``
    is a socket that listens already.
    """

    def __init__(
        self, *answers: bytes, closes: bool = False, listener: socket.socket | None = None
    ) -> None:
        self.answers = answers
        self.closes = closes
        self._listener = listener
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.received = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self._listener:
            self._server = await asyncio.start_server(self._serve, sock=self._listener)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/a?b=c"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for answer in self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                self.requests.append(head + body)
                self.received.set()
                writer.write(answer)
            if not self.closes:
                await reader.read(1)
        self.ended += 1
        writer.close()

    def close(self, connection: int) -> None:
        """Close a connection (the first is 0) at once, before any loop's turn."""
        fileno = os.dup(self.writers[connection].get_extra_info("socket").fileno())
        with socket.socket(fileno=fileno) as side:
            side.shutdown(socket.SHUT_RDWR)

    def stop_listening(self) -> None:
        """Refuse further connections."""
        self._server.close()

    async def connections_have_ended(self, connections: int) -> None:
        """Wait until so many connections have ended, seen from here."""
        while self.ended < connections:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
