"""The line of a TOML file on which a key stands.

``tomllib`` keeps no line numbers, but it can be asked: a statement is the shortest run of lines
that parses by itself, so its first line is the line of every key in it.

lines   1 [trunk]          statement 1   opens the table ("trunk",)
        2 networks = [     statement 2   does not parse until line 4:
        3   "192.0.2.1",                 ("trunk", "networks") is on line 2
        4 ]
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.errors import Location

_MAY_BEGIN = re.compile(r"\s*(?:$|#|\[|[A-Za-z0-9_.\"' \t-]+=)")


class KeyLines:
    """The line of each key of a TOML text, counted from 1."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Location, int] = {(): 1}
        self._lengths: dict[Location, int] = {}
        table: Location = ()
        for line, statement in _statements(text.replace("\r\n", "\n").split("\n")):
            document = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                table = self._open(document, line)
            else:
                self._note(table, document, line)

    def of(self, location: Location) -> int:
        """Return the line of a key; that of the table around it if the key is missing."""
        while location not in self._lines:
            location = location[:-1]
        return self._lines[location]

    def _open(self, header: dict[str, Any], line: int) -> Location:
        """Follow a table header down; in an array of tables the last table is meant."""
        table: Location = ()
        inner: Any = header
        while inner:
            key, inner = next(iter(inner.items()))
            table = (*table, key)
            self._lines.setdefault(table, line)
            if isinstance(inner, list):
                inner = inner[0]
                self._lengths[table] = self._lengths.get(table, 0) + 1
            if table in self._lengths:
                table = (*table, self._lengths[table] - 1)
        self._lines.setdefault(table, line)
        return table

    def _note(self, above: Location, value: object, line: int) -> None:
        self._lines.setdefault(above, line)
        if isinstance(value, dict):
            for key, inner in value.items():
                self._note((*above, key), inner, line)


def _statements(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Split a text that parses as a whole into its statements, each with its first line."""
    begin = 0
    for end in range(1, len(lines) + 1):
        if not lines[begin].strip() or lines[begin].lstrip().startswith("#"):
            begin = end
        elif end == len(lines) or _MAY_BEGIN.match(lines[end]):
            statement = "\n".join(lines[begin:end])
            if _parses(statement):
                yield begin + 1, statement
                begin = end


def _parses(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True
