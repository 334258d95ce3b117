"""The settings in effect, as lines of text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from rich.text import Text

from sip_stager.config.tables.api import Api
from sip_stager.config.tables.peers import Listener
from sip_stager.config.tables.policy import DEFAULTS, CallPolicy
from sip_stager.config.tables.settings import TABLES
from sip_stager.config.tables.trunk import Trunk
from sip_stager.model.call import Treatment
from sip_stager.sip.uri import bracketed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import BaseModel

    from sip_stager.config import MappedNumber, Number, Settings

SHOWN = 50
"""Numbers that are shown without --all."""


def describe_settings(settings: Settings, *, every: bool) -> Iterator[Text]:
    """Yield the settings as lines of TOML, each with its origin if that is not the file.

    Keys at their defaults are left out, unless ``every`` key is wanted.
    """
    for name in TABLES:
        if name == "numbers":
            continue
        value = getattr(settings, name)
        array = isinstance(value, tuple)
        for table in value if array else (value,):
            yield from _table(f"[[{name}]]" if array else f"[{name}]", _lines(table, every=every))
    variables = (Text(_assigned(name, value)) for name, value in settings.variables.items())
    yield from _table("[variables]", variables)


def _table(header: str, lines: Iterable[Text]) -> Iterator[Text]:
    """Yield a table with its header, or nothing if it has no lines."""
    if lines := list(lines):
        yield from (Text(header, style="bold"), *lines, Text())


def _lines(table: BaseModel, *, every: bool) -> Iterator[Text]:
    for name, field in type(table).model_fields.items():
        value, origin = _in_effect(table, name)
        if not every and (value is None or origin == "default" or value == field.default):
            continue
        if value is None:
            yield Text(f"# {name} is not set", style="dim")
        elif isinstance(value, SecretStr):
            if value:
                yield Text("# the API key was found, and is not shown", style="green")
            else:
                yield Text("# the API key was not looked for, or is not readable here")
        elif name == "key_file" and isinstance(table, Api) and not table.key:
            # Without a look into it, nobody knows that it is a path and not the key itself.
            yield Text("# key_file is set, and is not shown")
        else:
            note = f"  # {origin}" if origin else ""
            yield Text(f"{name} = {_toml(value)}{note}", style="dim" if origin else "")


def _in_effect(table: BaseModel, name: str) -> tuple[Any, str]:
    """Return the value of a key, and its origin if it does not stand in the file."""
    value = getattr(table, name)
    written = name in table.model_fields_set
    if isinstance(table, Trunk) and table.profile:
        profile = f'profile "{table.profile}"'
        if name == "policy":
            own = _written(value)
            added = {
                key: each for key, each in _written(table.carrier.policy).items() if key not in own
            }
            return own | added, f"{', '.join(added)}: {profile}" if added else ""
        if name in table.carrier.keys and not written:
            return value, profile
    if isinstance(table, Listener) and name == "advertise" and table.advertise_env:
        return value, f"${table.advertise_env}"
    if isinstance(table, CallPolicy) and value is None:
        value = getattr(DEFAULTS, name)
    return value, "" if written else "default"


def _written(policy: CallPolicy) -> dict[str, Any]:
    names = type(policy).model_fields
    return {name: getattr(policy, name) for name in names if name in policy.model_fields_set}


def _assigned(name: str, value: Any) -> str:
    return f"{json.dumps(name) if '.' in name else name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], Treatment):
        value = value[0]
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, CallPolicy):
        value = _written(value)
    if isinstance(value, dict):
        return f"{{{', '.join(_assigned(*each) for each in value.items())}}}"
    return json.dumps(value if isinstance(value, int | float | str) else str(value))


def describe_numbers(settings: Settings, rows: Sequence[MappedNumber]) -> Iterator[Text]:
    """Yield what happens to a call to each number, one agent per line (to be searched)."""
    yield Text(
        f"What each number does: staged ({settings.api.mode}) for its agent, then forwarded as"
    )
    yield Text(f"  {_target(settings)}")
    width = max((len(row.number) for row in rows), default=0)
    for row in rows:
        for agent in describe_agents(row.table):
            yield Text(f"{row.number:<{width}}  {agent}")


def describe_agents(number: Number) -> Iterator[str]:
    """Yield the agents that answer a number, each with its weight and its hours."""
    for share in number.shares:
        weight = f"weight {share.weight}" if len(number.shares) > 1 else ""
        when = [*share.days, *share.hours, number.timezone or ""] if share.timed else []
        details = ", ".join(filter(None, (weight, " ".join(when))))
        yield f"{share.agent} ({details})" if details else str(share.agent)


def _target(settings: Settings) -> str:
    """Return the Request-URI that the upstream gets, and where it is sent."""
    upstream = settings.upstream
    backups = f", then {len(upstream.backups)} more" if upstream.backups else ""
    way = f"{bracketed(upstream.host)}:{upstream.port} over {upstream.transport.upper()}{backups}"
    match upstream.request_uri:
        case "keep":
            return f"the Request-URI as dialled, to {way}"
        case "rewrite":
            return f"sip:<user as dialled>@{way}"
        case "e164":
            return f"sip:<called number>@{way}"
