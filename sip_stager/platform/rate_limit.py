"""What the API says of its rate limit; pure, times are arguments.

No standard is settled.  The IETF's drafts (draft-ietf-httpapi-ratelimit-headers) had
``RateLimit-Remaining`` and ``RateLimit-Reset``, whose ``X-`` forms are older; then
``RateLimit: limit=9, remaining=0, reset=5``; and since the eighth ``RateLimit: "minute";r=0;t=5``,
one for each of the API's limits.  A reset is in seconds from now, or the time of day in seconds or
milliseconds since 1970, by its size.  ``RateLimit-Policy`` says nothing of what is left.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.platform.replies import retry_after, server_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DELAY = 30.0  # seconds; whatever the API says, it is asked again then

_NAMES = {
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
_LIMITS_MOST = 1000  # bytes
_SINCE_1970 = 1e9  # seconds: no window of a rate limit is 30 years long


class RateLimit:
    """``remaining`` is the last number of requests that the API said is left, None before."""

    def __init__(self) -> None:
        self.remaining: int | None = None
        self._until = 0.0

    def delay(self, now: float) -> float:
        """Give the seconds until the API takes requests again, as far as it has said."""
        return max(0.0, self._until - now)

    def update(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], now: float, wall: float
    ) -> None:
        """Read an answer's headers; ``wall`` is the time of day, in seconds since 1970.

        None left makes requests wait, and so does a 429 that has a Retry-After.  Answers overtake
        each other, so one that says that some are left does not end the wait.
        """
        said = {meaning: value for name, value in headers if (meaning := _NAMES.get(name.lower()))}
        if not said.keys() - {"date"}:
            return
        theirs = server_time(_text(said.get("date")), wall)
        wait = 0.0
        limits = [*_limits(said.get("limits", b"")), (said.get("remaining"), said.get("reset"))]
        known = [(left, reset) for one, reset in limits if (left := _number(one)) is not None]
        if known:
            self.remaining = min(left for left, _ in known)
            wait = max(_seconds(reset, theirs) if left == 0 else 0.0 for left, reset in known)
        if status == 429 and "retry_after" in said:
            wait = max(wait, retry_after(_text(said["retry_after"]), theirs) or 0)
        if wait > 0:
            self._until = max(self._until, now + min(wait, MAX_DELAY))


def _limits(value: bytes) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Give what is left of each limit, and its reset; names of limits may hold anything."""
    bare = _STRING.sub(b"", value[:_LIMITS_MOST])
    if b'"' in bare:
        return
    for limit in [bare] if b"remaining" in bare else bare.split(b","):
        parts = dict(_PART.findall(limit))
        yield parts.get(b"r", parts.get(b"remaining")), parts.get(b"t", parts.get(b"reset"))


def _seconds(reset: bytes | None, theirs: float) -> float:
    """Give the seconds until a reset, which may be a time of day by the API's clock."""
    seconds = _number(reset) or 0
    if seconds < _SINCE_1970:
        return seconds
    return (seconds / 1000 if seconds >= 1000 * _SINCE_1970 else seconds) - theirs


def _number(value: bytes | None) -> int | None:
    found = _NUMBER.match(value or b"")
    return int(found[1]) if found else None


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace")
