"""Variables are checked on loading, and reported with their line and name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.settings_folder import RIGHT

if TYPE_CHECKING:
    from tests.config.settings_folder import Folder

TABLE = f"{RIGHT}[variables]\n"  # its header is on line 17


def test_variables_are_kept_as_written(folder: Folder) -> None:
    text = RIGHT.replace("[upstream]", "[variables]\nbrand = 'Example'\nage = 3\n\n[upstream]")
    text = text.replace("[[numbers]]", "[trunks.variables]\nvip = true\n\n[[numbers]]")
    settings = folder.load(f'{text}variables = {{ line = "${{called}}", ratio = 0.5 }}\n')
    assert settings.variables == {"brand": "Example", "age": 3}
    assert settings.trunks[0].variables == {"vip": True}
    assert settings.numbers[0].variables == {"line": "${called}", "ratio": 0.5}


@pytest.mark.parametrize(
    ("line", "key", "wrong", "right"),
    [
        ('call_id = "x"', "call_id", "set by the platform", "remove it"),
        ('"a b" = "x"', "a b", "not a valid name", "letters, digits"),
        ('name = "${callr}"', "name", '"${callr}" is not a source', "write one of"),
        ('name = "5 $"', "name", 'has a "$"', '"$$" for a dollar'),
        ("name = 2026-01-31", "name", "is a date or a time", '"2026-01-31"'),
        ('numbers_csv = "n.csv"', "numbers_csv", "is not a variable", "above the first [table]"),
        ("name = nan", "name", "is nan", "between -2^53"),
        ('name = ["x"]', "name", "is a list", "a text, a number"),
        ("name = { x = 1 }", "name", "is a table", "a text, a number"),
    ],
)
def test_a_wrong_variable_is_reported_with_its_line(
    folder: Folder, line: str, key: str, wrong: str, right: str
) -> None:
    (mistake,) = folder.mistakes(f"{TABLE}fine = 1\n{line}\n")
    assert (mistake.line, mistake.key) == (19, f"variables.{key}")
    assert wrong in mistake.wrong
    assert right in mistake.right


def test_wrong_variables_of_a_trunk_and_a_number_are_reported(folder: Folder) -> None:
    text = RIGHT.replace("[[numbers]]", '[trunks.variables]\ncall_id = "x"\n[[numbers]]')
    mistakes = folder.mistakes(f'{text}variables = {{ a = 1, b = "$" }}\n')
    found = [(mistake.line, mistake.key) for mistake in mistakes]
    assert found == [(15, "trunks[0].variables.call_id"), (19, "numbers[0].variables.b")]


def test_variables_must_be_a_table(folder: Folder) -> None:
    (mistake,) = folder.mistakes(f"{RIGHT}variables = 3\n")
    assert (mistake.key, mistake.wrong, mistake.right) == (
        *("numbers[0].variables", "is 3", "make it a table"),
    )


def test_the_number_of_variables_is_limited(folder: Folder) -> None:
    (mistake,) = folder.mistakes(TABLE + "".join(f"v{number} = 1\n" for number in range(65)))
    assert (mistake.key, mistake.wrong) == ("variables", "has 65 variables")
