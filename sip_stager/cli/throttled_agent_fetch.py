"""Fetching many agents: a few at a time, within the API's rate limit, and not from a dead API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.progress import Progress

from sip_stager.platform.agent import AgentRecord
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.background_timeout import answer_within
from sip_stager.platform.outcome import ApiUnreachable, Refused, TimedOut, describe_failure

if TYPE_CHECKING:
    from rich.console import Console

    from sip_stager.config import Settings
    from sip_stager.config.mentioned_agents import AgentKey
    from sip_stager.platform.outcome import Failure

AT_ONCE = 8
"""Requests in parallel: fast enough for a few hundred agents, and below the API's rate limit."""

_TIMEOUT = 10.0  # seconds for one agent
_MAX_BODY = 4 * 1024 * 1024  # bytes; an agent's record holds its prompts
_MAX_TRIES = 3  # per agent, while the API is busy
_RETRY_DELAY = 1.0  # seconds, if a busy API sends no Retry-After
_MAX_RETRY_DELAY = 10.0  # seconds; a longer Retry-After is cut to it


def fetch_agents(
    settings: Settings, agents: tuple[AgentKey, ...], console: Console
) -> dict[AgentKey, AgentRecord | str]:
    """Return each agent, or the reason why it could not be fetched; shows a progress bar."""
    return asyncio.run(_fetch(settings, agents, console))


async def _fetch(
    settings: Settings, agents: tuple[AgentKey, ...], console: Console
) -> dict[AgentKey, AgentRecord | str]:
    async with RoundedApi(
        settings.api.base_url,
        settings.api.key,
        connections=AT_ONCE,
        max_body_bytes=_MAX_BODY,
    ) as api:
        fetcher = _AgentFetcher(api)
        disabled = not console.is_terminal  # else the bar leaves an empty line
        with Progress(console=console, transient=True, disable=disabled) as progress:
            task = progress.add_task("fetching agents", total=len(agents))

            async def ask(key: AgentKey) -> AgentRecord | str:
                answer = await fetcher.fetch(key)
                progress.advance(task)
                return answer

            answers = await asyncio.gather(*map(ask, agents))
    return dict(zip(agents, answers, strict=True))


class _AgentFetcher:
    """Fetches agents until as many requests in a row as run in parallel got no answer.

    A dead API then costs the timeout of ``AT_ONCE`` requests, not of one request per agent.
    """

    def __init__(self, api: RoundedApi) -> None:
        self._api = api
        self._free = asyncio.Semaphore(AT_ONCE)
        self._unanswered = 0

    async def fetch(self, key: AgentKey) -> AgentRecord | str:
        """Return the agent, or the reason why it could not be fetched."""
        async with self._free:
            if self._unanswered >= AT_ONCE:
                return f"not fetched: the API did not answer {AT_ONCE} requests in a row"
            answer = await self._fetch_with_retries(key)
        # A 4xx is an answer: only timeouts, lost connections and a busy API count.
        unanswered = isinstance(answer, TimedOut | ApiUnreachable) or _is_busy(answer)
        self._unanswered = self._unanswered + 1 if unanswered else 0
        return answer if isinstance(answer, AgentRecord) else describe_failure(answer)

    async def _fetch_with_retries(self, key: AgentKey) -> AgentRecord | Failure:
        # Retries are safe: reading an agent changes nothing.
        for _ in range(_MAX_TRIES - 1):
            answer = await self._fetch_once(key)
            if not (isinstance(answer, Refused) and _is_busy(answer)):
                return answer
            await asyncio.sleep(min(answer.retry_after or _RETRY_DELAY, _MAX_RETRY_DELAY))
        return await self._fetch_once(key)

    async def _fetch_once(self, key: AgentKey) -> AgentRecord | Failure:
        return await answer_within(_TIMEOUT, self._api.agent(*key))


def _is_busy(answer: AgentRecord | Failure) -> bool:
    return isinstance(answer, Refused) and answer.http_status in {429, 503}
