"""What is wrong with a settings file, said so that it can be put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Location = tuple[str | int, ...]

ABOVE_ALL = "it stands above the first [table] of the file: move it there"
"""What is right for a key of no table that ended up in one."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: where it stands, what is wrong, and what would be right.

    ``line`` counts from 1, and is 0 where the file could not be read; ``key`` is dotted
    (``trunks[1].networks[0]``), and empty where no key is to blame.
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


class SettingsError(Exception):
    """The settings cannot be used; every mistake that was found is in ``mistakes``."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class Finding(NamedTuple):
    """A mistake whose place is not looked up yet; ``other`` is what it is at odds with."""

    location: Location
    wrong: str
    right: str
    other: Location | None = None


def refused(wrong: str, right: str, key: str = "") -> PydanticCustomError:
    """Return the error that a validator raises; its words reach the operator as they are.

    ``key`` is the key of the same table to blame, where it is not the one that was validated.
    """
    return PydanticCustomError("mistake", "{wrong}", {"wrong": wrong, "right": right, "key": key})


def dotted(location: Location) -> str:
    """Write a location as the operator would: ``("trunks", 1, "name")`` is ``trunks[1].name``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")
