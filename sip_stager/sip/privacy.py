"""The header fields that identify a party, beside From and Contact (RFC 3323, RFC 3325)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sip_stager.sip.generic_message import Message

M = TypeVar("M", bound="Message")

IDENTITY_FIELDS = frozenset(
    b"call-info history-info identity identity-info in-reply-to organization p-asserted-identity "
    b"p-associated-uri p-charge-info p-preferred-identity p-served-user referred-by "
    b"remote-party-id reply-to".split()
)
"""Those of RFC 3323 4.1 and RFC 3325, and those that carriers use instead.

STIR's Identity holds the number, too (RFC 8225 5.2.1).
"""


def strip_identity(message: M) -> M:
    """Return the message without the header fields that identify its sender."""
    if IDENTITY_FIELDS.isdisjoint(message.names):
        return message
    kept = [
        (name, field)
        for name, field in zip(message.names, message.fields, strict=True)
        if name not in IDENTITY_FIELDS
    ]
    return message.edited(tuple([name for name, _ in kept]), [field for _, field in kept])
