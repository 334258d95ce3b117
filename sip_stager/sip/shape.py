"""The shape of a header: the names of its fields, in order.

A peer writes the same names in the same order in all its messages of a kind.  So all that follows
from the names alone is computed once and kept by them: where each field is, and which are there
more than once::

    names as spelled:   Via:  Max-Forwards:  f:    t:   Call-ID:  ...
                         |
                         v          (one look-up)
    Shape               via   max-forwards  from   to   call-id   ...   and the index of each

Strangers choose the names as well, so the tables are bounded by number and bytes.  A shape that is
not known costs one pass over its names, whether it is kept or not.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import IDENTITY_FIELDS, OURS, canonical_names

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KEPT = 512
"""Shapes in one generation of a table; two generations are kept."""
MAX_KEPT_BYTES = 2048
"""Bytes of names; a longer shape is not kept."""
_ONCE = (b"from", b"to", b"call-id", b"cseq")
_ONCE_SET = frozenset(_ONCE)
COPIED = (b"via", b"from", b"to", b"call-id", b"cseq")
"""The fields that a response copies, in its order."""
_COPIED_SET = frozenset(COPIED)
_COPIED_OF = itemgetter(*COPIED)
_OF_PLAIN_REQUESTS = frozenset({*COPIED, b"route", b"content-length", b"max-forwards"})
_ACTED_ON = frozenset(
    {OURS, b"proxy-require", b"proxy-authorization", b"max-breadth", *IDENTITY_FIELDS}
)
_OPTIONAL_ONCE = (b"max-forwards", b"content-length")


class Shape:
    """The canonical names of a header's fields, and what follows from them.

    ``first`` is the index of the first field of each name, also as an attribute for those that a
    proxy reads, -1 if it is absent.  ``next_via`` is the index of the second Via.

    ``distinct``: no name is there twice.  ``copied`` picks the fields that a response copies, if a
    request has each of them once (RFC 3261 8.2.6.2).  ``counts_fault`` says in words which field of
    a request is there too often or is missing (8.1.1); empty if none is.  ``plain_in_dialog``: a
    proxy that is the only entry of a request's Route acts on no field but those that every request
    has.
    """

    __slots__ = (
        "call_id", "content_length", "copied", "counts_fault", "cseq", "distinct", "first",
        "from_", "max_forwards", "names", "next_via", "plain_in_dialog", "record_route", "route",
        "to", "via",
    )  # fmt: skip

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.names = names
        # Built backwards, so that the first of equal names wins.
        indexes = range(len(names) - 1, -1, -1)
        self.first: dict[bytes, int] = dict(zip(names[::-1], indexes, strict=True))
        index = self.first.get
        self.via = index(b"via", -1)
        self.from_ = index(b"from", -1)
        self.to = index(b"to", -1)
        self.call_id = index(b"call-id", -1)
        self.cseq = index(b"cseq", -1)
        self.max_forwards = index(b"max-forwards", -1)
        self.content_length = index(b"content-length", -1)
        self.route = index(b"route", -1)
        self.record_route = index(b"record-route", -1)
        self.next_via = names.index(b"via", self.via + 1) if names.count(b"via") > 1 else -1
        self.distinct = len(self.first) == len(names)
        usual = self.distinct and self.first.keys() >= _COPIED_SET
        self.copied = itemgetter(*_COPIED_OF(self.first)) if usual else None
        self.plain_in_dialog = (
            self.distinct
            and self.first.keys() >= _OF_PLAIN_REQUESTS
            and _ACTED_ON.isdisjoint(self.first)
        )
        self.counts_fault = (
            "" if self.distinct and self.first.keys() >= _ONCE_SET else _counts_fault(names)
        )


def _counts_fault(names: tuple[bytes, ...]) -> str:
    """Return which field that must occur once does not, in words."""
    for name in _ONCE:
        if names.count(name) != 1:
            return f"{name.decode()} must occur exactly once"
    for name in _OPTIONAL_ONCE:
        if names.count(name) > 1:
            return f"{name.decode()} occurs more than once"
    return ""


class Shapes:
    """A table of shapes by the names as they are written; ``name`` makes all of them canonical.

    It has two generations.  When the young one is full it becomes the old one, from which a shape
    that is used again comes back.  So what strangers send displaces a shape in use only for a
    moment.  ``get`` is the look-up in the young generation, for the path of every message.
    """

    def __init__(self, name: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> None:
        self._name = name
        self._young: dict[tuple[bytes, ...], Shape] = {}
        self._old: dict[tuple[bytes, ...], Shape] = {}
        self.get = self._young.get

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def of(self, written: tuple[bytes, ...]) -> Shape:
        """Return the shape of these names, and keep it unless the names are too long."""
        shape = self.get(written) or self._old.get(written) or self.make(written)
        if sum(map(len, written)) <= MAX_KEPT_BYTES:
            if len(self._young) >= MAX_KEPT:
                self._old = self._young.copy()
                self._young.clear()
            self._young[written] = shape
        return shape

    def make(self, written: tuple[bytes, ...]) -> Shape:
        """Return the shape of these names without keeping it."""
        return Shape(self._name(written))


SPELLED = Shapes(canonical_names)
"""Shapes by the names as spelled, each with its colon."""
CANONICAL = Shapes(tuple)
"""Shapes by canonical names."""
