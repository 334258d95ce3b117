"""Asking the API whether the agents of the settings exist, and what they want to be told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from sip_stager.cli.declared import mapped, mismatches
from sip_stager.config.agents import AgentKey, agents_of
from sip_stager.staging.agent import Agent
from sip_stager.staging.outcome import in_words
from sip_stager.staging.rounded import RoundedApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from sip_stager.config import Settings

_AT_ONCE = 8  # questions under way: quick for a few hundred agents, gentle on the API's limits
_PATIENCE = 10.0  # seconds for one agent
_BODY_MOST = 4 * 1024 * 1024  # bytes; an agent's record holds its prompts
_SHOWN = 50  # variables that do not fit


def check_agents(settings: Settings, console: Console) -> tuple[str, ...]:
    """Fetch each mapped agent once, print what they are, and give what is wrong, in words."""
    numbers = mapped(settings)
    answers = asyncio.run(_fetch(settings, agents_of(settings), console))
    table = Table(title="The agents, as the API knows them", title_justify="left", box=None)
    for heading in ("agent", "numbers", "name", "version", "language", "variables"):
        table.add_column(heading, overflow="fold")
    for key, answer in answers.items():
        table.add_row(key[0], str(len(numbers.get(key, ()))), *_cells(answer))
    console.print(table)
    agents = {key: answer for key, answer in answers.items() if isinstance(answer, Agent)}
    unfit = list(mismatches(settings, agents))
    for line in unfit[:_SHOWN]:
        console.print(line, style="red", soft_wrap=True)
    if len(unfit) > _SHOWN:
        console.print(f"... and {len(unfit) - _SHOWN} more")
    return tuple(_complaints(all_there=len(agents) == len(answers), all_fit=not unfit))


def _complaints(*, all_there: bool, all_fit: bool) -> Iterator[str]:
    if not all_there:
        yield "Some agents could not be fetched: see the table."
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
