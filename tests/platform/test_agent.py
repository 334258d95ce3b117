"""An agent's record is read with care, and values are converted to its declared types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.platform.agent import AgentRecord, coerce, coerce_variables, read_agent

if TYPE_CHECKING:
    from sip_stager.model.call import Value


def test_only_the_public_facts_of_an_agents_record_are_kept() -> None:
    record = {
        "name": "Zoe",
        "version": 3,
        "language": "fr-FR",
        "base_prompt": "secret",
        "variables": [{"name": "vip", "type": "boolean", "description": "secret"}],
        "states": [{"variables": [{"name": "order", "type": "number"}], "tools": ["secret"]}],
    }
    agent = read_agent(record, str)
    assert agent == AgentRecord("Zoe", "3", "fr-FR", {"vip": "boolean", "order": "number"})
    assert "secret" not in repr(agent)


@pytest.mark.parametrize(
    ("variables", "declared"),
    [
        ("nothing", None),
        (None, None),
        ({"name": "x"}, None),
        ([], {}),
        ([1, None, {}, {"name": 3}, {"name": "a b"}, {"name": "x" * 65}], {}),
        ([{"name": "x"}, {"name": "y", "type": ["a"]}, {"name": "z", "type": "enum"}],
         {"x": "", "y": "", "z": ""}),
    ],
)  # fmt: skip
def test_malformed_variables_are_skipped(variables: Any, declared: dict[str, str]) -> None:
    record = {"variables": variables, "states": [3, {"variables": 3}]}
    assert read_agent(record, str).variables == declared


def test_the_number_of_declared_variables_is_limited() -> None:
    record = {"variables": [{"name": f"v{number}", "type": "string"} for number in range(5000)]}
    assert len(read_agent(record, str).variables or ()) == 1000


@pytest.mark.parametrize(
    ("value", "type_", "fits"),
    [
        ("x", "string", "x"),
        (5, "string", "5"),
        (0.5, "string", "0.5"),
        (True, "string", "true"),
        (5, "number", 5),
        ("5", "number", 5),
        ("0042", "number", 42),
        ("-1.5", "number", -1.5),
        ("5 EUR", "number", None),
        ("1e5", "number", None),
        ("nan", "number", None),
        ("9" * 16, "number", None),
        ("", "number", None),
        (True, "number", None),
        (False, "boolean", False),
        ("TRUE", "boolean", True),
        ("no", "boolean", False),
        (1, "boolean", True),
        ("maybe", "boolean", None),
        (2, "boolean", None),
        ("2026-01-31", "date", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "date", "2026-01-31T10:00:00Z"),
        ("2026-02-30", "date", None),
        ("31/01/2026", "date", None),
        (20260131, "date", None),
        ("x", "", "x"),
        (5, "", 5),
    ],
)
def test_a_value_is_converted_to_its_declared_type(
    value: Value, type_: str, fits: Value | None
) -> None:
    assert json.dumps(coerce(value, type_)) == json.dumps(fits)


def test_values_that_cannot_be_converted_are_omitted_and_undeclared_ones_stay() -> None:
    variables: dict[str, Value] = {"age": "old", "vip": "yes", "new": "x"}
    declared = {"age": "number", "vip": "boolean", "unused": "string"}
    assert coerce_variables(variables, declared) == {"vip": True, "new": "x"}
