"""Who calls: the number that staging is told, unless its owner keeps it to himself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.sip.fields import Malformed
from sip_stager.sip.privacy import IDENTIFYING, unnamed
from sip_stager.sip.uri import Address, parse_address
from sip_stager.trunks.number_fields import of_uri
from sip_stager.trunks.phone_numbers import is_e164, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.sip.message import Request

FROM = "from"
CALLERS = ("p_asserted_identity", "remote_party_id", FROM)
"""The sources of a caller's number."""

_FIELDS = {source: source.replace("_", "-").encode() for source in CALLERS}
DIALOGS = frozenset({b"from", b"contact"})
"""Fields that tell who calls, and that no proxy may change: the dialog is made of them."""
_WITHHELD = frozenset((b"id", b"user", b"full", b"header"))
_PRIVATE_PARTY = re.compile(rb';[ \t]*privacy[ \t]*=[ \t"]*(?:full|uri)\b', re.IGNORECASE)
_ANONYMOUS = re.compile(rb"sips?:anonymous@|[:@]anonymous\.invalid\b")


class Identifying(Protocol):
    """How a trunk tells who calls."""

    @property
    def country(self) -> str | None:
        """ISO 3166 alpha-2; None where its numbers are all international."""
        ...

    @property
    def caller(self) -> tuple[str, ...]:
        """Of ``CALLERS``, in the order in which they are believed."""
        ...

    @property
    def pass_private_number(self) -> bool:
        """Whether staging and the upstream may know the number of a caller who withholds it."""
        ...


class Caller(NamedTuple):
    """A caller's number in E.164, empty where there is none or it is withheld.

    ``source`` is where it stands.  ``withheld`` says how the caller asked not to be named, and is
    set as well where he is named all the same.  ``passed`` are the sources that were of no use,
    each with the reason; no number is in it.
    """

    number: str = ""
    source: str = ""
    withheld: str = ""
    passed: tuple[tuple[str, str], ...] = ()


def caller_number(invite: Request, trunk: Identifying) -> Caller:
    """Read the caller's number from the first source that has a valid one."""
    withheld = _withheld(invite)
    if withheld and not trunk.pass_private_number:
        return Caller(withheld=withheld)
    passed: tuple[tuple[str, str], ...] = ()
    for source in trunk.caller:
        if _FIELDS[source] in invite.names:
            number = _number_in(invite, source, trunk.country)
            if number:
                return Caller(number, source, withheld, passed)
            passed += ((source, "holds no valid number"),)
        else:
            passed += ((source, "is missing"),)
    return Caller(withheld=withheld, passed=passed)


def without_identity(request: Request, *, withheld: bool = False) -> Request:
    """Take off what tells who a caller is who withholds it (RFC 3323 5.1, RFC 3325 7).

    ``withheld`` says that he has asked for it before.
    """
    if IDENTIFYING.isdisjoint(request.names) or not (withheld or _withheld(request)):
        return request
    return unnamed(request)


def _number_in(invite: Request, source: str, country: str | None) -> str:
    """Return the first valid number of a source; P-Asserted-Identity may have two values."""
    for address in _addresses(invite, source):
        try:
            text, context = of_uri(address.uri)
        except Malformed:
            continue
        number = normalised(text, country, context)
        if is_e164(number):
            return number
    return ""


def _addresses(invite: Request, source: str) -> Iterator[Address]:
    """Give a source's addresses up to one that cannot be read.

    A Remote-Party-ID may be somebody else's (draft-ietf-sip-privacy-04 5.2).
    """
    try:
        if source == FROM:
            yield invite.from_
            return
        for value in invite.values(_FIELDS[source]):
            address = parse_address(value)
            if (address.parameters.get(b"party") or b"calling").lower() == b"calling":
                yield address
    except Malformed:
        return


def _withheld(invite: Request) -> str:
    """Tell how the caller asks not to be named, in words fit for a text; empty where he does not.

    RFC 3323 4.1.1.3 and 4.2, RFC 3325 9.3, draft-ietf-sip-privacy-04 5.2.  What cannot be read
    well is taken as such a wish rather than not.
    """
    if b"privacy" in invite.names:
        for row in invite.rows(b"privacy"):
            for wish in re.split(rb"[\s;,:]+", row.lower()):
                if wish in _WITHHELD:
                    return f"Privacy: {wish.decode()}"
    if b"remote-party-id" in invite.names and any(
        _PRIVATE_PARTY.search(row) for row in invite.rows(b"remote-party-id")
    ):
        return "Remote-Party-ID with privacy"
    value = (invite.value(b"from") or b"").lower()
    return "an anonymous From" if b"anonymous" in value and _ANONYMOUS.search(value) else ""
