"""A CSV of numbers: one row per number, with columns for the settings of that number."""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sip_stager.config.errors import Location, Mistake, SettingsError
from sip_stager.config.loading.file_reading import read_text
from sip_stager.config.loading.renamed_keys import new_name
from sip_stager.config.loading.validation_errors import explain_errors
from sip_stager.config.suggestions import did_you_mean
from sip_stager.config.tables.numbers import MappedNumber, Number
from sip_stager.config.tables.policy import CallPolicy
from sip_stager.trunks.phone_numbers import is_unambiguous

if TYPE_CHECKING:
    from _csv import Reader as _Reader

_REQUIRED = ("number", "agent")
_POLICY_KEYS = tuple(CallPolicy.model_fields)
COLUMNS = (*_REQUIRED, "e164", "version", *_POLICY_KEYS)
"""All columns; the first two are required."""
_INTEGERS = {"version", "refusal"}
_OTHER_SEPARATORS = re.compile(r"[;\t|]")
"""Other separators that spreadsheets write between columns."""
_SECONDS = {"ringing_delay", "deadline", "margin"}


@dataclass
class CsvNumbers:
    """The valid rows of a CSV of numbers, the line of each, and the mistakes in the other rows.

    ``valid`` is False if the cells of a row are to blame, not only the form of the file.
    """

    path: Path
    rows: list[MappedNumber] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("I"))
    mistakes: list[Mistake] = field(default_factory=list)
    valid: bool = True

    def add_mistake(self, line: int, wrong: str, right: str) -> None:
        """Add a mistake that belongs to no column."""
        self.mistakes.append(Mistake(self.path, line, "", wrong, right))

    def add_errors(self, line: int, error: ValidationError) -> None:
        """Add the mistakes in the cells of a row."""
        self.valid = False
        for finding in explain_errors(error, ("numbers", len(self.rows))):
            column = column_of(finding.location)
            self.mistakes.append(Mistake(self.path, line, column, finding.wrong, finding.right))


def column_of(location: Location) -> str:
    """Return the column of the CSV that a location in a row is about."""
    names = [part for part in location[2:] if isinstance(part, str)]
    return "".join(names[-1:])


def read_numbers(path: Path) -> CsvNumbers:
    """Read a CSV of numbers; blank lines and lines that begin with # are skipped."""
    rows = CsvNumbers(path)
    try:
        lines = read_text(path).splitlines(keepends=True)
        _read_rows(csv.reader(lines, skipinitialspace=True, strict=True), rows)
    except SettingsError as error:
        rows.mistakes += error.mistakes
    return rows


def _read_rows(reader: _Reader, rows: CsvNumbers) -> None:
    table: _Table | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if table is None:
                table = _Table([cell.lower() for cell in cells])
                if wrong := table.wrong():
                    rows.add_mistake(reader.line_num, *wrong)
                    return
            elif len(cells) != len(table.header):
                header = ",".join(table.header)
                right = f"write {len(table.header)} columns, as the header has: {header}"
                rows.add_mistake(reader.line_num, f"the row has {len(cells)} columns", right)
            else:
                _read_row(table, cells, reader.line_num, rows)
    except csv.Error as error:
        right = "close each quote, and double the quotes inside quotes"
        rows.add_mistake(reader.line_num, f"is not CSV: {error}", right)
    if table is None and not rows.mistakes:
        rows.add_mistake(1, "has no rows", 'begin with "number,agent"')


def _read_row(table: _Table, cells: list[str], line: int, rows: CsvNumbers) -> None:
    try:
        rows.rows.append(table.row(cells))
    except ValidationError as error:
        rows.add_errors(line, error)
    else:
        rows.lines.append(line)


class _Table:
    """The meaning of the cells, by the header; an empty cell leaves its key unset."""

    def __init__(self, header: list[str]) -> None:
        self.header = header
        self._number_column = header.index("number") if "number" in header else 0
        self._tables: dict[tuple[str, ...], Number] = {}
        self._policies: dict[tuple[str, ...], CallPolicy | dict[str, Any]] = {}

    def wrong(self) -> tuple[str, str] | None:
        """Return what is wrong with the header and what would be right; None if it is right."""
        header, known = self.header, f"the columns are: {', '.join(COLUMNS)}"
        if not set(_REQUIRED) <= set(header):
            wrong, right = f"the first row is {','.join(header)!r}", 'begin with "number,agent"'
            apart = (
                "columns are separated by commas: " if _OTHER_SEPARATORS.search(header[0]) else ""
            )
            return wrong, apart + right
        for name in header:
            if name not in COLUMNS and (new := new_name(("policy", name))):
                return f'the column "{name}" has a new name', f"write {new} instead"
            if name not in COLUMNS:
                return f'"{name}" is not a column that exists', did_you_mean(name, COLUMNS) + known
            if header.count(name) > 1:
                return f'the column "{name}" is there twice', "remove one of the two"
        return None

    def row(self, cells: list[str]) -> MappedNumber:
        """Return a row; raises ``ValidationError``.

        Rows that differ in nothing but their numbers are validated once, and share their table.
        """
        number = cells[self._number_column]
        others = (*cells[: self._number_column], *cells[self._number_column + 1 :])
        table = self._tables.get(others)
        if table is not None and is_unambiguous(number):  # which validation returns as it is
            return MappedNumber(number, table)
        found = Number.model_validate(self._document(cells))
        return MappedNumber(found.number, self._tables.setdefault(others, found))

    def _document(self, cells: list[str]) -> dict[str, Any]:
        """Return a row as an entry of [[numbers]]."""
        given = dict(zip(self.header, cells, strict=True))
        row: dict[str, Any] = {name: given.pop(name) for name in _REQUIRED}
        if e164 := given.pop("e164", ""):
            row["e164"] = e164
        if version := given.pop("version", ""):
            row["version"] = _value("version", version)
        if any(given.values()):
            row["policy"] = self._policy(given)
        return row

    def _policy(self, given: dict[str, str]) -> CallPolicy | dict[str, Any]:
        """Return one policy for all rows with the same cells: thousands of agents share a few."""
        key = tuple(given.values())
        if key not in self._policies:
            policy = {name: _value(name, text) for name, text in given.items() if text}
            try:
                self._policies[key] = CallPolicy.model_validate(policy)
            except ValidationError:
                self._policies[key] = policy  # validation then reports each of its rows
        return self._policies[key]


def _value(name: str, text: str) -> str | float | list[str]:
    """Convert a cell to its TOML value; text that is no number stays, for the checks to report."""
    try:
        if name in _INTEGERS:
            return int(text)
        if name in _SECONDS:
            return float(text)
    except ValueError:
        return text
    return text.split(" then ", 1) if text.startswith("agent ") else text
