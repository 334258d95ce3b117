"""The columns of a ladder, and a line between two of them."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Column(IntEnum):
    """The parties, from left to right."""

    CALLER = 0
    PROXY = 1
    API = 2
    AGENT = 3


class Step(NamedTuple):
    """One line of a ladder: an arrow, or a remark if both ends are the same column.

    ``text`` is visible ASCII, whoever wrote it; ``style`` is a colour as ``rich`` names it.
    """

    source: Column
    target: Column
    text: str
    style: str = ""


def remark(text: str, style: str) -> Step:
    """Make a remark beside the proxy's column."""
    return Step(Column.PROXY, Column.PROXY, printable(text), style)


def printable(text: str) -> str:
    """Return a text in which everything but visible ASCII is an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text
    )
