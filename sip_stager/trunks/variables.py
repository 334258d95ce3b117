"""What an agent is told of a call: variables, made of constants and of what the call brings.

A text may hold placeholders, ``${source}`` or ``${source|default}``; ``$$`` is a dollar.  They are
read once, when the settings are (``compiled``), and filled at each call (``CallVariables.of``),
which raises nothing whatever the call holds.  A variable whose text can not be filled is left out.

What a call brings is a stranger's words: it is decoded as UTF-8, freed of what is not printable,
and bounded in length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.call import Value
from sip_stager.trunks.placeholders import Facts, reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sip_stager.sip.message import Request
    from sip_stager.trunks.placeholders import Reader

MOST_CHARACTERS = 1024
"""Characters of one value; a longer one is left out, for half a value may mislead."""
MOST_IN_ALL = 8192
"""Characters of all names and values of a call; what does not fit any more is left out."""
MOST_VARIABLES = 64
"""Variables in one table of the settings."""
BUILT_IN = frozenset({"from_number", "to_number", "call_start_time", "call_id"})
"""What the platform fills in by itself, and nobody else may."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PIECE = re.compile(r"\$\$|\$\{([^{}|]*)(?:\|([^{}]*))?\}|[^$]+|\$")
_LARGEST = 2**53  # JSON's readers keep larger integers no more exactly (RFC 8259 6)


class WrongVariable(ValueError):
    """A variable that can not be: what is wrong with it, and what would be right."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(wrong)
        self.wrong, self.right = wrong, right


class Placeholder(NamedTuple):
    """A part of a text that the call fills."""

    read: Reader
    default: str | None


Template = tuple[str | Placeholder, ...]
Templates = dict[str, Value | Template]


def check_name(name: str) -> None:
    """Raise ``WrongVariable`` where no variable may be called so."""
    if name in BUILT_IN:
        wrong = "is filled in by the platform itself"
        raise WrongVariable(wrong, "take it out, or choose another name")
    if not _NAME.fullmatch(name):
        right = "write letters, digits, and _ . - between them, 64 at most"
        raise WrongVariable("is no name of a variable", right)


def compiled(value: object) -> Value | Template:
    """Read a variable as it stands in the settings; raises ``WrongVariable``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not abs(value) <= _LARGEST:  # NaN is not, either
            raise WrongVariable(f"is {value}", "write a number that JSON can hold, or a text")
        return value
    if not isinstance(value, str):
        right = 'write a text, a number, or true or false; a date is a text: "2026-01-31"'
        raise WrongVariable(f"is {_kind(value)}", right)
    if len(value) > MOST_CHARACTERS:
        wrong = f"has {len(value)} characters"
        raise WrongVariable(wrong, f"write {MOST_CHARACTERS} at most")
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
            right = 'write "$$" for a dollar, or "${source}", or "${source|default}"'
            raise WrongVariable('has a "$" that begins no placeholder', right)
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
        return reader(source)
    except ValueError as error:
        wrong = f'"${{{source}}}" is nothing that a call has'
        raise WrongVariable(wrong, str(error)) from None


def by_default(variable: Value | Template) -> Value | None:
    """Give what a variable is where the call brings nothing, None where it is left out then."""
    if not isinstance(variable, tuple):
        return variable
    texts = [part if isinstance(part, str) else part.default for part in variable]
    return "".join(text for text in texts if text is not None) if None not in texts else None


class CallVariables:
    """The variables of all calls: a number's win over its trunk's, and those over everybody's.

    ``by_trunk`` and ``by_number`` have a table for each name or number that has one.  The tables
    hold what ``compiled`` takes; raises ``WrongVariable``.
    """

    def __init__(
        self,
        of_all: Mapping[str, Value] | None = None,
        by_trunk: Mapping[str, Mapping[str, Value]] | None = None,
        by_number: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> None:
        self._of_all = _templates(of_all or {})
        self._by_trunk = {
            trunk: self._of_all | _templates(table) for trunk, table in (by_trunk or {}).items()
        }
        self._by_number = {
            number: _templates(table) for number, table in (by_number or {}).items() if table
        }

    def of(self, invite: Request, facts: Facts, number: str) -> dict[str, Value]:
        """Fill the variables of a call to ``number``, as it stands in the settings."""
        templates = self._by_trunk.get(facts.trunk, self._of_all)
        if own := self._by_number.get(number):
            templates = templates | own
        return _filled(templates, invite, facts) if templates else {}


def _templates(table: Mapping[str, Value]) -> Templates:
    return {name: compiled(value) for name, value in table.items()}


def _filled(templates: Templates, invite: Request, facts: Facts) -> dict[str, Value]:
    found: dict[str, Value] = {}
    room = MOST_IN_ALL
    for name, template in templates.items():
        value = _text(template, invite, facts) if isinstance(template, tuple) else template
        if value is None:
            continue
        size = len(name) + (len(value) if isinstance(value, str) else 8)
        if size <= room:
            found[name] = value
            room -= size
    return found


def _text(template: Template, invite: Request, facts: Facts) -> str | None:
    """Fill a text; None where something is missing that has no default, or it is too long."""
    texts = []
    for part in template:
        if isinstance(part, str):
            texts.append(part)
        elif (text := _read(part, invite, facts)) is not None:
            texts.append(text)
        else:
            return None
    filled = "".join(texts)
    return filled if len(filled) <= MOST_CHARACTERS else None


def _read(placeholder: Placeholder, invite: Request, facts: Facts) -> str | None:
    try:
        text = placeholder.read(invite, facts)
    except ValueError:  # malformed
        text = None
    return text if text and len(text) <= MOST_CHARACTERS else placeholder.default
