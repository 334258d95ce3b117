"""What the API says of its rate limit; pure, times are arguments.

No standard is settled: ``RateLimit-Remaining`` and ``RateLimit-Reset`` are of the IETF's drafts
(draft-ietf-httpapi-ratelimit-headers), their ``X-`` forms are older.  A reset is in seconds from
now, or the time of day in seconds or milliseconds since 1970, by its size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.staging.answers import retry_after, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

WAIT_MOST = 30.0  # seconds; whatever the API says, it is asked again then

_NAMES = {
    b"ratelimit-remaining": "remaining",
    b"x-ratelimit-remaining": "remaining",
    b"ratelimit-reset": "reset",
    b"x-ratelimit-reset": "reset",
    b"retry-after": "retry_after",
    b"date": "date",
}
_NUMBER = re.compile(rb"\s*([0-9]{1,15})(?![0-9])")
_SINCE_1970 = 1e9  # seconds: no window of a rate limit is 30 years long


class RateLimit:
    """``remaining`` is the last number of requests that the API said is left, None before."""

    def __init__(self) -> None:
        self.remaining: int | None = None
        self._until = 0.0

    def wait(self, now: float) -> float:
        """Give the seconds until the API takes requests again, as far as it has said."""
        return max(0.0, self._until - now)

    def heard(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], now: float, wall: float
    ) -> None:
        """Read an answer's headers; ``wall`` is the time of day, in seconds since 1970.

        None left makes requests wait, and so does a 429 that has a Retry-After.  Answers overtake
        each other, so one that says that some are left does not end the wait.
        """
        said = {meaning: value for name, value in headers if (meaning := _NAMES.get(name.lower()))}
        if (remaining := _number(said.get("remaining"))) is not None:
            self.remaining = remaining
        wait = 0.0
        if remaining == 0:
            wait = _reset(said, wall)
        if status == 429 and "retry_after" in said:
            wait = max(wait, retry_after(_text(said["retry_after"]), wall) or 0)
        if wait > 0:
            self._until = max(self._until, now + min(wait, WAIT_MOST))


def _reset(said: dict[str, bytes], wall: float) -> float:
    """Give the seconds until the reset; the API's own clock decides where it sends a Date."""
    reset = _number(said.get("reset")) or 0
    if reset < _SINCE_1970:
        return reset
    seconds = reset / 1000 if reset >= 1000 * _SINCE_1970 else reset
    theirs = timestamp(_text(said.get("date", b"")))
    return seconds - (wall if theirs is None else theirs)


def _number(value: bytes | None) -> int | None:
    found = _NUMBER.match(value or b"")
    return int(found[1]) if found else None


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")
