"""Which number a call is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.sip.fields import Malformed
from sip_stager.trunks.number_fields import REQUEST_URI, spelled_in
from sip_stager.trunks.phone_numbers import is_dialled, normalised

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


class Spelling(Protocol):
    """How a trunk spells the numbers that it calls."""

    @property
    def country(self) -> str | None:
        """ISO 3166 alpha-2; None where its numbers are all international."""
        ...

    @property
    def called(self) -> tuple[str, ...]:
        """Where the called number stands (``spelling.field_of``); the first that has one counts."""
        ...

    @property
    def strip(self) -> tuple[str, ...]:
        """What stands ahead of its numbers, and is no part of them."""
        ...


class Called(NamedTuple):
    """The called number, in E.164 or as a name, and how it was found.

    All is empty where no source names one.  ``spelled`` is the source's word, untrusted;
    ``stripped`` the prefix that was taken off it.  ``passed`` are the sources that were of no use,
    each with the reason.
    """

    number: str = ""
    source: str = ""
    spelled: str = ""
    stripped: str = ""
    passed: tuple[tuple[str, str], ...] = ()


def called_number(invite: Request, trunk: Spelling) -> Called:
    """Read the called number; a source that cannot be read gives way to the next.

    Raises ``Malformed`` where the Request-URI is read and is none: no call can go on with it.
    """
    passed: tuple[tuple[str, str], ...] = ()
    for source in trunk.called:
        try:
            text, context = spelled_in(invite, source)
        except Malformed as fault:
            if source == REQUEST_URI:
                _ = invite.uri
            passed += ((source, str(fault)),)
            continue
        prefix = _prefix(text, trunk.strip) if trunk.strip else ""
        number = normalised(text[len(prefix) :], trunk.country, context)
        return Called(number, source, text, prefix, passed)
    return Called(passed=passed)


def _prefix(text: str, prefixes: tuple[str, ...]) -> str:
    """Find the longest prefix that leaves a number; names are left alone."""
    fit = (each for each in prefixes if text.startswith(each) and is_dialled(text[len(each) :]))
    return max(fit, key=len, default="")
