"""What came of the demo's calls, in a sentence each and in a table."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.demo.scene_result import Result

_WORDY = re.compile(r" (Request|Service|Temporarily)\b")


def summary(results: Iterable[Result]) -> Table:
    """Put all scenes side by side."""
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", safe_box=True)
    for name in ("call", "the caller got", "rang after", "id at agent", "verdict"):
        table.add_column(name, justify="right" if name == "rang after" else "left")
    for result in results:
        table.add_row(*_row(result))
    return table


def story(result: Result) -> str:
    """Tell in a sentence what was shown, with what was measured of the last call."""
    last = result.calls[-1]
    rang = last.heard.rings_after or 0.0
    return result.scene.shown.format(
        rang=_seconds(rang),
        warming=_seconds(result.warming),
        rest=f"{(rang - result.warming) * 1000:.1f} ms",
        over=_seconds(last.heard.over_after),
        cause=last.cause,
        asked=", ".join(f"{agent[:8]}..." for agent in result.asked),
        told=", ".join(f"{name} = {toml(value)}" for name, value in result.told.items()),
    )


def toml(value: Any) -> str:
    """Write a value of the settings as it stands in a file."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def _row(result: Result) -> tuple[str | Text, ...]:
    last = result.calls[-1]
    rang = last.heard.rings_after
    staged_id = last.ids[-1] if last.ids else ""
    return (
        result.scene.title,
        _finals(result),
        "-" if rang is None else _seconds(rang),
        f"{staged_id[:8]}..." if staged_id else "none" if last.reached else "-",
        Text("DIFFERS", "bold red") if result.differences else Text("as expected", "green"),
    )


def _finals(result: Result) -> str:
    finals = [call.heard.final for call in result.calls]
    if len(finals) > 1:
        runs = [(status, len([*same])) for status, same in groupby(final[:3] for final in finals)]
        return ", ".join(status if times == 1 else f"{times}x {status}" for status, times in runs)
    return _WORDY.sub("", finals[0])


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
