"""Reading the files that settings come from; whatever is wrong with one is a mistake."""

from __future__ import annotations

import csv
import os
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sip_stager.config.mistakes import Mistake, SettingsError

if TYPE_CHECKING:
    from _csv import Reader as _Reader
    from pathlib import Path

_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_HEADER = ["number", "agent"]


def read_text(path: Path) -> str:
    """Return a file's text; raises SettingsError when there is none to be had."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError([_unreadable(path, error)]) from None
    except ValueError:
        raise SettingsError([Mistake(path, 0, "", "no file can be called this", "")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"is not UTF-8 (byte 0x{data[error.start]:02x})"
        raise SettingsError([Mistake(path, line, "", wrong, "save the file as UTF-8")]) from None


def _unreadable(path: Path, error: OSError) -> Mistake:
    right = "name a file that exists and that this user may read"
    if isinstance(error, IsADirectoryError):
        right = "name the file in it"
    return Mistake(path, 0, "", f"cannot be read: {os.strerror(error.errno or 0)}", right)


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file and what it says; raises SettingsError."""
    text = read_text(path)
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _AT_LINE.search(str(error))
        line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
        wrong = "is not TOML: " + _AT_LINE.sub("", str(error))
    except (RecursionError, ValueError) as error:
        line, wrong = 0, f"is not TOML that can be read: {error}"
    raise SettingsError([Mistake(path, line, "", wrong, "see https://toml.io for how to write it")])


@dataclass
class Rows:
    """The rows of a CSV of numbers, the line of each, and what is wrong with the others."""

    path: Path
    numbers: list[dict[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def blame(self, line: int, wrong: str, right: str) -> None:
        """Note a mistake that has no column."""
        self.mistakes.append(Mistake(self.path, line, "", wrong, right))


def read_numbers(path: Path) -> Rows:
    """Read a CSV of numbers; blank lines and lines that begin with # are passed over."""
    rows = Rows(path)
    try:
        lines = read_text(path).splitlines(keepends=True)
        _read_rows(csv.reader(lines, skipinitialspace=True, strict=True), rows)
    except SettingsError as error:
        rows.mistakes += error.mistakes
    return rows


def _read_rows(reader: _Reader, rows: Rows) -> None:
    header: list[str] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if header is None:
                header = [cell.lower() for cell in cells]
                if header != _HEADER:
                    break
            elif len(cells) != len(_HEADER):
                right = "write two: the number, a comma, the agent's id"
                rows.blame(reader.line_num, f"the row has {len(cells)} columns", right)
            else:
                rows.numbers.append(dict(zip(_HEADER, cells, strict=True)))
                rows.lines.append(reader.line_num)
    except csv.Error as error:
        right = "close each quote, and double the quotes inside quotes"
        rows.blame(reader.line_num, f"is not CSV: {error}", right)
    if header != _HEADER and not rows.mistakes:
        found = f"the first row is {','.join(header)!r}" if header else "there are no rows"
        rows.blame(max(reader.line_num, 1), found, 'begin with the header "number,agent"')
