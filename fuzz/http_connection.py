"""The target "http_connection": bytes of a server on a connection with an open request."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, cast

from sip_stager.http_client.connection import Connection
from sip_stager.http_client.messages import HttpResponse, RequestHead
from sip_stager.http_client.results import Broken, Unanswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.targets import CaseResult

MAX_BODY = 1000  # bytes


class FakeTransport:
    """The part of a transport that a connection uses."""

    closing = False

    def write(self, data: bytes) -> None:
        """Discard the request."""

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def http_connection(pieces: Sequence[bytes], result: CaseResult) -> None:
    """Check that a request ends with an answer or an error, and that the body limit holds."""
    _loop().run_until_complete(_send_request(pieces, result))


async def _send_request(pieces: Sequence[bytes], result: CaseResult) -> None:
    transport = FakeTransport()
    connection = Connection(MAX_BODY, lambda _: None)
    connection.connection_made(cast("asyncio.BaseTransport", transport))
    answer = connection.send(RequestHead("GET", b"/", b"Host: a\r\n"), b"")
    for piece in pieces:
        if not transport.closing:
            result.timed(connection.data_received, piece)
    connection.connection_lost(None)
    outcome = answer.result()
    if isinstance(outcome, HttpResponse):
        assert len(outcome.body) <= MAX_BODY or outcome.unread
        shape = (len(outcome.fields) > 0, bool(outcome.body))
        result.behaviours.add((outcome.status // 100, outcome.unread[:20], *shape))
    else:
        assert isinstance(outcome, Broken | Unanswered)
        result.behaviours.add(outcome.text[:40])
