"""The generic message, base of requests and responses (RFC 3261 7).

A message is a start line, header fields and a body.  ``names`` and ``fields`` are parallel lists:
the canonical name of each header field, and the field as received, folds included, without its
final line break.  A message is immutable: an edited copy shares all that did not change.
"""

from __future__ import annotations

import re
from typing import Self

from sip_stager.sip.fields import MAX_VALUES, Malformed, first_list_value, split_list, unfold
from sip_stager.sip.uri import Address, parse_address
from sip_stager.sip.via import Via, branch_of, parse_via

_CSEQ = re.compile(rb"([0-9]{1,10})[ \t]+([A-Za-z0-9.!%*_+`'~-]+)\Z")
_TAG = re.compile(rb";\s*tag\s*=\s*([^\s;,]+)", re.IGNORECASE)

MAX_CALL_ID_TEXT = 256
"""Limit on the length of a Call-ID in events."""


class Message:
    """A request or a response."""

    __slots__ = ("_cseq", "_tags", "_via", "body", "fields", "names", "start_line")

    def __init__(
        self, start_line: bytes, names: list[bytes], fields: list[bytes], body: bytes = b""
    ) -> None:
        self.start_line = start_line
        self.names = names
        self.fields = fields
        self.body = body
        self._via: Via | None = None
        self._cseq: tuple[int, bytes] | None = None
        self._tags: dict[bytes, bytes] = {}

    def __bytes__(self) -> bytes:
        return b"\r\n".join([self.start_line, *self.fields, b"", self.body])

    def value(self, name: bytes) -> bytes | None:
        """Return the value of the first field of that name, unfolded, or None."""
        try:
            field = self.fields[self.names.index(name)]
        except ValueError:
            return None
        value = field.partition(b":")[2]
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
        if name not in self.names:
            return []
        return [
            field for known, field in zip(self.names, self.fields, strict=True) if known == name
        ]

    @property
    def call_id(self) -> bytes:
        """The Call-ID, or empty."""
        return self.value(b"call-id") or b""

    @property
    def call_id_text(self) -> str:
        """The Call-ID for events: in ASCII, cut to the limit."""
        return self.call_id[:MAX_CALL_ID_TEXT].decode("ascii", "backslashreplace")

    @property
    def cseq(self) -> tuple[int, bytes]:
        """The CSeq's number and method; raises ``Malformed`` (RFC 3261 8.1.1.5: below 2**31)."""
        if self._cseq is None:
            match = _CSEQ.match(self.value(b"cseq") or b"")
            if match is None or int(match[1]) >= 2**31:
                raise Malformed("CSeq is not a number below 2**31 and a method")
            self._cseq = int(match[1]), match[2]
        return self._cseq

    @property
    def cseq_method(self) -> bytes:
        """The method in the CSeq: that of the transaction."""
        return self.cseq[1]

    @property
    def from_(self) -> Address:
        """The From; raises ``Malformed``."""
        return parse_address(self.value(b"from") or b"")

    @property
    def to(self) -> Address:
        """The To; raises ``Malformed``."""
        return parse_address(self.value(b"to") or b"")

    @property
    def to_tag(self) -> bytes:
        """The tag of the To, or empty; raises ``Malformed``."""
        return self._tag(b"to")

    @property
    def from_tag(self) -> bytes:
        """The tag of the From, or empty; raises ``Malformed``."""
        return self._tag(b"from")

    def _tag(self, name: bytes) -> bytes:
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = self._read_tag(name)
        return tag

    def _read_tag(self, name: bytes) -> bytes:
        if name not in self.names:
            return b""
        field = self.fields[self.names.index(name)]
        # Each message of a dialog is asked for both tags, so they are searched behind the URI
        # without parsing the address.  A quote behind it may hide a ";tag=": then it is parsed.
        end_of_uri = field.rfind(b">") + 1
        if field.find(b'"', end_of_uri) >= 0:
            return parse_address(self.value(name) or b"").tag
        match = _TAG.search(field, end_of_uri)
        return match[1] if match else b""

    @property
    def branch(self) -> bytes:
        """The branch of the topmost Via; raises ``Malformed``."""
        return branch_of(self.first(b"via") or b"")

    @property
    def top_via(self) -> Via:
        """The topmost Via value; raises ``Malformed``."""
        if self._via is None:
            self._via = parse_via(self.first(b"via") or b"")
        return self._via

    def edited(self, names: list[bytes], fields: list[bytes], *, same_via: bool = True) -> Self:
        """Return a copy with other header fields; From, To and CSeq must be the same.

        Their parsed values are shared, and that of the top Via with ``same_via``.
        """
        copy = type(self).__new__(type(self))
        copy.start_line, copy.names, copy.fields = self.start_line, names, fields
        copy.body = self.body
        copy._cseq, copy._tags = self._cseq, self._tags  # noqa: SLF001  of its own class
        copy._via = self._via if same_via else None  # noqa: SLF001  of its own class
        return copy

    def without(self, name: bytes) -> Self:
        """Return the message without the fields of that name."""
        if name not in self.names:
            return self
        kept = [(n, f) for n, f in zip(self.names, self.fields, strict=True) if n != name]
        return self.edited([n for n, _ in kept], [f for _, f in kept])

    def with_first(self, name: bytes, field: bytes) -> Self:
        """Return the message with a field ahead of all others."""
        same_via = name != b"via"
        return self.edited([name, *self.names], [field, *self.fields], same_via=same_via)

    def with_last(self, name: bytes, field: bytes) -> Self:
        """Return the message with a field after all others."""
        return self.edited([*self.names, name], [*self.fields, field])

    def with_field(self, index: int, field: bytes) -> Self:
        """Return the message with the field at ``index`` replaced."""
        fields = self.fields.copy()
        fields[index] = field
        return self.edited(self.names, fields)

    def without_first(self, name: bytes) -> Self:
        """Return the message without the first value of a comma-separated field.

        Other values in its row stay as received.  Raises ``ValueError`` without such a field.
        """
        index = self.names.index(name)
        spelled, _, rest = self.split_first_value(index)
        names, fields = self.names.copy(), self.fields.copy()
        if others := rest[1:].lstrip(b" \t\r\n"):
            fields[index] = spelled + b" " + others
        else:
            del names[index], fields[index]
        return self.edited(names, fields, same_via=name != b"via")

    def split_first_value(self, index: int) -> tuple[bytes, bytes, bytes]:
        """Split the field at ``index`` after its colon and after its first value."""
        field = self.fields[index]
        start = field.index(b":") + 1
        end = start + len(first_list_value(field[start:])) if b"," in field else len(field)
        return field[:start], field[start:end], field[end:]
