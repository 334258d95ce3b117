"""Tables of variables: their names are free, so an agent's and a call's limits are checked here."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, PlainValidator

from sip_stager.config.errors import ABOVE_ALL, invalid
from sip_stager.config.suggestions import did_you_mean
from sip_stager.model.call import Value
from sip_stager.trunks.placeholders import SOURCES
from sip_stager.trunks.variables import MAX_VARIABLES, InvalidVariable, check_name, compile_variable

_SOURCE = re.compile(r"\$\{([^{}|;:]*)")


def _check_name(name: str) -> str:
    if name == "numbers_csv":
        raise invalid("is not a variable", ABOVE_ALL)
    try:
        check_name(name)
    except InvalidVariable as error:
        raise invalid(error.wrong, error.right) from None
    return name


def _check_value(value: Value) -> Value:
    try:
        compile_variable(value)
    except InvalidVariable as error:
        raise invalid(error.wrong, _suggest_source(str(value)) + error.right) from None
    return value


def _suggest_source(text: str) -> str:
    """Return a suggestion for the first unknown source in a text; empty if there is none."""
    names = (name for name in _SOURCE.findall(text) if name not in {*SOURCES, "header"})
    return did_you_mean(next(names, ""), [*SOURCES, "header"])


def _check_size(table: dict[str, Value]) -> dict[str, Value]:
    if len(table) > MAX_VARIABLES:
        raise invalid(f"has {len(table)} variables", f"write at most {MAX_VARIABLES}")
    return table


Variables = Annotated[
    dict[
        Annotated[str, AfterValidator(_check_name)], Annotated[Value, PlainValidator(_check_value)]
    ],
    AfterValidator(_check_size),
]
"""Constants and templates by the names of the agent's variables, as written in the file."""
