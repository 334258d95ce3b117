"""Telephone numbers as trunks spell them, brought to E.164.

The one file that knows the numbering plans of the world (``phonenumbers``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import phonenumbers

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SEPARATORS = str.maketrans("", "", "-.() ")  # RFC 3966 5.1.1, and the blank that people write
_DIALLED = re.compile(r"\+?[0-9]{3,20}")
_LONGEST = 64  # characters; what is longer is no number, and must not fill the cache
_TO_MASK = re.compile(r"\+?[0-9](?:[-.() ]*[0-9]){6,}")
_UNSAFE = re.compile(r"[^A-Za-z0-9+*#._-]")

COUNTRIES: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""The ISO 3166 alpha-2 codes of the countries whose numbering plan is known."""


def is_e164(number: str) -> bool:
    """Tell whether this is E.164 with its plus sign: 7 to 15 digits, the first not 0."""
    return _E164.fullmatch(number) is not None


def impossible(number: str) -> str:
    """Return why no telephone number can be like this one, in E.164; empty if one can."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return "no country has that code"
    code = f"+{parsed.country_code}"
    match phonenumbers.is_possible_number_with_reason(parsed):
        case phonenumbers.ValidationResult.TOO_SHORT:
            return f"too short for {code}"
        case phonenumbers.ValidationResult.TOO_LONG:
            return f"too long for {code}"
        case phonenumbers.ValidationResult.INVALID_LENGTH:
            return f"of a wrong length for {code}"
        case _:
            return ""


def dialled(user: bytes) -> str:
    """Return what the user part of a URI says, its escapes resolved and its parameters cut off.

    ``%2B33612345678;phone-context=example.com`` becomes ``+33612345678`` (RFC 3261 19.1.6).
    """
    bare = user.partition(b";")[0]
    return (unquote_to_bytes(bare) if b"%" in bare else bare).decode("utf-8", "replace")


def normalised(number: str, country: str | None = None, context: str = "") -> str:
    """Return the number as E.164, or what was given where it is no telephone number.

    ``country`` (ISO 3166 alpha-2) says how national numbers and international prefixes are
    dialled there; a phone-context that begins with a plus sign says it of this number (RFC 3966
    5.1.5).  Anything that is not made of digits and separators is a name, and stays.
    """
    if _E164.fullmatch(number) or len(number) + len(context) > _LONGEST:
        return number
    local = _read_local(number, context) if context and not number.startswith("+") else None
    return local or _read(number, country)


def is_dialled(text: str) -> bool:
    """Tell whether a text is made of 3 to 20 digits, with separators and perhaps a plus sign."""
    return _DIALLED.fullmatch(text.translate(_SEPARATORS)) is not None


@lru_cache(maxsize=1024)
def _read_local(number: str, context: str) -> str | None:
    return _valid(context + number, None) if is_dialled(number) else None


@lru_cache(maxsize=8192)
def _read(number: str, country: str | None) -> str:
    bare = number.translate(_SEPARATORS)
    if not is_dialled(bare):
        return number
    abroad = "+" + bare.removeprefix("+").removeprefix("00")
    explicit = bare.startswith(("+", "00")) and is_e164(abroad)
    return _valid(bare, country) or _valid(abroad, None) or (abroad if explicit else number)


def _valid(number: str, country: str | None) -> str | None:
    """Read a number by the numbering plans; without a country it must begin with a plus sign."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def mask(text: str) -> str:
    """Hide the middle of each telephone number in a text: ``+336******78``."""
    return _TO_MASK.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    number = match[0].translate(_SEPARATORS)
    kept = 4 if number.startswith("+") else 3
    return f"{number[:kept]}{'*' * (len(number) - kept - 2)}{number[-2:]}"


def shown(number: str) -> str:
    """Return a stranger's number fit for a text: masked, short, and plain ASCII."""
    return _UNSAFE.sub("?", mask(number[:64])) or "(none)"
