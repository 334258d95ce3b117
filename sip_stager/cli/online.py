"""Asking the API whether the agents of the settings exist."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from sip_stager.staging.agent import Agent
from sip_stager.staging.rounded import RoundedApi

if TYPE_CHECKING:
    from rich.console import Console

    from sip_stager.config import Settings

_AT_ONCE = 8  # questions under way: quick for a few hundred agents, gentle on the API's limits
_PATIENCE = 10.0  # seconds for one agent
_BODY_MOST = 4 * 1024 * 1024  # bytes; an agent's record holds its prompts


def check_agents(settings: Settings, console: Console) -> bool:
    """Fetch each mapped agent once, print a table, and tell whether all of them are there."""
    numbers = Counter(str(row.agent) for row in settings.numbers)
    answers = asyncio.run(_fetch(settings, list(numbers), console))
    table = Table(title="The agents, as the API knows them", title_justify="left", box=None)
    for heading in ("agent", "numbers", "name", "version", "language"):
        table.add_column(heading, overflow="fold")
    for agent_id, answer in answers.items():
        count = str(numbers[agent_id])
        if isinstance(answer, Agent):
            table.add_row(
                agent_id, count, Text(answer.name), Text(answer.version), Text(answer.language)
            )
        else:
            table.add_row(agent_id, count, Text(answer, style="red"))
    console.print(table)
    return all(isinstance(answer, Agent) for answer in answers.values())


async def _fetch(settings: Settings, agents: list[str], console: Console) -> dict[str, Agent | str]:
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

            async def ask(agent_id: str) -> Agent | str:
                async with free:
                    answer = await _ask(api, agent_id)
                progress.advance(task)
                return answer

            answers = await asyncio.gather(*map(ask, agents))
    return dict(zip(agents, answers, strict=True))


async def _ask(api: RoundedApi, agent_id: str) -> Agent | str:
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await api.agent(agent_id)
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    if isinstance(answer, Agent):
        return answer
    status = f"HTTP {answer.http_status}: " if answer.http_status else ""
    return f"{status}{answer.text}"
