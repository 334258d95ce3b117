"""The header fields in which the API's responses describe its rate limit; pure.

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
holds.  The clock of the API may be wrong: its times of day are compared with its own Date.
``rate_limit.py`` decides what follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.platform.replies import retry_after, server_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


class LimitFields(NamedTuple):
    """What one response says: the requests left, and the seconds for which to send none.

    ``reset`` is that of a limit that is used up, ``retry_after`` that of a 429; 0 for neither.
    """

    remaining: int | None = None
    reset: float = 0.0
    retry_after: float = 0.0


NOTHING_SAID = LimitFields()


def read_limits(
    status: int, headers: Iterable[tuple[bytes, bytes]], time_of_day: float
) -> LimitFields:
    """Read the fields of a response; ``time_of_day`` is ours, in seconds since 1970."""
    fields = {name: value for raw, value in headers if (name := _FIELDS.get(raw.lower()))}
    if not fields.keys() - {"date"}:
        return NOTHING_SAID
    server_now = server_time(_text(fields.get("date")), time_of_day)
    limits = [
        *_limits(fields.get("limits", b"")),
        (fields.get("remaining"), fields.get("reset")),
    ]
    known = [(left, reset) for text, reset in limits if (left := _number(text)) is not None]
    resets = [_seconds(reset, server_now) for left, reset in known if left == 0]
    again = 0.0
    if status == 429 and "retry_after" in fields:
        again = retry_after(_text(fields["retry_after"]), server_now) or 0
    remaining = min((left for left, _ in known), default=None)
    return LimitFields(remaining, max(resets, default=0.0), again)


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
