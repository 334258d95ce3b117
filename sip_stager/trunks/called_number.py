"""The number that a call is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.sip.field_grammar import Malformed
from sip_stager.trunks.number_fields import REQUEST_URI, find_number
from sip_stager.trunks.phone_numbers import is_dialable, to_e164

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


class CalledNumberConfig(Protocol):
    """The called numbers of a trunk: their sources and their spelling."""

    @property
    def country(self) -> str | None:
        """ISO 3166 alpha-2; None if all numbers have their country code."""
        ...

    @property
    def called(self) -> tuple[str, ...]:
        """The sources of the called number (``number_fields``); the first readable one counts."""
        ...

    @property
    def strip(self) -> tuple[str, ...]:
        """Prefixes that the trunk writes before numbers and that are no part of them."""
        ...


class CalledNumber(NamedTuple):
    """The called number in E.164, or the called name, and how it was found.

    All fields are empty if no source has one.  ``raw`` is the text of the source, untrusted, and
    ``stripped`` the prefix that was removed from it.  ``skipped`` are the sources that could not
    be read, each with the reason.
    """

    number: str = ""
    source: str = ""
    raw: str = ""
    stripped: str = ""
    skipped: tuple[tuple[str, str], ...] = ()


def read_called_number(invite: Request, trunk: CalledNumberConfig) -> CalledNumber:
    """Return the called number from the trunk's first source that can be read.

    Raises ``Malformed`` if the Request-URI is a source and invalid: no call can go on with it.
    """
    skipped: tuple[tuple[str, str], ...] = ()
    for source in trunk.called:
        try:
            text, context = find_number(invite, source)
        except Malformed as fault:
            if source == REQUEST_URI:
                # A URI without a user part is skipped like any other source.  One that does not
                # parse raises again here, and ends the call.
                _ = invite.uri
            skipped += ((source, str(fault)),)
            continue
        prefix = _prefix(text, trunk.strip) if trunk.strip else ""
        number = to_e164(text[len(prefix) :], trunk.country, context)
        return CalledNumber(number, source, text, prefix, skipped)
    return CalledNumber(skipped=skipped)


def _prefix(text: str, prefixes: tuple[str, ...]) -> str:
    """Return the longest prefix before a number; names are left alone."""
    fit = (each for each in prefixes if text.startswith(each) and is_dialable(text[len(each) :]))
    return max(fit, key=len, default="")
