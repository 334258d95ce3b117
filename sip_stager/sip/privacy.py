"""Privacy: what a caller requests, and the header fields that identify a party.

RFC 3323 and RFC 3325; From and Contact identify a party, too, but belong to the dialog.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from sip_stager.sip.field_grammar import IDENTITY_FIELDS

if TYPE_CHECKING:
    from sip_stager.sip.generic_message import Message

M = TypeVar("M", bound="Message")

USER_FIELDS = frozenset({b"subject", b"user-agent"})
"""Fields that ``Privacy: user`` removes as well: a user agent adds them, and no call needs them."""

_OF_USER = IDENTITY_FIELDS | USER_FIELDS

PRIVACY_TAG = b"privacy"
"""The option tag of Proxy-Require for a proxy that performs the privacy of RFC 3323."""
NONE = b"none"
_CRITICAL = b"critical"
_WITHHELD = frozenset((b"id", b"user", b"full", b"header"))
"""The values with which a caller withholds who they are; ``full`` is older than RFC 3323."""
_PERFORMED = frozenset((b"id", b"user", b"full", NONE, _CRITICAL))
_UNPERFORMED = ("header", "session", "history")
_HIDING_FROM = frozenset((b"user", b"full"))
_SEPARATORS = re.compile(rb"[\s;,:]+")
ANONYMOUS_PARTY = re.compile(rb"sips?:anonymous@|[:@]anonymous\.invalid\b")
"""Matches the From of an anonymous caller, in lower case (RFC 3323 4.1.1.3)."""


def privacy_values(message: Message) -> list[bytes]:
    """Return the values of Privacy, in lower case (RFC 3323 4.2, RFC 3325 9.3).

    The rows are searched, not parsed: one that is malformed is rather taken as a request for
    privacy, because a number that is shown by mistake cannot be taken back.
    """
    rows = message.rows(b"privacy")
    return [
        value
        for row in rows
        for value in _SEPARATORS.split(row.partition(b":")[2].lower())
        if value
    ]


def withholding_value(values: list[bytes]) -> bytes:
    """Return the first value that withholds the caller's identity, or empty."""
    return next((value for value in values if value in _WITHHELD), b"")


def unmet_values(values: list[bytes]) -> str:
    """Return the values that are critical and cannot be performed, as a text (RFC 3323 5).

    ``header`` would hide Via and Contact, and ``session`` the media: that takes a back-to-back user
    agent.
    """
    if _CRITICAL not in values:
        return ""
    unmet = [name for name in _UNPERFORMED if name.encode() in values]
    known = _PERFORMED.union(name.encode() for name in _UNPERFORMED)
    return ", ".join(unmet if known.issuperset(values) else [*unmet, "an unknown value"])


def is_without_level(values: list[bytes]) -> bool:
    """Return True if no level of privacy is stated, so that a default is to be performed."""
    return all(value == _CRITICAL for value in values)


def requires_privacy(message: Message) -> bool:
    """Return True if Proxy-Require has the tag of privacy."""
    return any(
        PRIVACY_TAG in _SEPARATORS.split(row.lower()) for row in message.rows(b"proxy-require")
    )


def hides_from(request: Message) -> bool:
    """Return True if the From of an anonymous caller is to be anonymous, too (RFC 3323 5.3).

    That is so for ``user``, and where no level is stated; ``id`` is for asserted identities.
    """
    values = privacy_values(request)
    if not _HIDING_FROM.isdisjoint(values):
        return True
    return is_without_level(values) and requires_privacy(request)


def make_from_anonymous(request: Message, tag: bytes) -> bytes:
    """Return the From field of a request with an anonymous address, and with its tag."""
    field = request.fields[request.shape.from_]
    if ANONYMOUS_PARTY.search(field.lower()):
        return field
    anonymous = field.partition(b":")[0] + b': "Anonymous" <sip:anonymous@anonymous.invalid>'
    return anonymous + b";tag=" + tag if tag else anonymous


def without_privacy_tag(message: M) -> M:
    """Return the message without the tag of privacy in Proxy-Require (RFC 3323 5).

    The element that performs the privacy removes it; a row with no other tag goes as a whole.
    """
    names: list[bytes] = []
    fields: list[bytes] = []
    for name, field in zip(message.names, message.fields, strict=True):
        kept = _without_tag(field) if name == b"proxy-require" else field
        if kept:
            names.append(name)
            fields.append(kept)
    return message.edited(tuple(names), fields)


def _without_tag(row: bytes) -> bytes:
    """Return a row of option tags without that of privacy; empty if no other is left."""
    spelled, colon, value = row.partition(b":")
    tags = [tag.strip() for tag in value.split(b",")]
    if PRIVACY_TAG not in (tag.lower() for tag in tags):
        return row
    others = [tag for tag in tags if tag and tag.lower() != PRIVACY_TAG]
    return spelled + colon + b" " + b", ".join(others) if others else b""


def strip_identity(message: M) -> M:
    """Return the message without the header fields that identify its sender.

    Where From is to be hidden, it loses those of its user agent as well (RFC 3323 5.3).
    """
    first = message.shape.first
    asks = b"privacy" in first or b"proxy-require" in first
    return _without(message, _OF_USER if asks and hides_from(message) else IDENTITY_FIELDS)


def strip_user_fields(message: M) -> M:
    """Return the message without the header fields of its user agent."""
    return _without(message, USER_FIELDS)


def _without(message: M, names: frozenset[bytes]) -> M:
    if names.isdisjoint(message.shape.first):
        return message
    kept = [
        (name, field)
        for name, field in zip(message.names, message.fields, strict=True)
        if name not in names
    ]
    return message.edited(tuple([name for name, _ in kept]), [field for _, field in kept])
