"""Random changes of messages and of sequences of messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fuzz.fuzz_case import Case, make_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

MAX_SIZE = 65535
"""Bytes of a datagram."""
_MAX_PIECES = 40
_NUMBER = re.compile(rb"[0-9]+")
_PART = re.compile(rb"[^\s;,<>=\"@:]+")
_TOKENS = (
    *(b"\r\n", b"\r", b"\n", b" ", b"\t", b"\r\n ", b"\0", b"\x0b", b"\x85", b"\xff", b",", b";"),
    *(b":", b'"', b"<", b">", b"=", b"@", b"?", b"[", b"]", b"%", b"\\", b"/", b"\r\n\r\n", b"%00"),
    *(b";tag=", b";rport", b";received=", b";maddr=", b";lr", b";branch=", b"SIP/2.0", b"sip:"),
    *(b"\r\nVia: ", b"\r\nl: 5", b"tel:+", b"[::1]", b"z9hG4bK", b"LIVE-BRANCH", b"LIVE-TAG"),
    *(b"\r\nRoute: LIVE-ROUTE", b"\r\nX-Rounded-Call-Id: evil", b"\r\nMax-Forwards: 0", b"{", b"["),
    *(b"\r\nProxy-Require: x", b"\r\nTransfer-Encoding: chunked", b"CANCEL", b"ACK", b"INVITE"),
)
_EXTREMES = (b"0", b"1", b"-1", b"00", b"255", b"256", b"65535", b"65536", b"2147483647",
             b"2147483648", b"4294967296", b"9" * 20, b"9" * 5000)  # fmt: skip


def mutate_case(chance: Random, case: Case, pool: Sequence[Case]) -> Case:
    """Return a case with one to six changes; parts of other cases come from ``pool``."""
    pieces = list(case.pieces)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        other = chance.choice(pool).pieces
        if chance.random() < 0.25:
            _resequence(chance, pieces, other)
        else:
            at = chance.randrange(len(pieces))
            change = chance.choice(_CHANGES)
            pieces[at] = change(chance, pieces[at], chance.choice(other))[:MAX_SIZE]
    return make_case(case.target, pieces[:_MAX_PIECES])


def _resequence(chance: Random, pieces: list[bytes], other: Sequence[bytes]) -> None:
    at = chance.randrange(len(pieces))
    way = chance.randrange(5)
    if way == 0:
        pieces.insert(at, chance.choice(other))
    elif way == 1:
        pieces.insert(chance.randrange(len(pieces) + 1), pieces[at])
    elif way == 2 and len(pieces) > 1:
        del pieces[at]
    elif way == 3:
        pieces[at] = chance.choice((b"a", b"A", b"b", b"s", b"t", b"y")) + pieces[at][1:]
    else:
        to = chance.randrange(len(pieces))
        pieces[at], pieces[to] = pieces[to], pieces[at]


def _span(chance: Random, data: bytes) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((0, 1, 1, 2, 4, 16, 100)))


def _flip(chance: Random, data: bytes, _other: bytes) -> bytes:
    if not data:
        return data
    flipped = bytearray(data)
    flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _replace(chance: Random, data: bytes, _other: bytes) -> bytes:
    start, end = _span(chance, data)
    put = chance.choice(_TOKENS) if chance.random() < 0.7 else chance.randbytes(chance.randrange(5))
    return data[:start] + put + data[end:]


def _repeat(chance: Random, data: bytes, _other: bytes) -> bytes:
    start, end = _span(chance, data)
    many = chance.choice((1, 2, 3, 20, 300))
    return data[:start] + data[start:end] * many + data[start:]


def _run_on(chance: Random, data: bytes, _other: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.choice(_TOKENS) * (1 << chance.randrange(3, 14)) + data[start:]


def _cut(chance: Random, data: bytes, _other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _count(chance: Random, data: bytes, _other: bytes) -> bytes:
    return _swap_match(chance, _NUMBER, data, chance.choice(_EXTREMES))


def _splice_part(chance: Random, data: bytes, other: bytes) -> bytes:
    parts = _PART.findall(other)
    return _swap_match(chance, _PART, data, chance.choice(parts)) if parts else data


def _swap_match(chance: Random, pattern: re.Pattern[bytes], data: bytes, put: bytes) -> bytes:
    found = list(pattern.finditer(data))
    if not found:
        return data
    start, end = chance.choice(found).span()
    return data[:start] + put + data[end:]


def _lines(chance: Random, data: bytes, other: bytes) -> bytes:
    """Swap, repeat, drop or borrow a line."""
    lines = data.split(b"\r\n")
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    way = chance.randrange(4)
    if way == 0:
        lines[at], lines[to] = lines[to], lines[at]
    elif way == 1:
        lines.insert(to, lines[at])
    elif way == 2:
        del lines[at]
    else:
        lines.insert(to, chance.choice(other.split(b"\r\n")))
    return b"\r\n".join(lines)


_CHANGES = (_flip, _replace, _replace, _repeat, _run_on, _cut, _count, _splice_part, _lines, _lines)
