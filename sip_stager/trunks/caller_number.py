"""The caller's number, unless the caller requests privacy (RFC 3323, RFC 3325)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.sip.field_grammar import IDENTITY_FIELDS, Malformed
from sip_stager.sip.parties import parse_party, party_values
from sip_stager.sip.privacy import (
    ANONYMOUS_PARTY,
    NONE,
    USER_FIELDS,
    is_without_level,
    privacy_values,
    requires_privacy,
    strip_identity,
    unmet_values,
    withholding_value,
)
from sip_stager.trunks.number_fields import number_of_uri
from sip_stager.trunks.phone_numbers import is_e164, to_e164, unescape_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Address

FROM = "from"
CALLER_SOURCES = ("p_asserted_identity", "remote_party_id", FROM)
"""The sources of a caller's number: header fields, in the default order."""

_FIELDS = {source: source.replace("_", "-").encode() for source in CALLER_SOURCES}
DIALOG_IDENTITY_FIELDS = frozenset({b"from", b"contact"})
"""Fields that identify the caller, too, and that cannot be stripped: they belong to the dialog."""
_PRIVACY_FIELDS = frozenset({b"privacy", b"remote-party-id", b"proxy-require"})
"""The fields with which a caller requests privacy, beside an anonymous From."""
_STRIPPED = IDENTITY_FIELDS | USER_FIELDS
_PRIVATE_PARTY = re.compile(rb';[ \t]*privacy[ \t]*=[ \t"]*(?:full|uri)\b', re.IGNORECASE)


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

    @property
    def stand_ins(self) -> frozenset[str]:
        """Numbers in E.164 that the carrier sends for callers without one."""
        ...


class CallerNumber(NamedTuple):
    """A caller's number in E.164, empty if there is none or the caller is anonymous.

    ``source`` is the field that holds it.  ``privacy`` says how the caller requested privacy, and
    is set even if the trunk passes the number all the same.  ``unmet`` are the values of a Privacy
    that are critical, and that no proxy can perform.  ``skipped`` are the
    sources without a valid number, each with the reason; no number is in it.
    """

    number: str = ""
    source: str = ""
    privacy: str = ""
    unmet: str = ""
    skipped: tuple[tuple[str, str], ...] = ()


def read_caller_number(invite: Request, trunk: CallerNumberConfig) -> CallerNumber:
    """Return the caller's number from the trunk's first source with a valid one."""
    stand_ins = trunk.stand_ins
    present = invite.shape.first
    privacy = _requested_privacy(invite, stand_ins)
    unmet = ""
    if not trunk.pass_private_number:
        if b"privacy" in present:
            unmet = unmet_values(privacy_values(invite))
        if privacy:
            return CallerNumber(privacy=privacy, unmet=unmet)
    skipped: tuple[tuple[str, str], ...] = ()
    for source in trunk.caller:
        if _FIELDS[source] in present:
            number = _number_in(invite, source, trunk.country, stand_ins)
            if number:
                return CallerNumber(number, source, privacy, unmet, skipped)
            skipped += ((source, "holds no valid number"),)
        else:
            skipped += ((source, "is missing"),)
    return CallerNumber("", "", privacy, unmet, skipped)


def strip_private_identity(
    request: Request, stand_ins: frozenset[str] = frozenset(), *, anonymous: bool = False
) -> Request:
    """Strip the identity fields if the caller requests privacy (RFC 3323 5.1, RFC 3325 7).

    ``anonymous``: the caller requested it earlier in the dialog.
    """
    if _STRIPPED.isdisjoint(request.shape.first):
        return request
    if not (anonymous or _requested_privacy(request, stand_ins)):
        return request
    return strip_identity(request)


def _number_in(invite: Request, source: str, country: str | None, stand_ins: frozenset[str]) -> str:
    """Return the first valid number of a source; P-Asserted-Identity may have two values."""
    for address in _addresses(invite, source):
        try:
            text, context = number_of_uri(address.uri)
        except Malformed:
            continue
        number = to_e164(text, country, context)
        if is_e164(number) and not (stand_ins and _is_stand_in(text, stand_ins)):
            return number
    return ""


def _holds_stand_in(invite: Request, stand_ins: frozenset[str]) -> bool:
    """Return True if any source holds a number that stands for a caller without one."""
    for source in CALLER_SOURCES:
        for address in _addresses(invite, source):
            if _is_stand_in(unescape_user(address.uri.user or b""), stand_ins):
                return True
    return False


def _is_stand_in(user: str, stand_ins: frozenset[str]) -> bool:
    # As it is written: without its plus sign it may be a number of the trunk's country.
    return f"+{user.removeprefix('+').removeprefix('00')}" in stand_ins


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


def _requested_privacy(invite: Request, stand_ins: frozenset[str]) -> str:
    """Return how the caller requests privacy, for a report; empty if the caller does not.

    RFC 3323 4.1.1.3 and 4.2, RFC 3325 9.3, draft-ietf-sip-privacy-04 5.2.
    """
    if stand_ins and _holds_stand_in(invite, stand_ins):
        return "a number that stands for none"
    if not _PRIVACY_FIELDS.isdisjoint(invite.shape.first):
        values = privacy_values(invite)
        if value := withholding_value(values):
            return f"Privacy: {value.decode()}"
        if any(_PRIVATE_PARTY.search(row) for row in invite.rows(b"remote-party-id")):
            return "Remote-Party-ID with privacy"
        if NONE in values:  # RFC 3323 4.2: whatever an anonymous From may suggest
            return ""
        if is_without_level(values) and requires_privacy(invite):
            return "Proxy-Require: privacy"
    index = invite.shape.from_
    field = invite.fields[index].lower() if index >= 0 else b""
    return "an anonymous From" if b"anonymous" in field and ANONYMOUS_PARTY.search(field) else ""
