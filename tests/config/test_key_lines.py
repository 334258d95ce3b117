"""Each key is found on its line, in any layout of the file."""

from __future__ import annotations

import pytest

from sip_stager.config.loading.key_lines import KeyLines

TEXT = '''\
# a comment with [table] and key = 1 in it
top = 1
"quoted key" = 2
dotted.inner = 3

[table]  # not the last
a = """
[not] = "a table"
b = 1
"""
b = [
  1,  # one
  # [[not]]
  [2],
  { c = "=" },
]
[[row]]
a = 1

[[row]]

  a = 2
[row.below]
deep = 1
[other."x y"]
z = 2020-01-01'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("dotted", "inner"), 4),
        (("table",), 6),
        (("table", "a"), 7),
        (("table", "b"), 11),
        (("table", "b", 3, "c"), 11),
        (("row", 0), 17),
        (("row", 0, "a"), 18),
        (("row", 1), 20),
        (("row", 1, "a"), 22),
        (("row", 1, "below", "deep"), 24),
        (("other", "x y", "z"), 26),
        (("row", 1, "missing"), 20),
        (("table", "missing", 1), 6),
        (("missing",), 1),
        ((), 1),
    ],
)
def test_each_key_is_found_on_its_line(location: tuple[str | int, ...], line: int) -> None:
    assert KeyLines(TEXT).of(location) == line


def test_carriage_returns_do_not_count() -> None:
    assert KeyLines("a = 1\r\n\r\n[t]\r\nb = 2\r\n").of(("t", "b")) == 4
