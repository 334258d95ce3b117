"""The caller's number, unless the caller requests privacy (RFC 3323, RFC 3325)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.sip.field_grammar import IDENTITY_FIELDS, Malformed
from sip_stager.sip.parties import parse_party, party_values
from sip_stager.sip.privacy import strip_identity
from sip_stager.trunks.number_fields import number_of_uri
from sip_stager.trunks.phone_numbers import is_e164, to_e164

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Address

FROM = "from"
CALLER_SOURCES = ("p_asserted_identity", "remote_party_id", FROM)
"""The sources of a caller's number: header fields, in the default order."""

_FIELDS = {source: source.replace("_", "-").encode() for source in CALLER_SOURCES}
DIALOG_IDENTITY_FIELDS = frozenset({b"from", b"contact"})
"""Fields that identify the caller, and that no proxy may change: they belong to the dialog."""
_PRIVACY_VALUES = frozenset((b"id", b"user", b"full", b"header"))
_PRIVATE_PARTY = re.compile(rb';[ \t]*privacy[ \t]*=[ \t"]*(?:full|uri)\b', re.IGNORECASE)
_ANONYMOUS = re.compile(rb"sips?:anonymous@|[:@]anonymous\.invalid\b")


class CallerNumberConfig(Protocol):
    """The caller numbers of a trunk: their sources, and their treatment if private."""

    @property
    def country(self) -> str | None:
        """ISO 3166 alpha-2; None if all numbers have their country code."""
        ...

    @property
    def caller(self) -> tuple[str, ...]:
        """Some of ``CALLER_SOURCES``; the first with a valid number counts."""
        ...

    @property
    def pass_private_number(self) -> bool:
        """True if the API and the upstream get the number of an anonymous caller, too."""
        ...


class CallerNumber(NamedTuple):
    """A caller's number in E.164, empty if there is none or the caller is anonymous.

    ``source`` is the field that holds it.  ``privacy`` says how the caller requested privacy, and
    is set even if the trunk passes the number all the same.  ``skipped`` are the sources
    without a valid number, each with the reason; no number is in it.
    """

    number: str = ""
    source: str = ""
    privacy: str = ""
    skipped: tuple[tuple[str, str], ...] = ()


def read_caller_number(invite: Request, trunk: CallerNumberConfig) -> CallerNumber:
    """Return the caller's number from the trunk's first source with a valid one."""
    privacy = _requested_privacy(invite)
    if privacy and not trunk.pass_private_number:
        return CallerNumber(privacy=privacy)
    skipped: tuple[tuple[str, str], ...] = ()
    for source in trunk.caller:
        if _FIELDS[source] in invite.names:
            number = _number_in(invite, source, trunk.country)
            if number:
                return CallerNumber(number, source, privacy, skipped)
            skipped += ((source, "holds no valid number"),)
        else:
            skipped += ((source, "is missing"),)
    return CallerNumber(privacy=privacy, skipped=skipped)


def strip_private_identity(request: Request, *, anonymous: bool = False) -> Request:
    """Strip the identity fields if the caller requests privacy (RFC 3323 5.1, RFC 3325 7).

    ``anonymous``: the caller requested it earlier in the dialog.
    """
    if IDENTITY_FIELDS.isdisjoint(request.names) or not (anonymous or _requested_privacy(request)):
        return request
    return strip_identity(request)


def _number_in(invite: Request, source: str, country: str | None) -> str:
    """Return the first valid number of a source; P-Asserted-Identity may have two values."""
    for address in _addresses(invite, source):
        try:
            text, context = number_of_uri(address.uri)
        except Malformed:
            continue
        number = to_e164(text, country, context)
        if is_e164(number):
            return number
    return ""


def _addresses(invite: Request, source: str) -> Iterator[Address]:
    """Yield the addresses of a source that can be read.

    A Remote-Party-ID may be that of another party (draft-ietf-sip-privacy-04 5.2).
    """
    if source == FROM:
        values: Iterable[bytes] = (invite.value(b"from") or b"",)
    else:
        values = party_values(invite.rows(_FIELDS[source]))
    for value in values:
        try:
            address = parse_party(value)
        except Malformed:
            continue
        if (address.parameters.get(b"party") or b"calling").lower() == b"calling":
            yield address


def _requested_privacy(invite: Request) -> str:
    """Return how the caller requests privacy, for a report; empty if the caller does not.

    RFC 3323 4.1.1.3 and 4.2, RFC 3325 9.3, draft-ietf-sip-privacy-04 5.2.
    """
    # The fields are searched, not parsed: one that is malformed is rather taken as a request for
    # privacy, because a number that is shown by mistake cannot be taken back.
    if b"privacy" in invite.names:
        for row in invite.rows(b"privacy"):
            for value in re.split(rb"[\s;,:]+", row.lower()):
                if value in _PRIVACY_VALUES:
                    return f"Privacy: {value.decode()}"
    if b"remote-party-id" in invite.names and any(
        _PRIVATE_PARTY.search(row) for row in invite.rows(b"remote-party-id")
    ):
        return "Remote-Party-ID with privacy"
    value = (invite.value(b"from") or b"").lower()
    return "an anonymous From" if b"anonymous" in value and _ANONYMOUS.search(value) else ""
