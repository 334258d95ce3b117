"""What callers get when their call can not be staged, shown to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sip_stager.assembly import make_terms
from sip_stager.config.policy import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings
    from sip_stager.ports import Policy, Treatment

_REST = "all others"
_MOST_ROWS = 50


def failures(settings: Settings) -> Table:
    """Tabulate trunk, number and cause; numbers without a policy of their own share a row."""
    table = Table(title="When a call is not staged", title_justify="left", box=None, pad_edge=False)
    for heading in ("trunk", "called number", *CAUSES, "once it rang", "rings"):
        table.add_column(heading, overflow="fold")
    terms_of = make_terms(settings)
    for trunk, number in _rows(settings):
        policy = terms_of(trunk, number).policy
        cells = (text for _, text in fallbacks(policy))
        table.add_row(trunk, *map(Text, (number, *cells, _ringing(policy))))
    return table


def fallbacks(policy: Policy) -> Iterator[tuple[str, str]]:
    """Say what a call gets by the cause of its failure, and once it rang."""
    for cause in CAUSES:
        yield cause, _written(policy, policy.treatments.get(cause, ()))
    after = _written(policy, policy.after_ringing) if policy.after_ringing else "the same"
    yield "once it rang", after


def _rows(settings: Settings) -> Iterator[tuple[str, str]]:
    own = [row.number for row in settings.numbers if row.policy.model_fields_set][:_MOST_ROWS]
    for trunk in settings.trunks:
        for number in own:
            yield trunk.name, number
        yield trunk.name, _REST


def _written(policy: Policy, treatments: tuple[Treatment, ...]) -> str:
    coded = [
        replace(one, status=policy.refusal) if one.kind == "refuse" and not one.status else one
        for one in treatments
    ]
    return ", then ".join(map(str, coded)) or f"refuse {policy.refusal}"


def _ringing(policy: Policy) -> str:
    return f"{policy.ringing} after {policy.ring_after:g} s" if policy.ringing else "never"
