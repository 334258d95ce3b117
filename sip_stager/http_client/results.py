"""The result of a request: its response or a failure, as values."""

from __future__ import annotations

from dataclasses import dataclass

from sip_stager.http_client.messages import HttpResponse


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request waited for a connection, and ``reject_waiting`` ended the wait."""


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """There is no connection: the request was not sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection broke within the response, or the response is not HTTP."""

    text: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The connection ended before any byte of a response; the server may have seen the request."""

    text: str


@dataclass(frozen=True, slots=True)
class Crossed(Unanswered):
    """An idle connection's end crossed the request: the server did not see it.

    It never leaves the pool, which sends the request again.
    """


Failure = Rejected | ConnectFailed | Broken | Unanswered
Result = HttpResponse | Failure
Sent = HttpResponse | Broken | Unanswered
"""The result of a request that has a connection."""
