"""Asking the API whether the agents of the settings exist, and what they want to be told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from sip_stager.cli.declared import mapped, mismatches, named
from sip_stager.config.agents import places_of
from sip_stager.config.mistakes import dotted
from sip_stager.staging.agent import Agent
from sip_stager.staging.outcome import in_words
from sip_stager.staging.rounded import RoundedApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from sip_stager.config import Settings
    from sip_stager.config.agents import AgentKey
    from sip_stager.config.mistakes import Location

_AT_ONCE = 8  # questions under way: quick for a few hundred agents, gentle on the API's limits
_PATIENCE = 10.0  # seconds for one agent
_BODY_MOST = 4 * 1024 * 1024  # bytes; an agent's record holds its prompts
_SHOWN = 50  # variables that do not fit


def check_agents(settings: Settings, console: Console) -> tuple[str, ...]:
    """Fetch each mapped agent once, print what they are, and give what is wrong, in words."""
    places = places_of(settings)
    answers = asyncio.run(_fetch(settings, tuple(places), console))
    console.print(_table(settings, answers))
    agents = {key: answer for key, answer in answers.items() if isinstance(answer, Agent)}
    unfit = list(mismatches(settings, agents))
    for lines in (list(_missing(settings, answers, places)), unfit):
        for line in lines[:_SHOWN]:
            console.print(line, style="red", soft_wrap=True)
        if len(lines) > _SHOWN:
            console.print(f"... and {len(lines) - _SHOWN} more")
    return tuple(_complaints(all_there=len(agents) == len(answers), all_fit=not unfit))


def _table(settings: Settings, answers: Mapping[AgentKey, Agent | str]) -> Table:
    """Tabulate the agents; one whose versions give the same answer stands there once."""
    table = Table(title="The agents, as the API knows them", title_justify="left", box=None)
    for heading in ("agent", "numbers", "name", "version", "language", "variables"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "agent")
    numbers = mapped(settings)
    shown: dict[tuple[str, str], tuple[tuple[Text, ...], set[int]]] = {}
    for key, answer in answers.items():
        _, of_agent = shown.setdefault((key[0], repr(answer)), (tuple(_cells(answer)), set()))
        of_agent.update(index for index, _ in numbers.get(key, ()))
    for (agent_id, _), (cells, of_agent) in shown.items():
        table.add_row(agent_id, str(len(of_agent) or "policy"), *cells)
    return table


def _missing(
    settings: Settings, answers: Mapping[AgentKey, Agent | str], places: Mapping[AgentKey, Location]
) -> Iterator[str]:
    """Say where the agents stand that could not be fetched."""
    for key, answer in answers.items():
        if isinstance(answer, str):
            version = f", version {key[1]}" if key[1] else ""
            where = f"{settings.place(places[key])}: {dotted(places[key])}"
            yield f"{where}: {answer} ({named([key[0]])}{version})"


def _complaints(*, all_there: bool, all_fit: bool) -> Iterator[str]:
    if not all_there:
        yield "Some agents could not be fetched: see below the table."
    if not all_fit:
        yield "Some variables do not fit their agents: see below the table."


def _cells(answer: Agent | str) -> Iterator[Text]:
    if isinstance(answer, str):
        yield Text(answer, style="red")
        return
    declared = answer.variables or {}
    variables = ", ".join(f"{name} ({type_})" for name, type_ in declared.items())
    for text in (answer.name, answer.version, answer.language, variables):
        yield Text(text)


async def _fetch(
    settings: Settings, agents: tuple[AgentKey, ...], console: Console
) -> dict[AgentKey, Agent | str]:
    """Return each agent, or in words why there is none."""
    free = asyncio.Semaphore(_AT_ONCE)
    api = RoundedApi(
        settings.api.base_url,
        settings.api.key,
        connections=_AT_ONCE,
        body_most=_BODY_MOST,
    )
    async with api:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("asking the API", total=len(agents))

            async def ask(key: AgentKey) -> Agent | str:
                async with free:
                    answer = await _ask(api, key)
                progress.advance(task)
                return answer

            answers = await asyncio.gather(*map(ask, agents))
    return dict(zip(agents, answers, strict=True))


async def _ask(api: RoundedApi, key: AgentKey) -> Agent | str:
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await api.agent(*key)
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    return answer if isinstance(answer, Agent) else in_words(answer)
