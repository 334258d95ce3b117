"""The questions of ``check --online``: to the resolver, the upstreams and the API."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sip_stager.cli.name_lookup import find_unresolved_names
from sip_stager.cli.platform_numbers_report import check_numbers, fetch_numbers, listed_agents
from sip_stager.cli.settings_dump import SHOWN
from sip_stager.cli.throttled_agent_fetch import fetch_agents
from sip_stager.cli.upstream_check import ask_upstreams
from sip_stager.cli.variable_types import find_mismatches, format_agents, map_agents
from sip_stager.config.errors import format_location
from sip_stager.config.mentioned_agents import locate_agents
from sip_stager.platform.agent import AgentRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from sip_stager.config import Settings
    from sip_stager.config.mentioned_agents import AgentKey

    Found = Mapping[str, Sequence[str]]

MAX_LISTED_AGENTS = 1_000
"""Limit of agents that are fetched because the platform's list alone has them."""


@dataclass
class OnlineReport:
    """The answers: ``problems`` are lines of text, ``parts`` are printed as they are."""

    problems: tuple[str, ...] = ()
    parts: tuple[RenderableType, ...] = ()


def ask(
    settings: Settings, console: Console, *, every: bool, with_key: bool = True
) -> OnlineReport:
    """Look up the names, ask the upstreams and the API; prints nothing but a progress bar.

    The API is not asked without its key, which ``with_key`` takes for a problem.
    """
    has_key = bool(settings.api.key)
    unreachable, answering = ask_upstreams(settings)
    names = find_unresolved_names(settings, with_api=not has_key)
    api = _ask_api(settings, console, every=every) if has_key else _not_asked(with_key=with_key)
    shown = (*answering, "") if answering else ()
    return OnlineReport((*names, *unreachable, *api.problems), (*shown, *api.parts))


def _not_asked(*, with_key: bool) -> OnlineReport:
    if with_key:
        return OnlineReport(("the API was not asked: its key cannot be read here",))
    return OnlineReport(parts=("The API was not asked (--without-key).", ""))


def _ask_api(settings: Settings, console: Console, *, every: bool) -> OnlineReport:
    table = fetch_numbers(settings)
    numbers = check_numbers(settings, table)
    agents = check_agents(settings, listed_agents(settings, table), console, every=every)
    return OnlineReport(
        (*numbers.problems, *agents.problems),
        (*numbers.parts, "", *agents.parts, ""),
    )


def check_agents(
    settings: Settings, found: Found, console: Console, *, every: bool = False
) -> OnlineReport:
    """Fetch each mapped agent once, and compare the variables with those that it declares.

    ``found`` are the agents that the platform's list maps, with their numbers; with ``every`` all
    agents are shown, not only the first.
    """
    places = _places(settings, found)
    answers = fetch_agents(settings, tuple(places), console)
    agents = {key: answer for key, answer in answers.items() if isinstance(answer, AgentRecord)}
    problems = [
        *_first(_missing(answers, places)),
        *_first(find_mismatches(settings, agents, found)),
    ]
    parts = [*_tabulated(_rows(settings, found, answers), every=every)]
    if left_out := len(found.keys() - {agent_id for agent_id, _ in places}):
        parts.append(f"{left_out} more agents of the platform's list were not fetched.")
    return OnlineReport(tuple(problems), tuple(parts))


def _first(problems: Iterator[str]) -> Iterator[str]:
    """Yield the first problems, so that a broken list of thousands hides no others."""
    yield from islice(problems, SHOWN)
    if rest := sum(1 for _ in problems):
        yield f"... and {rest} more like these"


def _places(settings: Settings, found: Found) -> dict[AgentKey, str]:
    """Return the agents to fetch, each with its place in the settings."""
    places = {
        key: f"{settings.place(place)}: {format_location(place)}"
        for key, place in locate_agents(settings).items()
    }
    new = [agent_id for agent_id in found if (agent_id, None) not in places]
    for agent_id in islice(new, MAX_LISTED_AGENTS):
        places[agent_id, None] = f"the platform's number {found[agent_id][0]}"
    return places


def _tabulated(rows: Sequence[Sequence[str | Text]], *, every: bool) -> Iterator[RenderableType]:
    table = Table(title="The agents, as the API knows them", title_justify="left", box=None)
    for heading in ("agent", "numbers", "name", "version", "language", "variables"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "agent")
    shown = rows if every else rows[:SHOWN]
    for row in shown:
        table.add_row(*row)
    yield table
    if len(shown) < len(rows):
        yield f"... and {len(rows) - len(shown)} more (--all shows them)"


def _rows(
    settings: Settings, found: Found, answers: Mapping[AgentKey, AgentRecord | str]
) -> list[tuple[str | Text, ...]]:
    """Return a row per agent; versions for which the API gives the same answer share one."""
    numbers = map_agents(settings)
    shown: dict[tuple[str, str], set[int | str]] = {}
    cells: dict[tuple[str, str], tuple[Text, ...]] = {}
    for key, answer in answers.items():
        same = key[0], repr(answer)
        cells[same] = tuple(_cells(answer))
        of_agent = shown.setdefault(same, set())
        of_agent.update(index for index, _ in numbers.get(key, ()))
        of_agent.update(found.get(key[0], ()) if key[1] is None else ())
    return [
        (same[0], str(len(of_agent) or "policy"), *cells[same]) for same, of_agent in shown.items()
    ]


def _missing(
    answers: Mapping[AgentKey, AgentRecord | str], places: Mapping[AgentKey, str]
) -> Iterator[str]:
    """Yield a line for each agent that could not be fetched: its place, and why."""
    for key, answer in answers.items():
        if isinstance(answer, str):
            version = f", version {key[1]}" if key[1] else ""
            yield f"{places[key]}: {answer} ({format_agents([key[0]])}{version})"


def _cells(answer: AgentRecord | str) -> Iterator[Text]:
    if isinstance(answer, str):
        yield Text(answer, style="red")
        return
    declared = answer.variables or {}
    variables = ", ".join(f"{name} ({type_})" for name, type_ in declared.items())
    for text in (answer.name, answer.version, answer.language, variables):
        yield Text(text)
