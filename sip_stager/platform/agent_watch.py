"""The mapped agents, fetched at start and again all the while, off every call's path."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from sip_stager.events import AgentStateChanged
from sip_stager.model.vocabulary import AgentState
from sip_stager.platform.agent import Agent
from sip_stager.platform.outcome import Failure, Refused
from sip_stager.platform.timeout import answer_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sip_stager.platform.agent import Declared
    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify

log = structlog.get_logger()

AT_ONCE = 4
"""Questions under way at start; afterwards one at a time."""
BODY_MOST = 1 << 20
"""Bytes of an agent's record, prompts and all; to read so many takes the loop a few ms."""
MOST_FOUND = 10_000
"""Agents that the platform's numbers bring; those past them are staged unwatched."""
_FROM_GOOD_TO_BAD = (AgentState.KNOWN, AgentState.UNKNOWN, AgentState.MISSING)

_LEAST_PAUSE = 0.1  # seconds between two questions, so that thousands of agents are no flood
_REQUEST_TIMEOUT = 10.0  # seconds for one agent
_AFTER_FAILURE = 1.0  # seconds, where the API asks for no longer ones


class AgentWatch:
    """Keeps what is known of agents; ``declared`` has their variables by their ids.

    Each of ``wanted``, an id and perhaps a version, is asked for once in ``every`` seconds, evenly
    spread; 0 asks for none.  An error of the API changes nothing that is known; only a 404 says
    that an agent is missing.  ``api`` is its own, and is closed by ``stop``.
    """

    def __init__(
        self,
        api: RoundedApi,
        wanted: Iterable[tuple[str, int | None]],
        notify: Notify,
        every: float,
    ) -> None:
        self.declared: dict[str, Declared] = {}
        self._api = api
        self._states = dict.fromkeys(wanted, AgentState.UNKNOWN)
        self._settled = frozenset(self._states)
        self._notify = notify
        self._every = every
        self._task: asyncio.Task[None] | None = None
        self._found: asyncio.Task[None] | None = None

    @property
    def states(self) -> dict[str, int]:
        """How many agents are ``known``, ``missing``, or ``unknown`` as yet.

        One that is asked for with a version, too, counts once, as the worse of the two.
        """
        worst: dict[str, AgentState] = {}
        for (agent_id, _), state in self._states.items():
            worst[agent_id] = max(state, worst.get(agent_id, state), key=_FROM_GOOD_TO_BAD.index)
        found = Counter(worst.values())
        return {state: found[state] for state in AgentState}

    def start(self) -> None:
        """Begin to ask; returns at once."""
        if self._every:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def watch(self, agent_ids: Iterable[str]) -> None:
        """Watch these beside those that it was made with, and nobody else; new ones come first."""
        keys: list[tuple[str, int | None]] = [(one, None) for one in islice(agent_ids, MOST_FOUND)]
        for key in self._states.keys() - self._settled.union(keys):
            del self._states[key]
            self.declared.pop(key[0], None)
        new = [key for key in keys if key not in self._states]
        self._states.update(dict.fromkeys(new, AgentState.UNKNOWN))
        if new and self._task and (self._found is None or self._found.done()):
            questions = self._ask_each(iter(new), _LEAST_PAUSE)
            self._found = asyncio.get_running_loop().create_task(questions)

    async def stop(self) -> None:
        """End it, with the questions that are under way."""
        for task in filter(None, (self._task, self._found)):
            task.cancel()
            await asyncio.wait([task])
        await self._api.aclose()

    async def _run(self) -> None:
        everybody = iter(list(self._states))
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._ask_each(everybody))
        while True:
            if wanted := list(self._states):
                pause = max(self._every / len(wanted), _LEAST_PAUSE)
                await self._ask_each(iter(wanted), pause)
            else:
                await asyncio.sleep(self._every)

    async def _ask_each(self, wanted: Iterator[tuple[str, int | None]], pause: float = 0) -> None:
        for key in wanted:
            await asyncio.sleep(pause)
            try:
                await self._ask(key)
            except Exception:  # a mistake of our own costs no more than this answer
                log.exception("agent_not_read", agent_id=key[0])
                await asyncio.sleep(_AFTER_FAILURE)

    async def _ask(self, key: tuple[str, int | None]) -> None:
        answer = await self._answer(key)
        if key not in self._states:  # no number has it any more
            return
        match answer:
            case Agent() as agent:
                self._learn(key, agent)
                self._enter(key, AgentState.KNOWN)
            case Refused(http_status=404, text=text):
                self._enter(key, AgentState.MISSING, text)
            case Refused(retry_after=int(seconds)):
                await asyncio.sleep(min(max(seconds, _AFTER_FAILURE), self._every))
            case _:
                await asyncio.sleep(_AFTER_FAILURE)

    async def _answer(self, key: tuple[str, int | None]) -> Agent | Failure:
        return await answer_within(_REQUEST_TIMEOUT, self._api.agent(*key))

    def _learn(self, key: tuple[str, int | None], agent: Agent) -> None:
        """Keep what it declares; a call gets the version that was published last, so it counts."""
        agent_id, version = key
        if agent.variables is not None and not (version and (agent_id, None) in self._states):
            self.declared[agent_id] = agent.variables

    def _enter(self, key: tuple[str, int | None], state: AgentState, text: str = "") -> None:
        before, self._states[key] = self._states[key], state
        if state != before and AgentState.MISSING in {state, before}:
            self._notify(AgentStateChanged(*key, state, text))
