from __future__ import annotations

from typing import Any

import pytest

from sip_stager.config.tables.settings import TABLES
from tools.example_settings import Key, sections
from tools.settings_reference import MODELS, cell, default, values


def test_every_key_of_the_example_is_explained() -> None:
    mute = [
        f"{section.table}.{key.name}"
        for section in sections()
        for key, above in zip(section.keys, [None, *section.keys], strict=False)
        if section.table in MODELS and not key.text and above is None
    ]
    assert mute == []


def test_the_example_has_every_key_of_every_table() -> None:
    no_key_of_a_file = {"key"}  # the API key itself, which no settings file holds
    for section in sections():
        if section.table in TABLES or section.table == "numbers.agents":
            fields = MODELS[section.table].model_fields.keys() - no_key_of_a_file
            assert {key.name for key in section.keys} == fields


def test_the_sections_of_the_example_are_the_models_and_the_variables() -> None:
    assert {section.table for section in sections()} == {*MODELS, "variables"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 65535}, "whole number from 1 to 65,535"),
        ({"type": "number", "exclusiveMinimum": 0}, "number above 0"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, '`"a"`, `"b"`'),
        ({"type": "array", "items": {"type": "string"}}, "list of text"),
        ({"type": "boolean"}, "`true`, `false`"),
        ({"$ref": "#/$defs/CallPolicy"}, "table"),
    ],
)
def test_the_values_of_a_key_are_written_in_words(schema: dict[str, Any], words: str) -> None:
    assert values(schema) == words


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("listeners", Key("address", '"127.0.0.1"', given=True, text=[]), "must be set"),
        ("listeners", Key("advertise", '"192.0.2.1"', given=False, text=[]), "none"),
        ("policy", Key("refusal", "480", given=False, text=[]), "none"),
        ("numbers.agents", Key("weight", "3", given=True, text=[]), "`1`"),
        ("trunks", Key("pass_503", "false", given=False, text=[]), "of other keys"),
    ],
)
def test_a_default_is_the_models(table: str, key: Key, value: str) -> None:
    assert default(table, key) == value


def test_a_cell_escapes_what_markdown_would_read_but_not_in_code() -> None:
    assert cell(["a | b *", "`c | *`"]) == "a \\| b \\* `c | *`"
