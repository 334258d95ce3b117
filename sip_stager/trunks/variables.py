"""The variables that an agent gets with a call: constants, and templates filled from the call.

A template may hold placeholders, ``${source}`` or ``${source|default}``; ``$$`` is a dollar sign.
Templates are compiled once, with the settings (``compile_variable``), and filled for each call
(``CallVariables.fill``), which never raises.  A variable that cannot be filled is left out.

The parts of a call are untrusted: they are decoded as UTF-8, made printable, and limited in length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.call import Value
from sip_stager.trunks.placeholders import Facts, Reader, make_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sip_stager.sip.message import Request

MAX_VALUE_LENGTH = 1024
"""Characters of one value; a longer one is left out, since half a value may mislead."""
MAX_TOTAL_LENGTH = 8192
"""Characters of all names and values of a call; a variable that exceeds it is left out."""
MAX_VARIABLES = 64
"""Variables in one table of the settings."""
BUILT_IN = frozenset({"from_number", "to_number", "call_start_time", "call_id"})
"""The variables that the platform sets, and that the settings may not."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PIECE = re.compile(r"\$\$|\$\{([^{}|]*)(?:\|([^{}]*))?\}|[^$]+|\$")
_MAX_NUMBER = 2**53  # many JSON parsers lose digits of larger integers (RFC 8259 6)


class InvalidVariable(ValueError):
    """An invalid variable of the settings, with the mistake and the remedy."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(wrong)
        self.wrong, self.right = wrong, right


class Placeholder(NamedTuple):
    """A part of a template that the call fills."""

    read: Reader
    default: str | None


Template = tuple[str | Placeholder, ...]
Templates = dict[str, Value | Template]


def check_name(name: str) -> None:
    """Raise ``InvalidVariable`` for a name that no variable may have."""
    if name in BUILT_IN:
        raise InvalidVariable("is set by the platform itself", "remove it, or choose another name")
    if not _NAME.fullmatch(name):
        right = "write at most 64 letters, digits, and _ . -"
        raise InvalidVariable("is not a valid name of a variable", right)


def compile_variable(value: object) -> Value | Template:
    """Return a variable of the settings as a constant or a template; raises ``InvalidVariable``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not abs(value) <= _MAX_NUMBER:  # also true for NaN, which no comparison holds for
            raise InvalidVariable(f"is {value}", "write a number between -2^53 and 2^53, or a text")
        return value
    if not isinstance(value, str):
        right = 'write a text, a number, or true or false; a date is a text: "2026-01-31"'
        raise InvalidVariable(f"is {_kind(value)}", right)
    if len(value) > MAX_VALUE_LENGTH:
        wrong = f"has {len(value)} characters"
        raise InvalidVariable(wrong, f"write at most {MAX_VALUE_LENGTH}")
    parts = _joined(_parts(value))
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return parts


def _kind(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return "a date or a time"


def _parts(text: str) -> Iterable[str | Placeholder]:
    for match in _PIECE.finditer(text):
        piece = match[0]
        if match[1] is not None:
            yield Placeholder(_reader(match[1]), match[2])
        elif piece == "$":
            right = 'write "$$" for a dollar sign, "${source}" or "${source|default}"'
            raise InvalidVariable('has a "$" that does not start a placeholder', right)
        else:
            yield "$" if piece == "$$" else piece


def _joined(parts: Iterable[str | Placeholder]) -> Template:
    joined: list[str | Placeholder] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def _reader(source: str) -> Reader:
    try:
        return make_reader(source)
    except ValueError as error:
        wrong = f'"${{{source}}}" is not a source'
        raise InvalidVariable(wrong, str(error)) from None


def default_value(variable: Value | Template) -> Value | None:
    """Return the value of a variable if the call has none of its sources; None if left out."""
    if not isinstance(variable, tuple):
        return variable
    texts = [part if isinstance(part, str) else part.default for part in variable]
    return "".join(text for text in texts if text is not None) if None not in texts else None


class CallVariables:
    """The variables of all calls: a number's override its trunk's, and these the common ones.

    ``by_trunk`` and ``by_number`` hold the tables of trunks, by name, and of numbers.  Raises
    ``InvalidVariable``.
    """

    def __init__(
        self,
        common: Mapping[str, Value] | None = None,
        by_trunk: Mapping[str, Mapping[str, Value]] | None = None,
        by_number: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> None:
        self._common = _templates(common or {})
        self._by_trunk = {
            trunk: self._common | _templates(table) for trunk, table in (by_trunk or {}).items()
        }
        self._by_number = {
            number: _templates(table) for number, table in (by_number or {}).items() if table
        }

    def fill(self, invite: Request, facts: Facts, number: str) -> dict[str, Value]:
        """Return the variables of a call to ``number``, in the spelling of the settings."""
        templates = self._by_trunk.get(facts.trunk, self._common)
        if own := self._by_number.get(number):
            templates = templates | own
        return _filled(templates, invite, facts) if templates else {}


def _templates(table: Mapping[str, Value]) -> Templates:
    return {name: compile_variable(value) for name, value in table.items()}


def _filled(templates: Templates, invite: Request, facts: Facts) -> dict[str, Value]:
    found: dict[str, Value] = {}
    room = MAX_TOTAL_LENGTH
    for name, template in templates.items():
        value = _text(template, invite, facts) if isinstance(template, tuple) else template
        if value is None:
            continue
        # A variable that does not fit is left out, and a shorter one behind it may still fit.
        size = len(name) + (len(value) if isinstance(value, str) else 8)
        if size <= room:
            found[name] = value
            room -= size
    return found


def _text(template: Template, invite: Request, facts: Facts) -> str | None:
    """Return a filled template, None if it is too long or a source without a default is missing."""
    texts = []
    for part in template:
        if isinstance(part, str):
            texts.append(part)
        elif (text := _read(part, invite, facts)) is not None:
            texts.append(text)
        else:
            return None
    filled = "".join(texts)
    return filled if len(filled) <= MAX_VALUE_LENGTH else None


def _read(placeholder: Placeholder, invite: Request, facts: Facts) -> str | None:
    try:
        text = placeholder.read(invite, facts)
    except ValueError:  # ``Malformed``
        text = None
    return text if text and len(text) <= MAX_VALUE_LENGTH else placeholder.default
