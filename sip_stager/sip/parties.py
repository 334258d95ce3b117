"""The addresses of parties: From, To, Contact, P-Asserted-Identity and the like.

Carriers take display names from databases, and write them without quotes, cut them in the middle,
or quote them twice.  No call depends on a name, so such a field is read from its angle brackets
wherever the grammar (RFC 3261 20.10) fails::

    DOE, JANE <sip:+33612345678@c.example>;tag=1
    "DOE JA <sip:+33612345678@c.example>;tag=1        cut, with the closing quote
            `--- the last angle brackets ---'

Fields that route a request (Via, Route) are read by the grammar alone: what they say must mean the
same to every element on the path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import Malformed, parse_parameters, split_list, unfold
from sip_stager.sip.uri import Address, parse_address, parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The first part is greedy: of several pairs of brackets it leaves the last that ends a value.
_LAST_BRACKETS = re.compile(rb".*<([^<>]*+)>\s*+(;.*)?\Z", re.DOTALL)


def parse_party(value: bytes) -> Address:
    """Parse one address whatever its display name; raises ``Malformed``."""
    try:
        return parse_address(value)
    except Malformed:
        match = _LAST_BRACKETS.match(value)
        if match is None:
            raise
    uri, parameters = match.groups()
    return Address(parse_uri(uri.strip(b" \t")), parse_parameters(parameters) if parameters else {})


def party_values(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the values in the rows of a comma-separated field, each with all of its name."""
    for row in rows:
        yield from split_parties(unfold(row.partition(b":")[2]))


def split_parties(row: bytes) -> Iterator[bytes]:
    """Yield the values of one row; a comma in a name does not end a value."""
    if b"," not in row:
        yield row
        return
    try:
        parts = split_list(row)
    except Malformed:
        # A quote was cut off, so any comma may be one of a name: the row is one value.
        yield row
        return
    value: list[bytes] = []
    for part in parts:
        value.append(part)
        if _is_address(part):
            yield b",".join(value).strip(b" \t")
            value = []
    if value:
        yield b",".join(value).strip(b" \t")


def _is_address(part: bytes) -> bool:
    try:
        parse_party(part.strip(b" \t"))
    except Malformed:
        return False
    return True
