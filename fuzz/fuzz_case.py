"""An input of the fuzzer: a target and pieces of bytes.  Any bytes can be parsed as a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGETS = {
    b"m": "message",
    b"c": "conversation",
    b"s": "stream",
    b"t": "trunks",
    b"j": "api_reply",
    b"h": "http_connection",
}
"""The target of a case by its first byte."""
_SEPARATOR = b"\n--8<--\n"


class Case(NamedTuple):
    """A target and the pieces that it processes one after another."""

    target: str
    pieces: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        letter = next(letter for letter, name in TARGETS.items() if name == self.target)
        return letter + _SEPARATOR.join(self.pieces)


def parse_case(data: bytes) -> Case:
    """Return the case of ``bytes(case)``, or of any other bytes."""
    target = TARGETS.get(data[:1], "conversation")
    return Case(target, tuple(data[1:].split(_SEPARATOR)))


def make_case(target: str, pieces: Iterable[bytes]) -> Case:
    """Return a case; pieces that contain the separator are split, as in a file."""
    return parse_case(bytes(Case(target, tuple(pieces))))
