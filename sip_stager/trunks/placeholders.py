"""The sources of placeholders: the parts of a call that ``${...}`` can name.

The sources that identify an anonymous caller are missing, unless the trunk passes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from sip_stager.sip.field_grammar import IDENTITY_FIELDS, Malformed, field_name, parse_parameters
from sip_stager.sip.message import Request
from sip_stager.sip.parties import parse_party, party_values
from sip_stager.sip.privacy import USER_FIELDS, hides_from
from sip_stager.trunks.caller_number import DIALOG_IDENTITY_FIELDS
from sip_stager.trunks.phone_numbers import to_e164, unescape_user

_LISTS = frozenset(
    b"accept accept-contact alert-info allow call-info contact diversion error-info geolocation "
    b"history-info p-access-network-info p-asserted-identity p-associated-uri p-preferred-identity "
    b"path reason record-route remote-party-id require resource-priority route service-route "
    b"supported user-to-user via warning".split()
)
"""Fields that are comma-separated lists; in any other a comma is part of the value."""
_SECRET = frozenset({b"authorization", b"proxy-authorization"})
# Possessive quantifiers (``*+``) keep these linear: a stranger writes the text that they match.
_BEFORE_PARAMETERS = re.compile(rb'(?:"(?:[^"\\]|\\.)*+"|<[^<>]*+>|[^";<]++)*+', re.DOTALL)
_DISPLAY_NAME = re.compile(rb'\s*+(?:"((?:[^"\\]|\\.)*+)"|([^"<>]*+))\s*+<', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PARAMETER = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")
_MAX_VALUE_BYTES = 4096
"""Bytes of a field's value; a longer one counts as missing."""


class Facts(NamedTuple):
    """The facts about a call that admission knows beside its INVITE.

    ``caller`` is empty for a caller without a number or an anonymous one; with ``anonymous`` no
    other field may identify the caller, either.  ``country`` is the trunk's, ISO 3166 alpha-2;
    ``source`` is the address that the call came from.
    """

    caller: str
    called: str
    trunk: str
    source: str
    country: str | None = None
    anonymous: bool = False


Reader = Callable[[Request, Facts], str | None]
"""Returns the text of a source, printable; empty or None if it is missing; raises ``Malformed``."""


def make_reader(source: str) -> Reader:
    """Return the reader of a source; raises ``ValueError`` with the remedy for an unknown one."""
    name, semicolon, parameter = source.partition(";")
    if semicolon and not _PARAMETER.fullmatch(parameter):
        raise ValueError("write only the parameter's name after the semicolon")
    wanted = parameter.lower().encode() if semicolon else None
    if name.startswith("header:"):
        return _of_header(name.removeprefix("header:"), wanted)
    if name == "request_uri" and wanted:
        return _of_request_uri(wanted)
    if wanted or name not in SOURCES:
        known = ", ".join(
            [*SOURCES, "request_uri;PARAMETER", "header:NAME", "header:NAME;PARAMETER"]
        )
        raise ValueError(f"write one of {known}")
    return SOURCES[name]


def _of_header(spelled: str, parameter: bytes | None) -> Reader:
    try:
        name = field_name(spelled.encode())
    except Malformed:
        raise ValueError("write the header's name after header:") from None
    if name in _SECRET:
        raise ValueError("write another header; this one holds credentials")

    def read(invite: Request, facts: Facts) -> str | None:
        if facts.anonymous and _is_withheld(invite, name):
            return None
        value = _value(invite, name)
        if value is None:
            return None
        if parameter is None:
            return replace_unprintable(value.decode("utf-8", "replace"))
        return _parameter(value, parameter)

    return read


def _is_withheld(invite: Request, name: bytes) -> bool:
    """Return True for a field that identifies an anonymous caller."""
    if name in USER_FIELDS:
        return hides_from(invite)
    return name in IDENTITY_FIELDS or name in DIALOG_IDENTITY_FIELDS


def _value(invite: Request, name: bytes) -> bytes | None:
    # Of a list only the first value; of any other field all of it, commas included.
    value = invite.first(name) if name in _LISTS else invite.value(name)
    return value if value is not None and len(value) <= _MAX_VALUE_BYTES else None


def _parameter(value: bytes, name: bytes) -> str | None:
    """Return a parameter of the field, or else of its URI; ``true`` for one without a value."""
    match = _BEFORE_PARAMETERS.match(value)
    parameters = parse_parameters(value[match.end() :] if match else b"")
    if name not in parameters and b"<" in value:
        parameters = parse_party(value).uri.parameters or {}
    return _parameter_text(parameters[name]) if name in parameters else None


def _of_request_uri(parameter: bytes) -> Reader:
    def read(invite: Request, _: Facts) -> str | None:
        parameters = invite.uri.parameters or {}
        return _parameter_text(parameters[parameter]) if parameter in parameters else None

    return read


def _parameter_text(value: bytes | None) -> str:
    if value is None:
        return "true"
    if len(value) > 1 and value[:1] == value[-1:] == b'"':
        value = _ESCAPED.sub(rb"\1", value[1:-1])
    return replace_unprintable(value.decode("utf-8", "replace"))


def _display_name(invite: Request, facts: Facts) -> str | None:
    value = None if facts.anonymous else _value(invite, b"from")
    if value is None or b"<" not in value:
        return None
    match = _DISPLAY_NAME.match(value)
    if match is None:  # quotes that do not match: what stands ahead of the last brackets
        name = value[: value.rindex(b"<")].strip(b' \t"')
    else:
        name = match[2] if match[1] is None else _ESCAPED.sub(rb"\1", match[1])
    return replace_unprintable(name.decode("utf-8", "replace"))


def _diversion(invite: Request, facts: Facts) -> str | None:
    """Return the number that diverted the call last, unless it is private (RFC 5806)."""
    value = next(party_values(invite.rows(b"diversion")), None)
    if value is None or len(value) > _MAX_VALUE_BYTES:
        return None
    diverter = parse_party(value)
    if (diverter.parameters.get(b"privacy") or b"off").strip(b'"').lower() in {b"full", b"uri"}:
        return None
    user = diverter.uri.user or b""
    return replace_unprintable(to_e164(unescape_user(user), facts.country))


def _user_to_user(invite: Request, _: Facts) -> str | None:
    """Return the data of User-to-User as received, mostly in hex (RFC 7433 4.1)."""
    value = _value(invite, b"user-to-user")
    match = _BEFORE_PARAMETERS.match(value) if value else None
    return _parameter_text(match[0].strip(b" \t")) if match else None


def replace_unprintable(text: str) -> str:
    """Return a text with a space for each control character, line end and the like."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text.strip()


SOURCES: dict[str, Reader] = {
    "caller": lambda _, facts: replace_unprintable(facts.caller),
    "called": lambda _, facts: replace_unprintable(facts.called),
    "display_name": _display_name,
    "trunk": lambda _, facts: facts.trunk,
    "source": lambda _, facts: facts.source,
    "diversion": _diversion,
    "user_to_user": _user_to_user,
    "request_uri": lambda invite, _: replace_unprintable(
        invite.uri_text.decode("utf-8", "replace")
    ),
    "request_uri.user": lambda invite, _: replace_unprintable(
        unescape_user(invite.uri.user or b"")
    ),
}
"""The readers of the sources with a name of their own."""
