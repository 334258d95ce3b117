"""The mapped agents, fetched at start and then periodically, off every call's path."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import AgentStateChanged
from sip_stager.model.vocabulary import AgentState
from sip_stager.platform.agent import AgentRecord
from sip_stager.platform.background_timeout import answer_within
from sip_stager.platform.outcome import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import SecretStr

    from sip_stager.platform.agent import Declared
    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify


log = logging.getLogger(__name__)

AgentKey = tuple[str, int | None]
"""An agent's id, and the version that the mapping names, if any."""

MAX_PARALLEL = 4
"""Requests in parallel at start; later there is one at a time."""
MAX_AGENT_BYTES = 1 << 20
"""Bytes of an agent's record, prompts and all: to parse so many takes the loop a few ms."""
MAX_FOUND = 10_000
"""Agents of the platform's numbers that are watched; calls are staged with any others, too."""
_FROM_GOOD_TO_BAD = (AgentState.KNOWN, AgentState.UNKNOWN, AgentState.MISSING)

_MIN_INTERVAL = 0.1  # seconds between two requests, so that thousands of agents are no flood
_REQUEST_TIMEOUT = 10.0  # seconds for one agent
_RETRY_DELAY = 1.0  # seconds after a failure, unless the API asks for more


class AgentChange(NamedTuple):
    """A change of the agents of the settings, planned for the agents of the platform's numbers."""

    wanted: frozenset[AgentKey]
    gone: frozenset[AgentKey]
    new: frozenset[AgentKey]
    found: frozenset[AgentKey]
    agents: int


