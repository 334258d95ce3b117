"""Parsing of what the API, a stranger's server, has sent; pure, and no input raises."""

from __future__ import annotations

import json
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard

MAX_TEXT_LENGTH = 200
"""Characters of the API's own words that are kept."""
_BOM = "\ufeff"  # RFC 8259 8.1: it may be ignored
_decode = json.JSONDecoder().decode  # ``json.loads`` would guess the encoding: it is UTF-8
_TOKEN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}")


def is_token(value: object) -> TypeGuard[str]:
    """Return True if a value is fit for a SIP header field and for one segment of a path.

    It has no CR, LF, blank or control character, and it is no dot segment, which would lead to
    another path (RFC 3986 5.2.4).
    """
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object; return an empty one for anything else."""
    try:
        read = _decode(body.decode().removeprefix(_BOM))
    except (ValueError, RecursionError):  # nested too deep is a RecursionError
        return {}
    return read if isinstance(read, dict) else {}


def error_text(answer: dict[str, Any]) -> str:
    """Return the API's words in an error of either documented shape: in an envelope, or bare."""
    error = answer["error"] if isinstance(answer.get("error"), dict) else answer
    details = error.get("details")
    words = [error.get("message") or answer.get("message")]
    if isinstance(details, list):
        words += [
            f"{one.get('field')}: {one.get('message')}" for one in details if type(one) is dict
        ]
    return "; ".join(word for word in words if isinstance(word, str))


def sanitize(text: str) -> str:
    """Cut a text to ``MAX_TEXT_LENGTH``, and escape every character that is not printable."""
    text = text[:MAX_TEXT_LENGTH]
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def retry_after(value: str | None, server_now: float) -> int | None:
    """Parse Retry-After (RFC 9110 10.2.3), seconds or a date; return None if it is neither.

    ``server_now`` is the time of day by the server's clock, which a date refers to.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return int(value[:9])  # more digits are no sane delay, and could be slow to convert
    date = timestamp(value)
    return None if date is None else max(0, round(date - server_now))


def server_time(date: str | None, our_time: float) -> float:
    """Return the time of day by the server's clock: its Date, or ours if it sends none.

    Times are in seconds since 1970.  Dates of one response are compared with each other alone, so
    that a wrong clock, the server's or ours, does no harm.
    """
    theirs = timestamp(date or "")
    return our_time if theirs is None else theirs


def timestamp(value: str) -> float | None:
    """Parse an HTTP date (RFC 9110 5.6.7) into seconds since 1970; return None if it is none."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # The asctime form has no zone, and Python reads "-0000" as none: both mean UTC.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
