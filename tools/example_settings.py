"""A reader of the example settings as a document: sections, keys, and a text for each.

A line like ``# ---- Title ----`` begins a section.  The comment below a blank line belongs to the
keys below it; where a table's header comes first, to the section.  ``# key = value`` is a key with
its default.  A table that comes a second time shows a use, and is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "sip_stager/example/sip_stager.example.toml"
_TITLE = re.compile(r"# -{4} (.+?) -+")
_HEADER = re.compile(r"\[+([\w.]+)\]+")
_KEY = re.compile(r"(# )?(\w+) = (.+)")


@dataclass
class Key:
    """A key of a table; ``text`` is empty where the key above shares its text.

    ``given`` is true where the value is no default, and stands in no comment.
    """

    name: str
    value: str
    given: bool
    text: list[str]


@dataclass
class Section:
    """A table of the file: its header as it is written, its texts and its keys."""

    title: str = ""
    header: str = ""
    text: list[str] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    @property
    def table(self) -> str:
        """The table's name, without brackets."""
        return self.header.strip("[]")


class _Reader:
    """A reader of the example, line by line."""

    def __init__(self) -> None:
        self.sections = [Section()]
        self._seen: set[str] = set()
        self._comment: list[str] = []
        self._title = ""
        self._skip = False

    def take(self, line: str) -> None:
        """Take a line."""
        if match := _TITLE.fullmatch(line):
            self._title = match[1]
            self._comment = []
        elif not line:
            self._end_paragraph()
        elif _HEADER.fullmatch(line):
            self._begin(line)
        elif match := _KEY.fullmatch(line):
            self._add(Key(match[2], match[3], not match[1], self._comment))
            self._comment = []
        else:
            self._comment.append(line.removeprefix("#").removeprefix(" "))

    def _end_paragraph(self) -> None:
        """Add a comment that no key follows to the section."""
        if self._comment and not self._skip:
            self.sections[-1].text += [*self._comment, ""]
        self._comment = []

    def _begin(self, header: str) -> None:
        self._skip = header in self._seen
        if not self._skip:
            self._seen.add(header)
            self.sections.append(Section(self._title, header, self._comment))
        self._comment, self._title = [], ""

    def _add(self, key: Key) -> None:
        if not self._skip:
            self.sections[-1].keys.append(key)


def sections() -> list[Section]:
    """Return the file's head, and then its tables in their order."""
    reader = _Reader()
    for line in [*EXAMPLE.read_text(encoding="utf-8").splitlines(), ""]:
        reader.take(line)
    return reader.sections
