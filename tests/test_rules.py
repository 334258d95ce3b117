"""The rules of the RFCs: each docstring that states one can be read, each omission has a reason."""

from __future__ import annotations

import re

import pytest

from tools import conformance

STARTS_LIKE_A_RULE = re.compile(rf"RFC \d|\d+\.\d|{conformance.BEYOND}")


def unreadable(text: str) -> list[str]:
    """Return the paragraphs that start like a rule and are none."""
    return [
        paragraph
        for paragraph in text.split("\n\n")
        if STARTS_LIKE_A_RULE.match(paragraph) and conformance.rule_of(paragraph) is None
    ]


def test_every_docstring_that_states_a_rule_can_be_read() -> None:
    found = {
        f"{path.name}::{name}": wrong
        for path in conformance.test_files()
        for name, text in conformance.docstrings(path)
        if (wrong := unreadable(text))
    }
    assert found == {}


def test_every_rule_is_of_a_known_place() -> None:
    places = {rule.place for rule in conformance.rules()}
    places |= {one.place for one in conformance.omissions()}
    assert {conformance.split(place)[0] for place in places} <= conformance.RFCS.keys()
    assert {conformance.chapter(place) for place in places} <= {None, *conformance.CHAPTERS}


def test_every_rule_that_is_left_out_has_its_reason() -> None:
    left_out = conformance.omissions()
    assert left_out
    assert [one.rule for one in left_out if len(one.reason) <= 20] == []
    assert [one for one in left_out if conformance.rule_of(f"{one.place}.") is None] == []


@pytest.mark.parametrize(
    ("paragraph", "rule"),
    [
        (
            'RFC 3261 16.7 step 6: "If there are\nnone [...]"',
            ("RFC 3261 16.7 step 6", '"If there are none [...]"'),
        ),
        ("RFC 3261 9.1, 16.10: also.", ("RFC 3261 9.1, 16.10", "also.")),
        ("RFC 3323, RFC 3325 7: also.", ("RFC 3323, RFC 3325 7", "also.")),
        ("RFC 3261 17.2.1, figure 7: also.", ("RFC 3261 17.2.1, figure 7", "also.")),
        ("RFC 4475 3.1.1.3 to 3.1.1.5.", ("RFC 4475 3.1.1.3 to 3.1.1.5", "")),
        ("Beyond the RFCs: also.", ("Beyond the RFCs", "also.")),
        ("RFC 3261 18.1.1, where the operator has no TCP: also.", None),
        ("RFC 3261 16.4 speaks of the first value.", None),
        ("18.3: without the number of its RFC.", None),
    ],
)
def test_a_rule_is_a_place_and_a_text(paragraph: str, rule: tuple[str, str] | None) -> None:
    assert conformance.rule_of(paragraph) == rule
