"""The parts of an INVITE that may hold a number, and how to read it there."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.sip.field_grammar import Malformed, field_name
from sip_stager.sip.parties import parse_party, party_values
from sip_stager.trunks.phone_numbers import unescape_user

if TYPE_CHECKING:
    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Uri

REQUEST_URI = "request_uri"
"""The only source that is not a header field."""
FIELD_SOURCES = ("to", "p_called_party_id", "diversion")
"""The header fields that are sources by a name of their own."""
HEADER_PREFIX = "header:"
"""The prefix of a source that is any other header field, by its name."""

_CONTEXT = b"phone-context="


class RawNumber(NamedTuple):
    """The user part of a URI, or a bare number or name, its escapes resolved.

    ``context`` is its phone-context if that is the prefix of an international number, like ``+33``
    (RFC 3966 5.1.5); a domain, which is allowed there too, does not complete a number.
    """

    text: str
    context: str = ""


@lru_cache(maxsize=256)
def field_of_source(source: str) -> bytes:
    """Return the canonical name of a source's header field, empty for the Request-URI.

    Raises ``ValueError`` for an unknown source.
    """
    if source == REQUEST_URI:
        return b""
    if source in FIELD_SOURCES:
        return source.replace("_", "-").encode()
    if not source.startswith(HEADER_PREFIX):
        raise ValueError(source)
    return field_name(source.removeprefix(HEADER_PREFIX).encode())


def find_number(invite: Request, source: str) -> RawNumber:
    """Return the number or name in a source; of several values the first (Diversion: the newest).

    Raises ``Malformed``, also if the field is missing or has no user part.
    """
    field = field_of_source(source)
    if not field:
        return number_of_uri(invite.uri)
    value = invite.value(field)
    if value is None:
        raise Malformed("is missing")
    if b"<" in value or b":" in value:
        return number_of_uri(parse_party(next(party_values(invite.rows(field)))).uri)
    # A bare number, as in header fields that are not of the RFCs.
    return _raw_number(unescape_user((invite.first(field) or b"").strip(b' \t"')))


def number_of_uri(uri: Uri) -> RawNumber:
    """Return the number in the user part of a URI; raises ``Malformed`` if that is empty."""
    user = uri.user or b""
    context = _context(uri, user) if b";" in user or uri.scheme == b"tel" else ""
    return _raw_number(unescape_user(user), context)


def _context(uri: Uri, user: bytes) -> str:
    """Return the phone-context, empty unless it is the prefix of an international number."""
    if uri.scheme == b"tel":
        context = (uri.parameters or {}).get(_CONTEXT[:-1]) or b""
    else:
        parameters = user.lower().split(b";")[1:]
        found = (each.removeprefix(_CONTEXT) for each in parameters if each.startswith(_CONTEXT))
        context = next(found, b"")
    return unescape_user(context) if context.startswith((b"+", b"%2b")) else ""


def _raw_number(text: str, context: str = "") -> RawNumber:
    if not text:
        raise Malformed("has no user part")
    return RawNumber(text, context)
