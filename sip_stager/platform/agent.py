"""An agent's record, as far as a call needs it; the rest may hold credentials and is dropped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sip_stager.model.call import Value

Declared = Mapping[str, str]
"""The type of each variable that an agent declares, in the API's word, by the variable's name."""

_TYPES = frozenset({"string", "number", "boolean", "date"})
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_DECLARED = 1000
_MAX_TEXT_LENGTH = 1000
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """The public facts of an agent; ``variables`` is None if its record has no list of them."""

    name: str
    version: str
    language: str
    variables: Declared | None = field(default=None, hash=False)


def read_agent(record: dict[str, Any], sanitize: Callable[[str], str]) -> AgentRecord:
    """Read an agent's record; ``sanitize`` makes its texts fit for a log."""
    name, version, language = (
        sanitize(str(record.get(key, ""))[:_MAX_TEXT_LENGTH])
        for key in ("name", "version", "language")
    )
    return AgentRecord(name, version, language, _declared(record))


def _declared(record: dict[str, Any]) -> Declared | None:
    """Read the variables of the agent and of its states; malformed ones are skipped."""
    if not isinstance(record.get("variables"), list):
        return None
    states = record.get("states")
    # The agent itself comes last: its types prevail over those of its states.
    owners = [*(states if isinstance(states, list) else ()), record]
    found: dict[str, str] = {}
    for owner in owners:
        for name, type_ in _rows(owner):
            if len(found) < _MAX_DECLARED:
                found[name] = type_
    return found


def _rows(owner: object) -> Iterator[tuple[str, str]]:
    rows = owner.get("variables") if isinstance(owner, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            name, type_ = row.get("name"), row.get("type")
            if isinstance(name, str) and _NAME.fullmatch(name):
                yield name, type_ if isinstance(type_, str) and type_ in _TYPES else ""


def coerce_variables(variables: Mapping[str, Value], declared: Declared) -> dict[str, Value]:
    """Convert each value to its declared type, and omit those that cannot be converted."""
    # A variable that is not declared stays as it is: the list may be older than the agent.
    found = {name: coerce(value, declared.get(name, "")) for name, value in variables.items()}
    return {name: value for name, value in found.items() if value is not None}


def coerce(value: Value, type_: str) -> Value | None:
    """Convert a value to a declared type; None if it cannot be.  An unknown type takes any."""
    match type_:
        case "string":
            return value if isinstance(value, str) else str(value).lower()
        case "number":
            return _number(value)
        case "boolean":
            return _boolean(value)
        case "date":
            return value if isinstance(value, str) and _is_date(value) else None
        case _:
            return value


def _number(value: Value) -> Value | None:
    if isinstance(value, bool):  # which is an int to Python, but no number to anybody else
        return None
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return int(number) if math.floor(number) == number else number


def _boolean(value: Value) -> Value | None:
    return value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())


def _is_date(text: str) -> bool:
    """Return True if a text is an ISO 8601 date, with or without a time."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
