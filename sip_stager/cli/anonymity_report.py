"""The header fields of an anonymous caller's INVITE that are stripped, and those that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import IDENTITY_FIELDS, Malformed
from sip_stager.sip.parties import parse_party, party_values
from sip_stager.sip.privacy import USER_FIELDS
from sip_stager.trunks.caller_number import DIALOG_IDENTITY_FIELDS
from sip_stager.trunks.number_fields import number_of_uri
from sip_stager.trunks.phone_numbers import is_e164, to_e164

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.sip.message import Request


def describe_privacy(invite: Request, copy: Request, country: str | None) -> Iterator[str]:
    """Yield the fields that the outgoing INVITE has lost, and those that still hold a number."""
    if taken := _spelled(invite, (IDENTITY_FIELDS | USER_FIELDS).difference(copy.names)):
        yield f"stripped from the INVITE: {taken}"
    if left := _spelled(copy, IDENTITY_FIELDS):
        yield f"left in the INVITE: {left}"
    if copy.rows(b"from") != invite.rows(b"from"):
        yield "From is anonymous in the INVITE, and in the rest of the dialog"
    for name in sorted(DIALOG_IDENTITY_FIELDS, reverse=True):
        if _holds_number(copy, name, country):
            yield (
                f"{name.decode().capitalize()} is forwarded unchanged, with the number: "
                "only the carrier can remove it there"
            )


def _spelled(request: Request, names: frozenset[bytes]) -> str:
    fields = [
        field.partition(b":")[0].decode().strip()
        for name, field in zip(request.names, request.fields, strict=True)
        if name in names
    ]
    return ", ".join(dict.fromkeys(fields))


def _holds_number(request: Request, name: bytes, country: str | None) -> bool:
    try:
        text, context = number_of_uri(parse_party(next(party_values(request.rows(name)), b"")).uri)
    except Malformed:
        return False
    return is_e164(to_e164(text, country, context))
