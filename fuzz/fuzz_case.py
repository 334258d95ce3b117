"""An input of the fuzzer: a target and pieces of bytes; any bytes are one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGETS = {
    b"m": "message",
    b"c": "conversation",
    b"s": "stream",
    b"t": "trunks",
    b"j": "answer",
    b"h": "http",
}
"""What the first byte of a case says."""
_BETWEEN = b"\n--8<--\n"


class Case(NamedTuple):
    """What ``target`` does with each of the pieces, one after another."""

    target: str
    pieces: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        letter = next(letter for letter, name in TARGETS.items() if name == self.target)
        return letter + _BETWEEN.join(self.pieces)


def read(data: bytes) -> Case:
    """Read what ``bytes(case)`` wrote, or anything else."""
    target = TARGETS.get(data[:1], "conversation")
    return Case(target, tuple(data[1:].split(_BETWEEN)))


def made(target: str, pieces: Iterable[bytes]) -> Case:
    """Make a case, such as reading it again would give."""
    return read(bytes(Case(target, tuple(pieces))))
