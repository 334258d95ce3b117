"""Bytes of an HTTP server, given to a connection that has asked for something."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, cast

from sip_stager.http_client.connection import Connection
from sip_stager.http_client.messages import Broken, RequestHead, Response, Unanswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.targets import Run

BODY_MOST = 1000


class Wire:
    """What a connection needs of its transport."""

    closing = False

    def write(self, data: bytes) -> None:
        """Take a request."""

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def http(pieces: Sequence[bytes], seen: Run) -> None:
    """A request ends with an answer or an error, within the bounds, whatever the server says."""
    _loop().run_until_complete(_asked(pieces, seen))


async def _asked(pieces: Sequence[bytes], seen: Run) -> None:
    wire = Wire()
    connection = Connection(BODY_MOST, lambda _: None)
    connection.connection_made(cast("asyncio.BaseTransport", wire))
    result = connection.send(RequestHead("GET", b"/", [(b"Host", b"a")]), b"")
    for piece in pieces:
        if not wire.closing:
            seen.timed(connection.data_received, piece)
    connection.connection_lost(None)
    got = result.result()
    if isinstance(got, Response):
        assert len(got.body) <= BODY_MOST or got.unread
        seen.seen.add((got.status // 100, got.unread[:20], len(got.fields) > 0, bool(got.body)))
    else:
        assert isinstance(got, Broken | Unanswered)
        seen.seen.add(got.text[:40])
