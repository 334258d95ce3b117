"""Where in an INVITE a number stands, and how it is spelt there."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.sip.fields import Malformed, field_name
from sip_stager.sip.uri import Uri, parse_address
from sip_stager.trunks.phone_numbers import dialled

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

REQUEST_URI = "request_uri"
"""The source that is no header field."""
FIELDS = ("to", "p_called_party_id", "diversion")
"""The sources that are header fields with a name of their own."""
NAMED = "header:"
"""What stands ahead of any other field's name."""

_CONTEXT = b"phone-context="


class Spelled(NamedTuple):
    """The user part of a URI, or a bare number or name, its escapes resolved.

    ``context`` is its phone-context where that is the beginning of an international number, as
    ``+33`` is (RFC 3966 5.1.5); domains, which are allowed there too, say nothing of a number.
    """

    text: str
    context: str = ""


@lru_cache(maxsize=256)
def field_of(source: str) -> bytes:
    """Give the canonical name of the field that a source names, empty for the Request-URI.

    Raises ``ValueError`` where it names none.
    """
    if source == REQUEST_URI:
        return b""
    if source in FIELDS:
        return source.replace("_", "-").encode()
    if not source.startswith(NAMED):
        raise ValueError(source)
    return field_name(source.removeprefix(NAMED).encode())


def spelled_in(invite: Request, source: str) -> Spelled:
    """Read what a source says, of several values the first, which in Diversion is the newest.

    Raises ``Malformed``, also where the field is missing or names nobody.
    """
    field = field_of(source)
    if not field:
        return of_uri(invite.uri)
    value = invite.first(field)
    if value is None:
        raise Malformed("is missing")
    return _of_value(value)


def _of_value(value: bytes) -> Spelled:
    """Read an address, or what stands in its place: headers of one's own hold bare numbers."""
    if b"<" in value or b":" in value:
        return of_uri(parse_address(value).uri)
    return _named(dialled(value.strip(b' \t"')))


def of_uri(uri: Uri) -> Spelled:
    """Read the user part of a URI; raises ``Malformed`` where it has none."""
    user = uri.user or b""
    context = _context(uri, user) if b";" in user or uri.scheme == b"tel" else ""
    return _named(dialled(user), context)


def _context(uri: Uri, user: bytes) -> str:
    """Return the phone-context, empty where it does not begin an international number."""
    if uri.scheme == b"tel":
        context = (uri.parameters or {}).get(_CONTEXT[:-1]) or b""
    else:
        parameters = user.lower().split(b";")[1:]
        found = (each.removeprefix(_CONTEXT) for each in parameters if each.startswith(_CONTEXT))
        context = next(found, b"")
    return dialled(context) if context.startswith((b"+", b"%2b")) else ""


def _named(text: str, context: str = "") -> Spelled:
    if not text:
        raise Malformed("names nobody")
    return Spelled(text, context)
