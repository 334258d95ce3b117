"""Fetching many agents: some at a time, in step with the API's limits, and not from a dead one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.progress import Progress

from sip_stager.platform.agent import Agent
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import OverTime, Refused, Unreachable, in_words

if TYPE_CHECKING:
    from rich.console import Console

    from sip_stager.config import Settings
    from sip_stager.config.agents import AgentKey
    from sip_stager.platform.outcome import Failure

AT_ONCE = 8
"""Questions under way: quick for a few hundred agents, gentle on the API's limits."""

_PATIENCE = 10.0  # seconds for one agent
_BODY_MOST = 4 * 1024 * 1024  # bytes; an agent's record holds its prompts
_TRIES = 3  # for an agent, where the API is busy
_PAUSE = 1.0  # seconds, where a busy API asks for none
_LONGEST = 10.0  # seconds that a Retry-After may ask for


def fetched_agents(
    settings: Settings, agents: tuple[AgentKey, ...], console: Console
) -> dict[AgentKey, Agent | str]:
    """Return each agent, or in words why there is none; shows how far it has come."""
    return asyncio.run(_fetch(settings, agents, console))


async def _fetch(
    settings: Settings, agents: tuple[AgentKey, ...], console: Console
) -> dict[AgentKey, Agent | str]:
    async with RoundedApi(
        settings.api.base_url,
        settings.api.key,
        connections=AT_ONCE,
        body_most=_BODY_MOST,
    ) as api:
        questions = _Questions(api)
        disabled = not console.is_terminal  # else the bar leaves an empty line
        with Progress(console=console, transient=True, disable=disabled) as progress:
            task = progress.add_task("asking the API", total=len(agents))

            async def ask(key: AgentKey) -> Agent | str:
                answer = await questions.ask(key)
                progress.advance(task)
                return answer

            answers = await asyncio.gather(*map(ask, agents))
    return dict(zip(agents, answers, strict=True))


class _Questions:
    """Asks until the API has left as many in a row without an answer as are asked at once."""

    def __init__(self, api: RoundedApi) -> None:
        self._api = api
        self._free = asyncio.Semaphore(AT_ONCE)
        self._in_vain = 0

    async def ask(self, key: AgentKey) -> Agent | str:
        """Give the agent, or in words why there is none."""
        async with self._free:
            if self._in_vain >= AT_ONCE:
                return f"not asked for: the API gave no answer to {AT_ONCE} questions in a row"
            answer = await self._patiently(key)
        vain = isinstance(answer, OverTime | Unreachable) or _is_busy(answer)
        self._in_vain = self._in_vain + 1 if vain else 0
        return answer if isinstance(answer, Agent) else in_words(answer)

    async def _patiently(self, key: AgentKey) -> Agent | Failure:
        for _ in range(_TRIES - 1):
            answer = await self._once(key)
            if not (isinstance(answer, Refused) and _is_busy(answer)):
                return answer
            await asyncio.sleep(min(answer.retry_after or _PAUSE, _LONGEST))
        return await self._once(key)

    async def _once(self, key: AgentKey) -> Agent | Failure:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._api.agent(*key)
        except TimeoutError:
            return OverTime(f"no answer within {_PATIENCE:g} s")


def _is_busy(answer: Agent | Failure) -> bool:
    return isinstance(answer, Refused) and answer.http_status in {429, 503}
