"""The generic message, base of requests and responses (RFC 3261 7).

A message is a start line, header fields and a body.  ``fields`` are the header fields as received,
folds included, each without its final line break; the ``shape`` knows their names.  A message is
immutable: an edited copy shares all that did not change.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from sip_stager.sip.field_grammar import MAX_VALUES, Malformed, first_list_value, split_list, unfold
from sip_stager.sip.parties import parse_party
from sip_stager.sip.via import Via, branch_of, parse_via

if TYPE_CHECKING:
    from sip_stager.sip.shape import Shape
    from sip_stager.sip.uri import Address

_CSEQ = re.compile(rb"([0-9]{1,10})[ \t]+([A-Za-z0-9.!%*_+`'~-]+)\Z")
_TAG = re.compile(rb";\s*tag\s*=\s*([^\s;,]+)", re.IGNORECASE)
MAX_CSEQ = 2**31
"""The exclusive limit of a CSeq number (RFC 3261 8.1.1.5)."""


class Message:
    """A request or a response; ``length`` is its Content-Length.

    Without a Content-Length ``length`` is that of the body, and -1 if it is not a number.
    """

    __slots__ = ("body", "fields", "length", "shape", "start_line")

    start_line: bytes
    shape: Shape
    fields: list[bytes]
    body: bytes
    length: int

    def __bytes__(self) -> bytes:
        return b"\r\n".join((self.start_line, *self.fields, b"", self.body))

    @property
    def names(self) -> tuple[bytes, ...]:
        """The canonical names of the fields, in order."""
        return self.shape.names

    def value(self, name: bytes) -> bytes | None:
        """Return the value of the first field of that name, unfolded, or None."""
        index = self.shape.first.get(name)
        if index is None:
            return None
        value = self.fields[index].partition(b":")[2]
        return unfold(value) if b"\r\n" in value else value.strip(b" \t")

    def first(self, name: bytes) -> bytes | None:
        """Return the first value of a comma-separated field, or None."""
        value = self.value(name)
        return value if value is None or b"," not in value else first_list_value(value)

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a comma-separated field, in order.

        Raises ``Malformed``, also for more values than the limit.
        """
        rows = self.rows(name)
        if sum(row.count(b",") for row in rows) > MAX_VALUES:
            raise Malformed("too many values in a header field")
        return [
            value.strip(b" \t")
            for row in rows
            for value in split_list(unfold(row.partition(b":")[2]))
        ]

    def rows(self, name: bytes) -> list[bytes]:
        """Return all header field rows of that name, as received."""
        shape = self.shape
        if name not in shape.first:
            return []
        if shape.distinct:
            return [self.fields[shape.first[name]]]
        return [
            field for known, field in zip(shape.names, self.fields, strict=True) if known == name
        ]

    @property
    def from_(self) -> Address:
        """The From; raises ``Malformed``."""
        return parse_party(self.value(b"from") or b"")

    @property
    def to(self) -> Address:
        """The To; raises ``Malformed``."""
        return parse_party(self.value(b"to") or b"")

    @property
    def branch(self) -> bytes:
        """The branch of the topmost Via; raises ``Malformed``."""
        index = self.shape.via
        field = self.fields[index] if index >= 0 else b""
        return branch_of(field if b"," not in field else self.first(b"via") or b"")

    def _parse_via(self) -> Via:
        """Parse the topmost Via value; raises ``Malformed``."""
        return parse_via(self.first(b"via") or b"")

    def _parse_cseq(self) -> tuple[int, bytes]:
        """Parse the CSeq; raises ``Malformed`` (RFC 3261 8.1.1.5: below 2**31)."""
        match = _CSEQ.match(self.value(b"cseq") or b"")
        if match is None or int(match[1]) >= MAX_CSEQ:
            raise Malformed("CSeq is not a number below 2**31 and a method")
        return int(match[1]), match[2]

    def _read_tag(self, index: int) -> bytes:
        """Return the tag of the From or To at ``index``, or empty."""
        if index < 0:
            return b""
        field = self.fields[index]
        end_of_uri = field.rfind(b">") + 1
        if field.find(b'"', end_of_uri) >= 0:  # the last bracket may be in a quoted parameter
            with suppress(Malformed):
                return parse_party(unfold(field.partition(b":")[2])).tag
        match = _TAG.search(field, end_of_uri)
        return match[1] if match else b""

    def edited(self, names: tuple[bytes, ...], fields: list[bytes]) -> Self:
        """Return a copy with other header fields."""
        raise NotImplementedError

    def without(self, name: bytes) -> Self:
        """Return the message without the fields of that name."""
        if name not in self.shape.first:
            return self
        kept = [(n, f) for n, f in zip(self.names, self.fields, strict=True) if n != name]
        return self.edited(tuple([n for n, _ in kept]), [f for _, f in kept])

    def with_first(self, name: bytes, field: bytes) -> Self:
        """Return the message with a field ahead of all others."""
        return self.edited((name, *self.names), [field, *self.fields])

    def with_last(self, name: bytes, field: bytes) -> Self:
        """Return the message with a field after all others."""
        return self.edited((*self.names, name), [*self.fields, field])

    def with_field(self, index: int, field: bytes) -> Self:
        """Return the message with the field at ``index`` replaced."""
        fields = self.fields.copy()
        fields[index] = field
        return self.edited(self.names, fields)

    def without_first(self, name: bytes) -> Self:
        """Return the message without the first value of a comma-separated field.

        Other values in its row stay as received.  Raises ``KeyError`` without such a field.
        """
        index, names, fields = self.shape.first[name], self.names, self.fields.copy()
        field = fields[index]
        if b"," in field:
            spelled, _, rest = self.split_first_value(index)
            others = rest[1:].lstrip(b" \t\r\n")
        else:
            others = b""
        if others:
            fields[index] = spelled + b" " + others
        else:
            del fields[index]
            names = names[:index] + names[index + 1 :]
        return self.edited(names, fields)

    def split_first_value(self, index: int) -> tuple[bytes, bytes, bytes]:
        """Split the field at ``index`` after its colon and after its first value."""
        field = self.fields[index]
        start = field.index(b":") + 1
        end = start + len(first_list_value(field[start:])) if b"," in field else len(field)
        return field[:start], field[start:end], field[end:]
