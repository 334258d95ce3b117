"""The API's rate limit as its responses describe it; pure, times are arguments.

Theory of operation.  No standard is settled, so every form in use is understood:

    header fields                                     origin
    ------------------------------------------------  -----------------------------------------
    X-RateLimit-Remaining: 0, X-RateLimit-Reset: 5    custom
    RateLimit-Remaining: 0, RateLimit-Reset: 5        draft-ietf-httpapi-ratelimit-headers, early
    RateLimit: limit=9, remaining=0, reset=5          the same, later
    RateLimit: "minute";r=0;t=5, "day";r=7;t=900      the same, since -08: one for each limit
    429 with Retry-After: 5                           RFC 6585 4

A reset is in seconds from now, or a time of day in seconds or milliseconds since 1970, told apart
by its size.  ``RateLimit-Policy`` does not say what is left.  Of several limits the strictest
holds.  The state is one moment, until which no request is to be sent:

    response:     remaining=0, reset=9       remaining=3           remaining=0, reset=1
                          |                      |                          |
    time      ------------+----------------------+--------------------------+------------->
                          |<------------------- 9 s ----------------------->|
                          no requests: the second response does not end it  |<- 1 s ->|

Responses overtake each other, so "some are left" does not end a delay, which may come from a later
response.  The clock of the API may be wrong: its times of day are compared with its own Date.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.platform.replies import retry_after, server_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DELAY = 30.0
"""Seconds; whatever the API says, it is asked again after them."""

_FIELDS = {
    b"ratelimit-remaining": "remaining",
    b"x-ratelimit-remaining": "remaining",
    b"ratelimit-reset": "reset",
    b"x-ratelimit-reset": "reset",
    b"ratelimit": "limits",
    b"retry-after": "retry_after",
    b"date": "date",
}
_NUMBER = re.compile(rb"\s*([0-9]{1,15})(?![0-9])")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_PART = re.compile(rb"(?:^|[;,])\s*(r|t|remaining|reset)=([0-9]{1,15})(?=\s*(?:[;,]|$))")
_MAX_FIELD_LENGTH = 1000  # bytes
_SINCE_1970 = 1e9  # seconds: no window of a rate limit is 30 years long


class RateLimit:
    """The state of the rate limit; ``remaining`` is None until a response has said it."""

    def __init__(self) -> None:
        self.remaining: int | None = None
        self._until = 0.0

    def delay(self, now: float) -> float:
        """Return the seconds until the API takes requests again, 0 unless it has said otherwise."""
        return max(0.0, self._until - now)

    def update(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], now: float, time_of_day: float
    ) -> None:
        """Learn from a response; ``time_of_day`` is ours, in seconds since 1970."""
        fields = {name: value for raw, value in headers if (name := _FIELDS.get(raw.lower()))}
        if not fields.keys() - {"date"}:
            return
        server_now = server_time(_text(fields.get("date")), time_of_day)
        delay = 0.0
        limits = [
            *_limits(fields.get("limits", b"")),
            (fields.get("remaining"), fields.get("reset")),
        ]
        known = [(left, reset) for text, reset in limits if (left := _number(text)) is not None]
        if known:
            self.remaining = min(left for left, _ in known)
            delay = max(_seconds(reset, server_now) if left == 0 else 0.0 for left, reset in known)
        if status == 429 and "retry_after" in fields:
            delay = max(delay, retry_after(_text(fields["retry_after"]), server_now) or 0)
        if delay > 0:
            self._until = max(self._until, now + min(delay, MAX_DELAY))


def _limits(value: bytes) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Yield the number of requests left and the reset of each limit, as text."""
    # The name of a limit is a string that may hold anything, even ";r=0": strings are taken out.
    bare = _STRING.sub(b"", value[:_MAX_FIELD_LENGTH])
    if b'"' in bare:  # an unterminated string: nothing behind it can be trusted
        return
    for limit in [bare] if b"remaining" in bare else bare.split(b","):
        parts = dict(_PART.findall(limit))
        yield parts.get(b"r", parts.get(b"remaining")), parts.get(b"t", parts.get(b"reset"))


def _seconds(reset: bytes | None, server_now: float) -> float:
    """Return the seconds until a reset, which may be a time of day by the API's clock."""
    seconds = _number(reset) or 0
    if seconds < _SINCE_1970:
        return seconds
    return (seconds / 1000 if seconds >= 1000 * _SINCE_1970 else seconds) - server_now


def _number(value: bytes | None) -> int | None:
    found = _NUMBER.match(value or b"")
    return int(found[1]) if found else None


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace")
