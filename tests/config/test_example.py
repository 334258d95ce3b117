"""The example settings have every key with its default, and load with nothing but the API key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from sip_stager.config import Settings, load
from sip_stager.config.tables.policy import DEFAULTS, CallPolicy
from sip_stager.config.tables.settings import TABLES

EXAMPLE = Path(__file__).parents[2] / "sip_stager/example/sip_stager.example.toml"
_DEFAULT = re.compile(r"# (?=\w+ = )")


def tables() -> dict[str, dict[str, Any]]:
    """Return the tables of the example with every default uncommented; of an array, the first."""
    lines = EXAMPLE.read_text(encoding="utf-8").split("\n")
    document = tomllib.loads("\n".join(_DEFAULT.sub("", line) for line in lines))
    return {
        name: value[0] if isinstance(value, list) else value
        for name, value in document.items()
        if name not in {"numbers_csv", "variables"}
    }


def test_the_example_loads() -> None:
    settings = load(EXAMPLE, {"ROUNDED_API_KEY": "x"})
    assert settings.warnings == ()
    assert len(settings.numbers) == 2


def test_every_value_of_the_example_that_must_be_replaced_is_a_placeholder() -> None:
    """An unchanged copy lets no caller in, sends calls nowhere, and uses no real agent."""
    settings = load(EXAMPLE, {"ROUNDED_API_KEY": "x"})
    left = {(each.line, each.key) for each in settings.placeholders}
    lines = EXAMPLE.read_text(encoding="utf-8").split("\n")
    values = {
        number for number, line in enumerate(lines, 1) if re.match(r"(uri|networks|agent) = ", line)
    }
    assert {line for line, _ in left} == values
    networks = [network for trunk in settings.trunks for network in trunk.networks]
    assert len([key for _, key in left if key.startswith("trunks")]) == len(networks)


def test_the_example_loads_with_its_csv(tmp_path: Path) -> None:
    for name in ("sip_stager.example.toml", "numbers.example.csv"):
        text = (EXAMPLE.parent / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("# numbers_csv", "numbers_csv"))
    settings = load(tmp_path / "sip_stager.example.toml", {"ROUNDED_API_KEY": "x"})
    assert len(settings.rows) == 6


def test_the_example_has_every_table() -> None:
    assert tables().keys() == TABLES.keys()
    assert {*TABLES, "numbers_csv", "variables"} == Settings.model_fields.keys()


def test_the_variables_of_the_example_are_valid(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    before, header, rest = text.partition("\n[variables]\n")
    assert header
    shown, line, after = rest.partition("\n\n# ----")
    example = tmp_path / "s.toml"
    example.write_text(f"{before}{header}{_DEFAULT.sub('', shown)}{line}{after}")
    assert len(load(example, {"ROUNDED_API_KEY": "x"}).variables) == 3


@pytest.mark.parametrize("name", TABLES)
def test_the_example_has_every_key_with_its_default(name: str) -> None:
    fields = {key: field for key, field in TABLES[name].model_fields.items() if key != "key"}
    table = tables()[name]
    assert table.keys() == fields.keys()
    for key, field in fields.items():
        if field.default not in {None, PydanticUndefined}:
            default = field.default
            if isinstance(default, BaseModel):
                default = default.model_dump(exclude_unset=True)
            assert table[key] == (list(default) if isinstance(default, tuple) else default), key


def test_the_example_shows_the_default_policy() -> None:
    defaults = {name: getattr(DEFAULTS, name) for name in DEFAULTS.model_fields_set}
    shown = CallPolicy.model_validate(tables()["policy"])
    assert {name: getattr(shown, name) for name in defaults} == defaults


def test_keys_with_a_default_are_commented_out() -> None:
    document = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    given = {
        f"{name}.{key}"
        for name in TABLES
        for row in (document[name] if isinstance(document[name], list) else [document[name]])
        for key in row
        if not TABLES[name].model_fields[key].is_required()
    }
    of_the_second_listener, of_the_first_number = "listeners.transport", "numbers.agent"
    of_the_second_number = {"numbers.agents", "numbers.timezone"}
    assert given == {of_the_second_listener, of_the_first_number, *of_the_second_number}
