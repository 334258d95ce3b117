"""Errors of pydantic, in words for the operator."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sip_stager.config.errors import ABOVE_ALL, Finding, Location
from sip_stager.config.loading.api_key import explain_misplaced_key
from sip_stager.config.loading.renamed_keys import new_name
from sip_stager.config.suggestions import did_you_mean, one_of
from sip_stager.config.tables.settings import INNER_TABLES, LISTS, TABLES, Settings

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_OF_TYPE = {
    "model_type": "make it a table",
    "dict_type": "make it a table",
    "tuple_type": "make it a list",
    "int_type": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false, without quotes",
    "string_type": "write text in quotes",
    "path_type": "write the path of a file in quotes",
}
"""The remedy for a value of the wrong type, by pydantic's name of the error."""

_SECRETS: set[Location] = {("api", "key_file"), ("api", "key_env")}
"""Keys whose value is never shown: it may be the API key itself."""

_BOUNDS = {
    "greater_than": "write more than {gt:.15g}",
    "greater_than_equal": "write {ge:.15g} or more",
    "less_than": "write less than {lt:.15g}",
    "less_than_equal": "write {le:.15g} or less",
}
"""The remedy for a number outside its bounds, by pydantic's name of the error."""


def explain_errors(error: ValidationError, table: Location = ()) -> list[Finding]:
    """Convert pydantic's errors to what is wrong and what would be right.

    ``table`` is the location of the table that was validated, the whole file if it is empty.
    """
    errors = [
        each
        for each in error.errors(include_url=False)
        # A default that depends on a mistaken key is reported at that key already.
        if each["type"] != "default_factory_not_called"
    ]
    blamed = {each["loc"][:-1] for each in errors}
    return [
        _explain(each, table)
        for each in errors
        # pydantic also reports an array as too short if all of its entries are wrong.
        if each["type"] != "too_short" or not _contains_blamed(each["loc"], blamed)
    ]


def _contains_blamed(location: Location, blamed: set[Location]) -> bool:
    return any(other[: len(location)] == location for other in blamed)


def _explain(error: ErrorDetails, table: Location) -> Finding:
    location = (*table, *_location(error))
    name, found = location[-1], _shown(location, error["input"])
    match error["type"]:
        case "mistake":
            wrong, right = error["ctx"]["wrong"], error["ctx"]["right"]
        case "literal_error":
            wrong = f"is {found}"
            right = one_of(error["input"], re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        case "missing":
            wrong, right = "is missing", _suggest_adding(location)
        case "extra_forbidden":
            wrong, right = _explain_unknown(location)
        case "too_short":
            wrong, right = "is empty", "write at least one entry"
        case "tuple_type" if isinstance(error["input"], dict):
            wrong, right = "is one table", f"write [[{name}]], a list of tables"
        case "model_type" if isinstance(error["input"], list):
            wrong, right = "is a list of tables", f"write [{name}], one table"
        case kind if kind in _OF_TYPE:
            wrong, right = f"is {found}", _OF_TYPE[kind]
        case kind if kind in _BOUNDS:
            wrong, right = f"is {found}", _BOUNDS[kind].format(**error["ctx"])
        case _:
            message = error["msg"].removeprefix("Input should be ").removeprefix("Input should ")
            wrong, right = f"is {found}", f"write {message}"
    return Finding(location, wrong, right)


def _explain_unknown(location: Location) -> tuple[str, str]:
    if new := new_name(location):
        return "has a new name", f"write {new} instead"
    misplaced = explain_misplaced_key(location)
    return misplaced or ("is not a key that exists", _suggest_key(location))


def _location(error: ErrorDetails) -> Location:
    """Return the location to blame.

    pydantic appends ``[key]`` where a name is wrong and not its value, and reports a mistake at the
    key that was validated, which may not be the one to blame.
    """
    location: Location = error["loc"]
    if error["type"] == "mistake" and error["ctx"]["key"]:
        return (*location[:-1], error["ctx"]["key"])
    return location[:-1] if location[-1] == "[key]" else location


def _shown(location: Location, value: object) -> str:
    return "not of the right type" if location in _SECRETS else _shorten(value)


def _shorten(value: object) -> str:
    try:
        text = json.dumps(value)
    except TypeError:  # dates and times
        text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _keys(location: Location) -> list[str]:
    """Return the keys that the table around a location may hold."""
    # A policy is nested in trunks and numbers, but its keys are those of [policy].
    if "policy" in location[1:-1]:
        return list(TABLES["policy"].model_fields)
    names = tuple(part for part in location[:-1] if isinstance(part, str))
    table = INNER_TABLES.get(names) or TABLES.get(names[0]) if names else Settings
    return [name for name in table.model_fields if name != "key"] if table else []


def _suggest_key(location: Location) -> str:
    name = str(location[-1])
    if len(location) > 1 and name in Settings.model_fields:
        if name in TABLES or name == "variables":
            return f"write {_header(name)}, a table of its own"
        return ABOVE_ALL
    known = _keys(location)
    return f"{did_you_mean(name, known)}the keys here are: {', '.join(known)}"


def _suggest_adding(location: Location) -> str:
    name = str(location[-1])
    if len(location) == 1:
        return f"add {_header(name)}"
    return f"add `{name} = ...`"


def _header(name: str) -> str:
    return f"[[{name}]]" if name in LISTS else f"[{name}]"
