"""The platform's own list of numbers, fetched once and compared with the settings."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.assembly.staging import make_list_api
from sip_stager.platform.number_list import fetch_number_list
from sip_stager.platform.outcome import describe_failure
from sip_stager.trunks.platform_numbers import PlatformNumbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings

_SHOWN = 50  # numbers that differ


def fetch_numbers(settings: Settings) -> PlatformNumbers | str:
    """Fetch the list and return it, or the reason why it could not be fetched."""

    async def fetch() -> PlatformNumbers | str:
        async with make_list_api(settings) as api:
            answer = await fetch_number_list(api)
        return answer if isinstance(answer, PlatformNumbers) else describe_failure(answer)

    return asyncio.run(fetch())


def listed_agents(settings: Settings, table: PlatformNumbers | str) -> dict[str, list[str]]:
    """Return the agents that only the platform's list maps, each with its numbers."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    if isinstance(table, PlatformNumbers) and settings.api.numbers_refresh_interval:
        own = settings.agents
        for number, row in table.rows.items():
            for share in row.shares if number not in own else ():
                found[share.agent].append(number)
    return dict(found)


class NumbersReport(NamedTuple):
    """What the platform's list has: ``problems``, and ``parts``, the lines to show."""

    problems: tuple[str, ...]
    parts: tuple[str, ...]


def check_numbers(settings: Settings, table: PlatformNumbers | str) -> NumbersReport:
    """Report what the platform's list has, and where the settings differ from it."""
    lines = tuple(_shown(settings, table))
    if isinstance(table, str) and settings.api.numbers_refresh_interval:
        # Without the list, calls to numbers that only the platform maps are refused.
        where = settings.place(("api", "numbers_refresh_interval"))
        return NumbersReport((f"{where}: api.numbers_refresh_interval: {lines[0]}",), lines[1:])
    return NumbersReport((), lines)


def _shown(settings: Settings, table: PlatformNumbers | str) -> Iterator[str]:
    off = (
        ""
        if settings.api.numbers_refresh_interval
        else " ([api] numbers_refresh_interval is 0: they are not used)"
    )
    if isinstance(table, str):
        yield f"the platform's numbers could not be fetched: {table}{off}"
        return
    counts = ", ".join(f"{use.replace('_', ' ')} {count}" for use, count in table.counts.items())
    yield f"The platform's numbers: {counts}{off}"
    yield from table.problems
    different = list(_different(settings, table))
    yield from different[:_SHOWN]
    if len(different) > _SHOWN:
        yield f"... and {len(different) - _SHOWN} more"


def _different(settings: Settings, table: PlatformNumbers) -> Iterator[str]:
    """Yield the numbers that the settings map to another agent than the platform does."""
    for number, agents in settings.agents.items():
        row = table.rows.get(number)
        if row is not None and not any(share.agent in agents for share in row.shares):
            says = f"has {row.shares[0].agent}" if row.shares else "redirects it"
            yield f"{number}: the platform {says}; the settings win, with {', '.join(agents)}"
