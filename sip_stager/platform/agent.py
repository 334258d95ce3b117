"""Agents, as far as a call needs to know them; the rest of their record may hold credentials."""

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
"""The type of each variable that an agent declares, in the API's word, by its name."""

_TYPES = frozenset({"string", "number", "boolean", "date"})
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_DECLARED = 1000
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Agent:
    """What is worth knowing of an agent; ``variables`` is None where its record has no list."""

    name: str
    version: str
    language: str
    variables: Declared | None = field(default=None, hash=False)


def read_agent(record: dict[str, Any], shown: Callable[[str], str]) -> Agent:
    """Take from an agent's record what is worth knowing; ``shown`` makes its texts fit for it."""
    name, version, language = (
        shown(str(record.get(key, ""))[:1000]) for key in ("name", "version", "language")
    )
    return Agent(name, version, language, _declared(record))


def _declared(record: dict[str, Any]) -> Declared | None:
    """Read the variables of the agent and of its states; what makes no sense is passed over."""
    if not isinstance(record.get("variables"), list):
        return None
    states = record.get("states")
    owners = [*(states if isinstance(states, list) else ()), record]
    found: dict[str, str] = {}
    for owner in owners:
        for name, type_ in _rows(owner):
            if len(found) < _MOST_DECLARED:
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
    """Bring each value to its declared type, and leave out what can not be.

    What is not declared stays as it is: the list may be older than the agent.
    """
    found = {name: coerce(value, declared.get(name, "")) for name, value in variables.items()}
    return {name: value for name, value in found.items() if value is not None}


def coerce(value: Value, type_: str) -> Value | None:
    """Give a value in a declared type, None where it can not be; any other type takes all."""
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
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return int(number) if math.floor(number) == number else number


def _boolean(value: Value) -> Value | None:
    return value if isinstance(value, bool) else _WORDS.get(str(value).lower())


def _is_date(text: str) -> bool:
    """Tell whether it is a date, or a date and a time, by ISO 8601."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
