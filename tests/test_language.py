"""The checkable rules of the language, over source, tests and documents (``tools/language.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.config.tables.settings import INNER_TABLES, TABLES
from tools import language

if TYPE_CHECKING:
    from pathlib import Path


def rules(path: str, text: str) -> list[str]:
    """Return the rules that a file breaks."""
    found = [*language.of_text(path, text)]
    if path.endswith(".py"):
        found += language.of_code(path, text)
    return [breach.rule for breach in found]


def test_no_file_breaks_a_rule() -> None:
    assert [f"{one.path}:{one.line}: {one.rule}: {one.text}" for one in language.breaches()] == []


def test_source_tests_and_documents_are_judged() -> None:
    judged = {path.relative_to(language.ROOT).as_posix() for path in language.files()}
    assert {
        *("sip_stager/app.py", "tests/test_app.py", "README.md", "docs/sip.md", "bench/core.py"),
        *("sip_stager/example/sip_stager.example.toml", "deploy/prometheus/alerts.yml"),
    } <= judged


def test_no_setting_is_named_most_or_least() -> None:
    keys = [
        f"{name}.{key}"
        for name, model in {**TABLES, **{".".join(n): m for n, m in INNER_TABLES.items()}}.items()
        for key in model.model_fields
    ]
    assert [key for key in keys if key.endswith(("_most", "_least"))] == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('def size():\n    """Give the size."""\n', "a docstring opens plainly"),
        ('"""Note the size."""\n', "a docstring opens plainly"),
        ('def f():\n    """Return it to who is first."""\n', "no bare who or what"),
        ('class C:\n    """What is seen of a call."""\n', "no bare who or what"),
        ("x = 1  # can not fail\n", "cannot is one word"),
        ("x = 1  # he hung up\n", "a person is they"),
        ("MOST_KEPT = 3\n", "no MOST or LEAST"),
        ("_KEPT_MOST = 3\n", "no MOST or LEAST"),
        ("def f(most): ...\n", "no MOST or LEAST"),
        ("class C:\n    poll_most: int\n", "no MOST or LEAST"),
    ],
)
def test_a_breach_in_code_is_seen(text: str, rule: str) -> None:
    assert rules("sip_stager/room.py", text) == [rule]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("poll_most = 1.0\n", "no key ends in _most or _least"),
        ("A call that can not be staged.\n", "cannot is one word"),
        ("The caller and his call.\n", "a person is they"),
    ],
)
def test_a_breach_in_a_document_is_seen(text: str, rule: str) -> None:
    assert rules("docs/page.md", text) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        'def size():\n    """Return the size; names are not told."""\n',
        'def f():\n    """Refuse a caller who is unknown."""\n',
        'def f():\n    """Errors say what is wrong, and where."""\n',
        'def f():\n    """RFC 3261 9.1: "what is sent"."""\n',
        "x = 1  # cannot fail; the most recent; at least one; the head, this\n",
        "ALMOST = 1\n",
        "def test_it_waits_a_second_at_most(): ...\n",
    ],
)
def test_plain_language_is_no_breach(text: str) -> None:
    assert rules("sip_stager/room.py", text) == []


def test_figures_are_counted(tmp_path: Path) -> None:
    (tmp_path / "sip_stager").mkdir()
    (tmp_path / "sip_stager/a.py").write_text('"""Give it."""\n# why\nMOST = 1\nLEAST = MOST\n')
    (tmp_path / "README.md").write_text("# a\n\nb\n")
    assert language.figures(tmp_path) == {
        "docstrings with a banned opener": "{'sip_stager': 1}",
        "names with MOST or LEAST": "2",
        "comment lines of the package": "1 of 4: 25.0%",
        "lines of the README": "3",
    }
