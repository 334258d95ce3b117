"""Types of values that are not addresses, with the mistakes that each can have."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from sip_stager.config.errors import invalid
from sip_stager.config.suggestions import did_you_mean
from sip_stager.trunks.mapping import ANY, is_plain
from sip_stager.trunks.number_fields import (
    FIELD_SOURCES,
    HEADER_PREFIX,
    REQUEST_URI,
    field_of_source,
)
from sip_stager.trunks.phone_numbers import COUNTRIES, is_e164, to_e164

_STEM = re.compile(r"\+[1-9][0-9]{0,14}|(?!00)[A-Za-z0-9_.!~'()&=$,?/#-]{1,64}")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_REWRITTEN = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
_PREFIX = re.compile(r"\+?[A-Za-z0-9_.*#-]{1,32}")
_TRUNK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
ENVIRONMENT_VARIABLE = r"[A-Z_][A-Z0-9_]*"
"""The pattern of the names of environment variables."""


def _check_country(code: str) -> str:
    if code not in COUNTRIES:
        known = "GB" if code.upper() == "UK" else code.upper()
        hint = f'write "{known}"' if known in COUNTRIES else 'write two letters, like "FR" or "US"'
        raise invalid(f'"{code}" is not an ISO 3166 country code', hint)
    return code


def _normalise_number(text: str) -> str:
    if text.strip().endswith(ANY):
        return _check_pattern(text.strip())
    if _REWRITTEN.fullmatch(text.strip()):
        right = "format the column as text, and enter the numbers again"
        raise invalid(f"{text!r} looks like a number reformatted by a spreadsheet", right)
    number = to_e164(text.strip())
    if not is_plain(number) or (number.startswith("+") and not is_e164(number)):
        right = 'write E.164, like "+33612345678", or the user part of the URI that the trunk sends'
        if number.startswith("+") and _STEM.fullmatch(number):
            right += f'; "{number}{ANY}" matches all numbers that begin so'
        raise invalid(f"{text!r} is neither a telephone number nor a name", right)
    return number


def _check_pattern(text: str) -> str:
    stem = text.removesuffix(ANY)
    if stem and not _STEM.fullmatch(stem):
        right = 'write it like "+3361*", or "*" alone for every number that has no row of its own'
        raise invalid(f"{text!r} is not the beginning of a number or name", right)
    return text


def parse_hours(text: str) -> tuple[int, int]:
    """Parse ``09:00-18:00`` as minutes of the day; raises a mistake if it is no time range."""
    match = _HOURS.fullmatch(text)
    numbers = [int(number) for number in match.groups()] if match else [0, 0, 0, 0]
    begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if begin == end or end > 24 * 60:
        right = 'write "HH:MM-HH:MM", like "09:00-18:00" or, over midnight, "22:00-06:00"'
        raise invalid(f'"{text}" is not a time range', right)
    return begin, end


def _check_hours(text: str) -> str:
    parse_hours(text)
    return text


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        right = f'{near}write a name like "Europe/Paris" (Debian has them in the package tzdata)'
        raise invalid(f'"{name}" is not a time zone that this system knows', right) from None
    return name


def _check_e164(text: str) -> str:
    number = to_e164(text.strip())
    if not is_e164(number) or len(number) < 9:
        raise invalid(f"{text!r} is not an E.164 number", 'write it like "+33612345678"')
    return number


def _parse_agent_id(value: object) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(str(value).strip())
    except ValueError:
        raise invalid(
            f"{value!r} is not an agent id",
            "write the UUID that the platform shows: 32 hexadecimal digits in five groups",
        ) from None


def _check_called_source(source: str) -> str:
    try:
        field_of_source(source)
    except ValueError:
        places = REQUEST_URI, *FIELD_SOURCES
        known = ", ".join(f'"{each}"' for each in places)
        near = did_you_mean(source, places)
        right = f'{near}write {known}, or a header\'s name like "{HEADER_PREFIX}X-Original-To"'
        raise invalid(f'"{source}" is not a source for the called number', right) from None
    return source


def _check_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        right = 'write what the carrier sends before the number, like "99" or "00331"'
        raise invalid(f"{text!r} is not a number prefix", right)
    return text


def _check_distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise invalid(f'has "{value}" twice', "remove one of the two")
    return values


def _check_trunk_name(name: str) -> str:
    if not _TRUNK_NAME.fullmatch(name):
        right = "write at most 64 letters, digits, and _ . -"
        raise invalid(f"{name!r} is not a valid trunk name", right)
    return name


def _check_address_variable(name: str) -> str:
    if not re.fullmatch(ENVIRONMENT_VARIABLE, name):
        right = 'write a name in capitals, like "HOST_IP", or the address as advertise'
        raise invalid("is not the name of an environment variable", right)
    return name


def _check_key_variable(name: str) -> str:
    if not re.fullmatch(ENVIRONMENT_VARIABLE, name):
        raise invalid(
            "is not the name of an environment variable (is it the key itself?)",
            'write a name in capitals, like "ROUNDED_API_KEY", and put the key into that variable',
        )
    return name


Country = Annotated[str, AfterValidator(_check_country)]
CalledNumber = Annotated[str, AfterValidator(_normalise_number)]
CalledSource = Annotated[str, AfterValidator(_check_called_source)]
CallerSource = Literal["p_asserted_identity", "remote_party_id", "from"]
NumberPrefix = Annotated[str, AfterValidator(_check_prefix)]
Distinct = AfterValidator(_check_distinct)
Hours = Annotated[str, AfterValidator(_check_hours)]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
E164 = Annotated[str, AfterValidator(_check_e164)]
AgentId = Annotated[uuid.UUID, BeforeValidator(_parse_agent_id)]
TrunkName = Annotated[str, AfterValidator(_check_trunk_name)]
KeyVariable = Annotated[str, AfterValidator(_check_key_variable)]
AddressVariable = Annotated[str, AfterValidator(_check_address_variable)]
Count = Annotated[int, Field(strict=True, ge=1)]
Bytes = Annotated[int, Field(strict=True, ge=4 * 1024 * 1024)]
Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
