"""``tests/README.md`` names tests that exist, and has what the tests of the transactions quote."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "tests/README.md").read_text(encoding="utf-8").splitlines()
HELD = "| Rule | Section | Test |"
LEFT_OUT = "| Rule | Section | Reason |"


def rows(header: str) -> Iterator[tuple[str, str, str, str]]:
    """Give the file that a table speaks of, and the three cells of each of its rows."""
    file = kind = ""
    for line in LINES:
        if re.fullmatch(r"`tests/\S+\.py`", line):
            file = line.strip("`")
        elif not line.startswith("|"):
            kind = ""
        elif line.startswith("| Rule |"):
            kind = line
        elif line.startswith("| ") and kind == header:
            rule, section, last = re.split(r"(?<!\\) \| ", line[2:].removesuffix(" |"))
            yield file, re.sub(r"\\([*|])", r"\1", rule), section, last


def functions(path: Path) -> dict[str, str]:
    """Give the tests of a file with their docstrings."""
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("file", sorted({row[0] for row in rows(HELD)}))
def test_every_test_that_a_row_names_exists(file: str) -> None:
    named = [re.findall(r"`(?:(tests/\S+)::)?(test_\w+)`", row[3]) for row in rows(HELD)]
    assert all(named)
    missing = [
        name
        for (home, *_), tests in zip(rows(HELD), named, strict=True)
        for other, name in tests
        if home == file and name not in functions(ROOT / (other or file))
    ]
    assert missing == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/transaction/test_*.py")), ids=str)
def test_every_sentence_that_a_test_of_the_transactions_quotes_has_a_row(path: Path) -> None:
    known = {(file, last.strip("`"), rule) for file, rule, _, last in rows(HELD)}
    file = str(path.relative_to(ROOT))
    quoted = [
        (file, name, found[1])
        for name, text in functions(path).items()
        for paragraph in text.split("\n\n")
        if (found := re.match(r'RFC [^"]*: (".*)', " ".join(paragraph.split())))
    ]
    assert [row for row in quoted if row not in known] == []


def test_every_rule_that_is_left_out_has_its_reason() -> None:
    left_out = list(rows(LEFT_OUT))
    assert left_out
    assert all(len(reason) > 20 for *_, reason in left_out)
