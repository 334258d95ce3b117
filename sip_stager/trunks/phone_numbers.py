"""Telephone numbers in any spelling, brought to E.164.

The only file that knows the numbering plans of the world (``phonenumbers``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import phonenumbers
from phonenumbers import PhoneMetadata

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_CODES = "|".join(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
# The first look-ahead is there for speed: few numbers have a zero where the second may find one.
_UNAMBIGUOUS = re.compile(rf"(?!(?=\+[0-9]{{1,3}}0)\+(?:{_CODES})0){_E164.pattern}")
"""E.164 without a zero after the country's code, which may be that of the national form."""
_SEPARATORS = str.maketrans("", "", "-.() ")  # RFC 3966 5.1.1, and the blank that people use
_DIALABLE = re.compile(r"\+?[0-9]{3,20}")
_MAX_LENGTH = 64  # characters; a longer text is not a number, and must not fill the cache
_TO_MASK = re.compile(r"\+?[0-9](?:[-.() ]*[0-9]){6,}")
_UNSAFE = re.compile(r"[^A-Za-z0-9+*#._-]")

COUNTRIES: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""The ISO 3166 alpha-2 codes of the countries with a known numbering plan."""


def is_e164(number: str) -> bool:
    """Return True for E.164 with the plus sign: 7 to 15 digits, the first not 0."""
    return _E164.fullmatch(number) is not None


def is_unambiguous(number: str) -> bool:
    """Return True for E.164 that ``to_e164`` returns unchanged, whatever the numbering plans say.

    A zero after the country's code may be that of the national form: +33 0 3... is +33 3...
    """
    return _UNAMBIGUOUS.fullmatch(number) is not None


def without_national_zero(stem: str) -> str:
    """Return the beginning of a number in E.164 without a zero that no number there begins with."""
    for end in range(2, min(len(stem), 5)):
        country = _country(int(stem[1:end]))
        if country is not None:
            is_national = country.national_prefix == "0" and stem[end] == "0"
            return stem[:end] + stem[end + 1 :] if is_national else stem
    return stem


def why_impossible(number: str) -> str:
    """Return why a text in the form of E.164 is no telephone number; empty if it may be one."""
    # A hundred thousand numbers of a file are checked at each start, and nearly all are possible.
    if _lengths_of_country(number[:4]).allow(number):
        return ""
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


class _Lengths(NamedTuple):
    """The possible lengths of a country's numbers, and the prefix that would not count to them.

    ``code_end`` is the length of the plus sign and the country's code.
    """

    lengths: frozenset[int] = frozenset()
    code_end: int = 0
    prefix: re.Pattern[str] | None = None

    def allow(self, number: str) -> bool:
        """Return True if a number is surely possible; one with the prefix needs a parser."""
        if len(number) not in self.lengths:
            return False
        return self.prefix is None or self.prefix.match(number, self.code_end) is None


@lru_cache(maxsize=1024)
def _lengths_of_country(start: str) -> _Lengths:
    """Return the lengths of the country whose code follows the plus sign, if one has it."""
    for end in range(2, len(start) + 1):
        country = _country(int(start[1:end]))
        if country is not None:
            return _lengths(end, country)
    return _Lengths()


def _country(code: int) -> PhoneMetadata | None:
    """Return the numbering plan of a country's code, None if there is no such code."""
    if code not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    region = phonenumbers.region_code_for_country_code(code)
    return PhoneMetadata.metadata_for_region_or_calling_code(code, region)


def _lengths(code_end: int, country: PhoneMetadata) -> _Lengths:
    if country.general_desc is None:
        return _Lengths()
    plan, prefix = country.general_desc, country.national_prefix_for_parsing
    lengths = {*plan.possible_length, *plan.possible_length_local_only}
    return _Lengths(
        frozenset(code_end + length for length in lengths),
        code_end,
        re.compile(prefix) if prefix else None,
    )


def unescape_user(user: bytes) -> str:
    """Return the user part of a URI as text, unescaped and without parameters.

    ``%2B33612345678;phone-context=example.com`` becomes ``+33612345678`` (RFC 3261 19.1.6).
    """
    bare = user.partition(b";")[0]
    return (unquote_to_bytes(bare) if b"%" in bare else bare).decode("utf-8", "replace")


def to_e164(number: str, country: str | None = None, context: str = "") -> str:
    """Return the number in E.164; a text that is not a telephone number is returned unchanged.

    ``country`` (ISO 3166 alpha-2) is the country whose national numbers and international prefix
    are dialled; ``context``, a phone-context like ``+33``, is that of this number alone (RFC 3966
    5.1.5).  A text with anything but digits and separators is a name.

    The national zero behind a country's code is removed where the numbering plan has one: +33 0 3
    66 is +33 3 66, and +39 06 stays.
    """
    if _UNAMBIGUOUS.fullmatch(number) or len(number) + len(context) > _MAX_LENGTH:
        return number
    local = _read_local(number, context) if context and not number.startswith("+") else None
    return local or _read(number, country)


def is_dialable(text: str) -> bool:
    """Return True for 3 to 20 digits, with separators and an optional plus sign."""
    return _DIALABLE.fullmatch(text.translate(_SEPARATORS)) is not None


@lru_cache(maxsize=1024)
def _read_local(number: str, context: str) -> str | None:
    return _valid(context + number, None) if is_dialable(number) else None


@lru_cache(maxsize=8192)
def _read(number: str, country: str | None) -> str:
    bare = number.translate(_SEPARATORS)
    if not is_dialable(bare):
        return number
    abroad = "+" + bare.removeprefix("+").removeprefix("00")
    explicit = bare.startswith(("+", "00")) and is_e164(abroad)
    # In this order: a national number, an international one without its plus sign, and digits that
    # claim to be international although no numbering plan has them (test numbers, new ranges).
    found = _valid(bare, country) or _valid(abroad, None)
    return found or (_without_national_zero(abroad) if explicit else number)


def _without_national_zero(number: str) -> str:
    """Return E.164 that no plan has as valid without a national zero, if its country has one."""
    if _UNAMBIGUOUS.fullmatch(number):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    shorter = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # Whatever begins with yet another zero is no number with a national zero.
    possible = phonenumbers.is_possible_number(parsed) and is_unambiguous(shorter)
    return shorter if possible else number


def _valid(number: str, country: str | None) -> str | None:
    """Return a number in E.164 if it is valid in its numbering plan, else None.

    Without a country the number must begin with a plus sign.
    """
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    found = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return found if is_e164(found) else None  # some plans have numbers of 16 digits


def mask(text: str) -> str:
    """Mask the middle of each telephone number in a text: ``+336******78``."""
    return _TO_MASK.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    number = match[0].translate(_SEPARATORS)
    kept = 4 if number.startswith("+") else 3
    return f"{number[:kept]}{'*' * (len(number) - kept - 2)}{number[-2:]}"


def mask_untrusted(number: str) -> str:
    """Return an untrusted number fit for a log line: masked, short, and plain ASCII."""
    return _UNSAFE.sub("?", mask(number[:64])) or "(none)"
