"""Mistakes of a settings file, with what is wrong and what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import PydanticCustomError

from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Iterable

Location = tuple[str | int, ...]

ABOVE_ALL = "move it above the first [table] of the file"
"""The remedy for a key of no table that ended up in a table."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake: its place, what is wrong, and what would be right.

    ``line`` counts from 1, and is 0 if the file could not be read; ``key`` is dotted
    (``trunks[1].networks[0]``), and empty if no key is to blame.
    """

    file: Path
    line: int
    key: str
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        subject = f"{self.key}: " if self.key else ""
        return f"{place}: {subject}{self.wrong}\n    {self.right}"

    @property
    def one_line(self) -> str:
        """The mistake with its remedy on one line, for a log: telephone numbers are masked."""
        return mask(str(self).replace("\n    ", ": "))


class SettingsError(Exception):
    """The settings cannot be used; ``mistakes`` holds every mistake that was found."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class Finding(NamedTuple):
    """A mistake whose line is not known yet; ``other`` is a setting that it conflicts with."""

    location: Location
    wrong: str
    right: str
    other: Location | None = None


def invalid(wrong: str, right: str, key: str = "") -> PydanticCustomError:
    """Return the error that a validator raises; its words reach the operator as they are.

    ``key`` is the key of the same table to blame, where it is not the one that was validated.
    """
    return PydanticCustomError("mistake", "{wrong}", {"wrong": wrong, "right": right, "key": key})


def format_location(location: Location) -> str:
    """Format a location as in the file: ``("trunks", 1, "name")`` is ``trunks[1].name``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")
