"""The removal of what identifies a party (RFC 3323, RFC 3325)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sip_stager.sip.field_grammar import IDENTITY_FIELDS

if TYPE_CHECKING:
    from sip_stager.sip.generic_message import Message

M = TypeVar("M", bound="Message")


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
