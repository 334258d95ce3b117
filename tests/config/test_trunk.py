"""The sources of a trunk's numbers are checked, and the prefixes that it strips."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import RIGHT, Folder

TRUNK = '[[trunks]]\nname = "carrier"\nnetworks = ["192.0.2.0/24"]'


@pytest.mark.parametrize(
    ("line", "key", "wrong", "right"),
    [
        ("called = []", "trunks[0].called", "is empty", "at least one entry"),
        (
            'called = ["from"]',
            "trunks[0].called[0]",
            "not a source for the called number",
            '"diversion"',
        ),
        ('called = ["header:a b"]', "trunks[0].called[0]", "not a source", "header:X-Original-To"),
        ('called = ["to", "to"]', "trunks[0].called", 'has "to" twice', "remove one"),
        ('called = "to"', "trunks[0].called", 'is "to"', "make it a list"),
        ('strip = [""]', "trunks[0].strip[0]", "not a number prefix", '"99"'),
        ('strip = ["9 9"]', "trunks[0].strip[0]", "not a number prefix", '"99"'),
        ('strip = ["99", "99"]', "trunks[0].strip", 'has "99" twice', "remove one"),
        ("caller = []", "trunks[0].caller", "is empty", "at least one entry"),
        ('caller = ["to"]', "trunks[0].caller[0]", 'is "to"', '"p_asserted_identity"'),
        ('caller = ["from", "from"]', "trunks[0].caller", 'has "from" twice', "remove one"),
    ],
)
def test_the_sources_of_numbers_are_checked(
    folder: Folder, line: str, key: str, wrong: str, right: str
) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace(TRUNK, f"{TRUNK}\n{line}"))
    assert (mistake.key, mistake.line) == (key, 13)
    assert wrong in mistake.wrong
    assert right in mistake.right
