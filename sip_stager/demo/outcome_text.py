"""The outcome of scenes: one sentence each, and a table of all."""

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

    from sip_stager.demo.scene_result import SceneResult

_LONG_WORD = re.compile(r" (Request|Service|Temporarily)\b")  # left out of reason phrases


def summary_table(results: Iterable[SceneResult]) -> Table:
    """Return a table with a row per scene."""
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", safe_box=True)
    for name in ("call", "the caller got", "rang after", "id at agent", "verdict"):
        table.add_column(name, justify="right" if name == "rang after" else "left")
    for result in results:
        table.add_row(*_row(result))
    return table


def outcome_sentence(result: SceneResult) -> str:
    """Return the outcome of a scene, with the values measured in its last call."""
    last = result.calls[-1]
    rang = last.report.rang_after or 0.0
    return result.scene.outcome.format(
        rang=_duration(rang),
        warm_up=_duration(result.warm_up_time),
        overhead=f"{(rang - result.warm_up_time) * 1000:.1f} ms",
        ended=_duration(last.report.ended_after),
        cause=last.cause,
        agents=", ".join(f"{agent[:8]}..." for agent in result.staged_agents),
        fields=", ".join(
            f"{name} = {toml_value(value)}" for name, value in result.request_fields.items()
        ),
    )


def toml_value(value: Any) -> str:
    """Return a value as it is written in a settings file."""
    if isinstance(value, dict):
        pairs = (f"{key} = {toml_value(inner)}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


def _row(result: SceneResult) -> tuple[str | Text, ...]:
    last = result.calls[-1]
    rang = last.report.rang_after
    staged_id = last.staged_ids[-1] if last.staged_ids else ""
    return (
        result.scene.title,
        _final_responses(result),
        "-" if rang is None else _duration(rang),
        f"{staged_id[:8]}..." if staged_id else "none" if last.reached else "-",
        Text("DIFFERS", "bold red") if result.differences else Text("as expected", "green"),
    )


def _final_responses(result: SceneResult) -> str:
    """Return the final response of one call, or the status codes of several."""
    finals = [call.report.final for call in result.calls]
    if len(finals) > 1:
        runs = [(status, len([*same])) for status, same in groupby(final[:3] for final in finals)]
        return ", ".join(status if times == 1 else f"{times}x {status}" for status, times in runs)
    return _LONG_WORD.sub("", finals[0])


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
