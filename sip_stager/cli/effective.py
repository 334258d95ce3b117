"""Settings as they are in effect, shown to a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from rich.table import Table
from rich.text import Text

from sip_stager.config.models import TABLES
from sip_stager.config.policy import CallPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel

    from sip_stager.config import Number, Settings

SHOWN = 50
"""Rows of the table of numbers, unless all are asked for."""


def effective(settings: Settings) -> Iterator[Text]:
    """Give the settings line by line, as TOML; what is a default or follows from others says so."""
    for name in TABLES:
        if name == "numbers":
            continue
        value = getattr(settings, name)
        array = isinstance(value, tuple)
        for table in value if array else (value,):
            yield Text(f"[[{name}]]" if array else f"[{name}]", style="bold")
            yield from _lines(table, type(table).model_fields)
            yield Text()
    yield Text("[variables]", style="bold")
    yield from (Text(_assigned(name, value)) for name, value in settings.variables.items())
    yield Text()


def _lines(table: BaseModel, names: Iterable[str]) -> Iterator[Text]:
    for name in names:
        value = getattr(table, name)
        default = name not in table.model_fields_set
        if value is None:
            yield Text(f"# {name} is not set", style="dim")
        elif isinstance(value, SecretStr):
            yield Text("# the API key was found, and is not shown", style="green")
        else:
            note = "  # default" if default else ""
            yield Text(f"{name} = {_toml(value)}{note}", style="dim" if default else "")


def _assigned(name: str, value: Any) -> str:
    return f"{json.dumps(name) if '.' in name else name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, CallPolicy):
        value = {name: getattr(value, name) for name in value.model_fields_set}
    if isinstance(value, dict):
        return f"{{{', '.join(_assigned(*each) for each in value.items())}}}"
    return json.dumps(value if isinstance(value, int | float | str) else str(value))


def plan(settings: Settings, rows: Iterable[Number]) -> Table:
    """Tabulate what becomes of a call to each number, dialled as it stands in the table."""
    table = Table(title="What each number does", title_justify="left", box=None, pad_edge=False)
    for heading in ("called number", "agent", "mode", "goes on as"):
        table.add_column(heading, overflow="fold", style="" if heading == "agent" else None)
    for row in rows:
        target = _target(settings, row.number)
        table.add_row(Text(row.number), "\n".join(answering(row)), settings.api.mode, Text(target))
    return table


def answering(row: Number) -> Iterator[str]:
    """Name the agents that answer a number, each with its part in the calls and its time."""
    for share in row.shares:
        weight = f"weight {share.weight}" if len(row.shares) > 1 else ""
        when = [*share.days, *share.hours, row.timezone or ""] if share.timed else []
        details = ", ".join(filter(None, (weight, " ".join(when))))
        yield f"{share.agent} ({details})" if details else str(share.agent)


def _target(settings: Settings, number: str) -> str:
    """Return the Request-URI that the upstream gets, and where it is sent."""
    upstream = settings.upstream
    backups = f", then {len(upstream.backups)} more" if upstream.backups else ""
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    way = f"{host}:{upstream.port} over {upstream.transport.upper()}{backups}"
    if upstream.request_uri == "keep":
        return f"the Request-URI as dialled, to {way}"
    return f"sip:{number}@{way}"