class AgentWatch:
    """The state of the agents; ``declared`` has the variables of each by the agent's id.

    Each of ``wanted`` is fetched once in ``interval`` seconds, evenly spread; 0 fetches none.  Only
    a 404 makes an agent missing, any other error changes nothing.  The watch owns ``api``, and
    closes it in ``stop``.
    """

    def __init__(
        self,
        api: RoundedApi,
        wanted: Iterable[AgentKey],
        notify: Notify,
        interval: float,
    ) -> None:
        self.declared: dict[str, Declared] = {}
        self._api = api
        self._states = dict.fromkeys(wanted, AgentState.UNKNOWN)
        self.count = self._count_agents()
        """How many agents there are, each in whatever versions."""
        self._from_settings = frozenset(self._states)
        self._found: frozenset[AgentKey] = frozenset()
        self._counts: dict[str, int] | None = None
        self._notify = notify
        self._interval = interval
        self._task: asyncio.Task[None] | None = None
        self._new_agents_task: asyncio.Task[None] | None = None

    @property
    def states(self) -> dict[str, int]:
        """How many agents are ``known``, ``missing``, or ``unknown`` as yet.

        An agent that is wanted in several versions counts once, in its worst state.
        """
        if self._counts is not None:  # a scrape goes through all agents only if one has changed
            return self._counts
        worst: dict[str, AgentState] = {}
        for (agent_id, _), state in self._states.items():
            worst[agent_id] = max(state, worst.get(agent_id, state), key=_FROM_GOOD_TO_BAD.index)
        counts = Counter(worst.values())
        self._counts = {state: counts[state] for state in AgentState}
        return self._counts

    def replace_key(self, key: SecretStr) -> None:
        """Send another API key from now on."""
        self._api.replace_key(key)

    def start(self) -> None:
        """Start fetching, in the background."""
        if self._interval:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def watch(self, agent_ids: Iterable[str]) -> None:
        """Watch these agents beside those of the settings, and no others; fetch new ones first."""
        keys: list[AgentKey] = [(one, None) for one in islice(agent_ids, MAX_FOUND)]
        self._counts = None
        for key in self._states.keys() - self._from_settings.union(keys):
            del self._states[key]
            self.declared.pop(key[0], None)
        self._found = frozenset(keys)
        self._add([key for key in keys if key not in self._states])
        self.count = self._count_agents()

    def _add(self, new: Sequence[AgentKey]) -> None:
        """Watch further agents, and fetch them first."""
        self._states.update(dict.fromkeys(new, AgentState.UNKNOWN))
        # While a fetch of new agents is under way, further ones wait for the periodic fetch.
        busy = self._new_agents_task is not None and not self._new_agents_task.done()
        if new and self._task and not busy:
            fetches = self._fetch_each(iter(new), _MIN_INTERVAL)
            self._new_agents_task = asyncio.get_running_loop().create_task(fetches)

    def plan(self, keys: Iterable[AgentKey]) -> AgentChange:
        """Return the argument of ``change``; call it in a thread, as there may be many agents."""
        # Generators: the thread can be interrupted in them, and not in operations of whole sets.
        wanted, found = frozenset(key for key in keys), self._found
        before = self._from_settings
        count = len({agent_id for several in (wanted, found) for agent_id, _ in several})
        gone = frozenset(key for key in before if key not in wanted and key not in found)
        new = frozenset(key for key in wanted if key not in before and key not in found)
        return AgentChange(wanted, gone, new, found, count)

    def change(self, change: AgentChange) -> frozenset[AgentKey]:
        """Watch other agents of the settings, as planned; return the former ones.

        The states of agents that are in both stay.
        """
        former = self._from_settings
        self._counts = None
        for key in change.gone:
            self._states.pop(key, None)
            self.declared.pop(key[0], None)
        self._from_settings = change.wanted
        self._add([key for key in change.new if key not in self._states])
        # The platform's numbers may have changed since the plan was made.
        self.count = change.agents if self._found is change.found else self._count_agents()
        return former

    def _count_agents(self) -> int:
        return len({agent_id for agent_id, _ in self._states})

    async def stop(self) -> None:
        """Stop, and drop the requests that are under way."""
        for task in filter(None, (self._task, self._new_agents_task)):
            task.cancel()
            await asyncio.wait([task])
        await self._api.aclose()

    async def _run(self) -> None:
        all_keys = iter(list(self._states))
        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_PARALLEL):
                group.create_task(self._fetch_each(all_keys))
        while True:
            if keys := list(self._states):
                pause = max(self._interval / len(keys), _MIN_INTERVAL)
                await self._fetch_each(iter(keys), pause)
            else:
                await asyncio.sleep(self._interval)

    async def _fetch_each(self, keys: Iterator[AgentKey], pause: float = 0) -> None:
        for key in keys:
            await asyncio.sleep(pause)
            try:
                await self._fetch(key)
            except Exception:  # our own error costs this answer alone, not the watch
                log.exception("agent_not_read", extra={"agent_id": key[0]})
                await asyncio.sleep(_RETRY_DELAY)

    async def _fetch(self, key: AgentKey) -> None:
        answer = await answer_within(_REQUEST_TIMEOUT, self._api.agent(*key))
        if key not in self._states:  # a race: its number went away during the request
            return
        match answer:
            case AgentRecord() as agent:
                self._learn(key, agent)
                self._enter(key, AgentState.KNOWN)
            case Refused(http_status=404, text=text):
                self._enter(key, AgentState.MISSING, text)
            case Refused(retry_after=int(seconds)):
                await asyncio.sleep(min(max(seconds, _RETRY_DELAY), self._interval))
            case _:
                await asyncio.sleep(_RETRY_DELAY)

    def _learn(self, key: AgentKey, agent: AgentRecord) -> None:
        """Store what an agent declares."""
        agent_id, version = key
        # A call gets the version that was published last: if that is watched, too, it counts.
        if agent.variables is not None and not (version and (agent_id, None) in self._states):
            self.declared[agent_id] = agent.variables

    def _enter(self, key: AgentKey, state: AgentState, text: str = "") -> None:
        before, self._states[key] = self._states[key], state
        if state is not before:
            self._counts = None
        # From unknown to known is what every start does: no news.
        if state != before and AgentState.MISSING in {state, before}:
            self._notify(AgentStateChanged(*key, state, text))
