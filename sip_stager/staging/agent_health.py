"""What the last calls have shown of the API and of each agent; pure, time is an argument.

A sliding window of results, in slices: each result is added to running totals, and taken off them
with its slice.  So the API's breaker and those of all agents read their totals at once, however
many agents there are, and memory grows with the agents of one window, never with the calls.

    slices     | agent 1: 3 calls, 0 failed | agent 1: 2, 0 | agent 1: 4, 0 |  <- added here
               | agent 2: 9 calls, 9 failed | agent 2: 7, 7 | agent 2: 8, 8 |
                 ^ expires as a whole
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

_SLICES = 10  # of the window: memory and time do not grow with the number of calls in it


class Evidence(Enum):
    """What the end of one call has shown."""

    WELL = auto()  # the agent was staged, or the API answered that it cannot be
    AGENT_FAILED = auto()  # the API answered, and failed; or did not stage this agent in time
    SILENT = auto()  # the API took the request, and no byte of an answer came
    UNREACHABLE = auto()  # no connection: no agent has a part in it


class AgentHealth:
    """The results of the last ``window`` seconds, to a tenth of it.

    An agent is well if fewer than ``failure_ratio`` of its calls failed.
    """

    def __init__(self, window: float, failure_ratio: float) -> None:
        self._window = window
        self._ratio = failure_ratio
        self._slices: deque[_Slice] = deque()
        self._agents: dict[str, list[int]] = {}
        self.calls = 0
        self.unreachable = 0
        self.silent = 0
        self.failures = 0
        self.failing_agents = 0
        """Agents with a failure."""
        self.well_agents = 0

    def add(self, now: float, agent: str, evidence: Evidence) -> None:
        """Count the result of a call to an agent."""
        last = self._slice(now)
        if evidence is Evidence.WELL:
            counts, of_agent = self._agents.get(agent), last.agents.get(agent)
            # What nearly all calls take: an agent that has no failure stays well.
            if counts is not None and of_agent is not None and not counts[1]:
                last.calls += 1
                self.calls += 1
                of_agent[0] += 1
                counts[0] += 1
                return
        failed = evidence is not Evidence.WELL
        last.calls += 1
        self.calls += 1
        if failed:
            last.failures += 1
            self.failures += 1
        if evidence is Evidence.UNREACHABLE:
            last.unreachable += 1
            self.unreachable += 1
            return
        silent = evidence is Evidence.SILENT
        self.silent += silent
        of_agent = last.agents.get(agent)
        if of_agent is None:
            of_agent = last.agents[agent] = [0, 0, 0]
        of_agent[0] += 1
        of_agent[1] += failed
        of_agent[2] += silent
        self._change(agent, 1, int(failed))

    def of_agent(self, agent: str) -> tuple[int, int]:
        """Return the calls and the failures of an agent."""
        calls, failures = self._agents.get(agent, (0, 0))
        return calls, failures

    def forget_agent(self, agent: str) -> None:
        """Take the results of an agent off the totals."""
        for one in self._slices:
            if (counts := one.agents.pop(agent, None)) is not None:
                self._take_off(one, agent, *counts)

    def clear(self) -> None:
        """Forget all results."""
        self._slices.clear()
        self._agents.clear()
        self.calls = self.failures = self.unreachable = self.silent = 0
        self.failing_agents = self.well_agents = 0

    def _slice(self, now: float) -> _Slice:
        """Return the slice of this moment, and let those before the window expire."""
        slices = self._slices
        if not slices or now - slices[-1].start >= self._window / _SLICES:
            slices.append(_Slice(now))
            while now - slices[0].start > self._window:
                self._expire(slices.popleft())
        return slices[-1]

    def _expire(self, old: _Slice) -> None:
        for agent, (calls, failures, silent) in old.agents.items():
            self._change(agent, -calls, -failures)
            self.silent -= silent
        self.calls -= old.calls
        self.failures -= old.failures
        self.unreachable -= old.unreachable

    def _take_off(self, one: _Slice, agent: str, calls: int, failures: int, silent: int) -> None:
        one.calls -= calls
        one.failures -= failures
        self.calls -= calls
        self.failures -= failures
        self.silent -= silent
        self._change(agent, -calls, -failures)

    def _change(self, agent: str, calls: int, failures: int) -> None:
        """Add to the totals of an agent, and keep the numbers of agents true."""
        counts = self._agents.get(agent)
        if counts is None:
            counts = self._agents[agent] = [0, 0]
        self._count(counts, -1)
        counts[0] += calls
        counts[1] += failures
        self._count(counts, 1)
        if not counts[0]:
            del self._agents[agent]

    def _count(self, counts: list[int], step: int) -> None:
        calls, failures = counts
        if failures:
            self.failing_agents += step
        if failures < self._ratio * calls:
            self.well_agents += step


class _Slice:
    """A tenth of the window."""

    __slots__ = ("agents", "calls", "failures", "start", "unreachable")

    def __init__(self, start: float) -> None:
        self.start = start
        self.calls = self.failures = self.unreachable = 0
        self.agents: dict[str, list[int]] = {}


class HealthOfApi:
    """The results of all calls, for the API's breaker (``breaker.Results``)."""

    def __init__(self, health: AgentHealth) -> None:
        self._health = health

    def totals(self) -> tuple[int, int]:
        """Return the calls and the failures."""
        return self._health.calls, self._health.failures

    def clear(self) -> None:
        """Forget all: what the agents did in an outage of the API says nothing about them."""
        self._health.clear()


class HealthOfAgent:
    """The results of one agent's calls, for its breaker (``breaker.Results``)."""

    def __init__(self, health: AgentHealth, agent: str) -> None:
        self._health = health
        self._agent = agent

    def totals(self) -> tuple[int, int]:
        """Return the calls and the failures."""
        return self._health.of_agent(self._agent)

    def clear(self) -> None:
        """Forget them."""
        self._health.forget_agent(self._agent)
