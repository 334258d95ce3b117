"""Loading of a settings file, with all of its mistakes at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from sip_stager.config.checks.consistency import find_inconsistencies
from sip_stager.config.checks.placeholders import find_placeholders
from sip_stager.config.checks.settings_without_effect import find_settings_without_effect
from sip_stager.config.checks.unused_proxy import find_unused_proxy
from sip_stager.config.checks.warnings import find_warnings
from sip_stager.config.errors import Finding, Location, Mistake, SettingsError, format_location
from sip_stager.config.loading.advertised import resolve_advertised
from sip_stager.config.loading.api_key import (
    KeyUse,
    explain_misplaced_key,
    explain_unread_credential,
    find_key,
    is_credential_of_unit,
)
from sip_stager.config.loading.csv_numbers import CsvNumbers, column_of, read_numbers
from sip_stager.config.loading.file_reading import read_toml
from sip_stager.config.loading.key_lines import KeyLines
from sip_stager.config.loading.seal_keys import find_seal_keys
from sip_stager.config.loading.valid_parts import ValidParts
from sip_stager.config.loading.validation_errors import explain_errors
from sip_stager.config.tables.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COPIED_CSV = "numbers.csv"
"""The CSV of numbers beside a copy of a settings file."""
_SHOWN = 50  # mistakes per file; a broken table of thousands must not hide the others


def load(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    key_use: KeyUse = "needed",
    origin: Path | None = None,
) -> Settings:
    """Read and check a settings file and the files that it names.

    Raises SettingsError with all mistakes. Paths in the file are relative to its folder. Without
    the API key, which ``key_use`` may allow, ``settings.api.key`` is empty.  A file that is a copy
    of ``origin`` has its CSV beside it (``last_good.py``); other paths are as in the origin.
    """
    folder = (origin or path).parent
    text, document = read_toml(path)
    places = _Locations(path, KeyLines(text))
    findings: list[Finding] = []
    table = _read_csv(document, places, copied=origin is not None)
    mistakes = table.mistakes
    unread = _add_key(document, folder, environ, findings, key_use)
    seal = find_seal_keys(document, folder, environ, key_use)
    findings += (*resolve_advertised(document, environ), *seal.mistakes)
    settings, parts = _validated(document, table, places.first_row, findings)
    findings += find_inconsistencies(parts)
    if settings is not None:
        settings.attach_seal_keys(seal.keys)
        findings += find_settings_without_effect(settings)
    if not mistakes and settings and not (settings.rows or settings.api.numbers_refresh_interval):
        right = "add [[numbers]], or set [api] numbers_refresh_interval to use the platform's"
        findings.append(Finding(("numbers",), "no number is mapped", right))
    mistakes += [places.mistake(finding) for finding in findings]
    if mistakes or settings is None:
        raise SettingsError(_ordered(mistakes, path))
    proxy = find_unused_proxy(settings, environ)
    found = *unread, *seal.warnings, *proxy, *find_warnings(settings)
    warnings = _ordered(map(places.mistake, found), path)
    left = _ordered(map(places.mistake, find_placeholders(settings)), path)
    return settings.attach(warnings, left, places)


@dataclass
class _Locations:
    """The file and line of each setting: in the TOML file, or in a row of the CSV."""

    path: Path
    lines: KeyLines
    csv: Path | None = None
    csv_lines: Sequence[int] = ()
    first_row: int = 0

    def __call__(self, location: Location) -> str:
        """Return the file and line of a setting."""
        file, line, _ = self._place(location)
        return f"{file}:{line}"

    def mistake(self, finding: Finding) -> Mistake:
        file, line, key = self._place(finding.location)
        wrong = finding.wrong
        if finding.other is not None:
            other, other_line, _ = self._place(finding.other)
            wrong += f" (see {other}:{other_line})"
        return Mistake(file, line, key, wrong, finding.right)

    def _place(self, location: Location) -> tuple[Path, int, str]:
        match location:
            case ("numbers", int(row), *_) if self.csv and row >= self.first_row:
                return self.csv, self.csv_lines[row - self.first_row], column_of(location)
            case _:
                return self.path, self.lines.of(location), format_location(location)


def _read_csv(document: dict[str, Any], places: _Locations, *, copied: bool = False) -> CsvNumbers:
    """Read the CSV of numbers that the document names, if any."""
    name, rows = document.get("numbers_csv"), document.get("numbers", [])
    if not isinstance(name, str) or not isinstance(rows, list):
        return CsvNumbers(places.path)
    table = read_numbers(places.path.parent / (COPIED_CSV if copied else name))
    places.csv, places.csv_lines, places.first_row = table.path, table.lines, len(rows)
    document["numbers_csv"] = table.path
    line = places.lines.of(("numbers_csv",))
    table.mistakes = [
        each
        if each.line
        else Mistake(places.path, line, "numbers_csv", f"{name} {each.wrong}", each.right)
        for each in table.mistakes
    ]
    return table


def _add_key(
    document: dict[str, Any],
    folder: Path,
    environ: Mapping[str, str],
    findings: list[Finding],
    use: KeyUse,
) -> tuple[Finding, ...]:
    """Put the API key into the document, or the reason why there is none into the findings.

    Return the warning for a key that only the unit can read.
    """
    api = document.setdefault("api", {})
    if not isinstance(api, dict):
        return ()
    if "key" in api and (words := explain_misplaced_key(("api", "key"))):
        findings.append(Finding(("api", "key"), *words))
    file = api["key_file"] if isinstance(api.get("key_file"), str) else None
    found = None if use == "unused" else find_key(api, folder, environ)
    # Without a key, validation goes on with an empty one, to find the other mistakes.
    api["key"] = found if isinstance(found, SecretStr) else SecretStr("")
    if file is not None:
        api["key_file"] = folder / file
    if not isinstance(found, Finding):
        return ()
    if use == "of_unit" and file is not None and is_credential_of_unit(folder / file, environ):
        return (explain_unread_credential(folder / file),)
    findings.append(found)
    return ()


def _validated(
    document: dict[str, Any], table: CsvNumbers, first_row: int, findings: list[Finding]
) -> tuple[Settings | None, ValidParts]:
    try:
        settings = Settings.model_validate(document).append(table.rows)
    except ValidationError as error:
        findings += explain_errors(error)
    else:
        if table.valid:
            return settings, ValidParts.of_settings(settings)
    return None, ValidParts.of_document(document, table.rows, first_row)


def _ordered(mistakes: Iterable[Mistake], path: Path) -> list[Mistake]:
    """Sort mistakes by file and line; of a file with very many, keep the first."""
    by_file: dict[Path, list[Mistake]] = {path: []}
    for mistake in mistakes:
        by_file.setdefault(mistake.file, []).append(mistake)
    shown: list[Mistake] = []
    for file, found in by_file.items():
        found.sort(key=lambda mistake: mistake.line)
        shown += found[:_SHOWN]
        if len(found) > _SHOWN:
            wrong = f"and {len(found) - _SHOWN} more like these"
            shown.append(Mistake(file, 0, "", wrong, f"fix the first {_SHOWN}"))
    return shown
