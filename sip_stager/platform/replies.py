"""Reading what a stranger's server has said; pure, and no input raises."""

from __future__ import annotations

import json
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard

MAX_TEXT_LENGTH = 200  # characters of a stranger's words that are kept
_TOKEN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}")


def is_token(value: object) -> TypeGuard[str]:
    """Tell whether it may become a header and a segment of a path, and is of sane length.

    There is no CR, LF, blank or control in it, and it leads to no other path (RFC 3986 5.2.4).
    """
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def json_object(body: bytes) -> dict[str, Any]:
    """Read JSON; what is not an object is an empty one."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def error_text(answer: dict[str, Any]) -> str:
    """Find the API's words in an error of either shape: in an envelope, or bare."""
    error = answer["error"] if isinstance(answer.get("error"), dict) else answer
    details = error.get("details")
    words = [error.get("message") or answer.get("message")]
    if isinstance(details, list):
        words += [
            f"{one.get('field')}: {one.get('message')}" for one in details if type(one) is dict
        ]
    return "; ".join(word for word in words if isinstance(word, str))


def sanitize(text: str) -> str:
    """Cap it and escape what is no plain character."""
    text = text[:MAX_TEXT_LENGTH]
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def retry_after(value: str | None, theirs: float) -> int | None:
    """Read Retry-After (RFC 9110 10.2.3), seconds or a date; None where it makes no sense.

    ``theirs`` is the time of day by the server's clock, of which a date is a point.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return int(value[:9])
    date = timestamp(value)
    return None if date is None else max(0, round(date - theirs))


def server_time(date: str | None, wall: float) -> float:
    """Give the time of day by the server's clock: its Date, or ours where it sends none.

    Times are in seconds since 1970.  A clock that goes wrong, theirs or ours, then misleads nobody.
    """
    theirs = timestamp(date or "")
    return wall if theirs is None else theirs


def timestamp(value: str) -> float | None:
    """Read a date of HTTP (RFC 9110 5.6.7) as seconds since 1970; None where it is none."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
