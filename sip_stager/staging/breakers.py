"""The circuit breakers: one for each agent that fails, under one for the API; pure.

Theory of operation.  One agent that fails or is slow must not take the others down, and an API that
is down must not be asked by each agent's calls in turn.  Each call's end is evidence of one kind:

    evidence        of the agent   of the API
    --------------  -------------  ------------------------------------------------------------
    WELL            well           well
    AGENT_FAILED    failed         failed, if several agents fail and none is well
    SILENT          failed         failed, if no agent is well
    UNREACHABLE     none           failed

So the API's breaker opens only if the API as a whole fails: it cannot be connected to, gives no
byte of an answer to any agent's call, or fails for several agents while none is well.  All else
opens the breaker of the agent.  Where all calls are for one agent, it and the API are the same:
its breaker is that of the API.

    call ---> API's breaker ---------------> breaker of the agent ----> staged with the API
                    |                                |
                    '--> BREAKER_OPEN                '--> AGENT_BREAKER_OPEN
                         concerns every call              concerns the calls of one agent

The probe of the API is a call to an agent that was well: the call of an agent whose own breaker is
not closed, or whose probe has just failed, would say too little about the API.  Such an agent waits
``open_time`` for a call to another one, and is the probe only if none comes.  A probe that fails
for its agent alone is followed by a probe with another agent at once.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import AgentBreakerMoved
from sip_stager.model.vocabulary import BreakerState
from sip_stager.platform.outcome import AgentBreakerOpen, BreakerOpen
from sip_stager.staging.agent_health import AgentHealth, Evidence, HealthOfAgent, HealthOfApi
from sip_stager.staging.breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import BreakerMoved
    from sip_stager.staging.breaker import BreakerRules

MAX_AGENTS = 1_000
"""Agents with a breaker; the one that failed least recently gives way."""


class Ticket(NamedTuple):
    """A call that was let through, with the eras of both breakers."""

    agent: str
    of_api: int
    of_agent: int


class Breakers:
    """Decides which calls go to the API.

    ``api_changed`` and ``agent_changed`` are called with each change of a breaker's state.
    ``agents`` returns how many agents calls may be for.
    """

    def __init__(
        self,
        rules: BreakerRules,
        api_changed: Callable[[BreakerMoved], None],
        agent_changed: Callable[[AgentBreakerMoved], None],
        agents: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._agent_changed = agent_changed
        self._number_of_agents = agents
        self._health = AgentHealth(rules.window, rules.failure_ratio)
        self._report_api = api_changed
        self._api = Breaker(
            rules, HealthOfApi(self._health), self._api_changed, self._whole_api_fails
        )
        self._agents: OrderedDict[str, Breaker] = OrderedDict()
        self._failed_probe = ""  # the agent of the last probe, if it failed for its agent alone
        self._others_first_until = 0.0

    @property
    def state(self) -> BreakerState:
        """The state of the API's breaker."""
        return self._api.state

    @property
    def agent_states(self) -> dict[str, int]:
        """How many agents' breakers are open or half open."""
        counts = {str(BreakerState.OPEN): 0, str(BreakerState.HALF_OPEN): 0}
        for breaker in self._agents.values():
            if breaker.state is not BreakerState.CLOSED:
                counts[breaker.state] += 1
        return counts

    def rejects(self, now: float) -> bool:
        """Return True if the API's breaker lets no call through."""
        return self._api.rejects(now)

    def admit(self, agent: str, now: float) -> Ticket | BreakerOpen | AgentBreakerOpen:
        """Return a ticket, to be handed to ``record`` with the result, or why the call may not go.

        Every ticket must come back, else a probe would stand in the way of all further ones.
        """
        own, api = self._agents.get(agent), self._api
        if own is None and api.state is BreakerState.CLOSED:
            return Ticket(agent, api.era, 0)
        if api.state is not BreakerState.CLOSED and not self._may_probe(own, agent, now):
            return self._refused_by_api(now)
        if own is not None and own.rejects(now):
            return _refused_by_agent(own.seconds_to_probe(now))
        of_api, of_agent = api.admit(now), own.admit(now) if own is not None else 0
        if of_api is None or of_agent is None:
            raise AssertionError("a breaker that does not reject a call admits it")
        return Ticket(agent, of_api, of_agent)

    def is_current(self, ticket: Ticket) -> bool:
        """Return True if neither breaker has changed its state since the ticket was given."""
        own = self._agents.get(ticket.agent)
        return self._api.is_current(ticket.of_api) and (
            own is None or own.is_current(ticket.of_agent)
        )

    def refusal(self, ticket: Ticket, text: str) -> BreakerOpen | AgentBreakerOpen:
        """Return the failure of a call that was let through before a breaker opened."""
        if self._api.is_current(ticket.of_api):
            return AgentBreakerOpen(text.replace("the API", "this agent", 1))
        return BreakerOpen(text)

    def record(self, ticket: Ticket, now: float, evidence: Evidence | None) -> None:
        """Count the result of a call; None if it proved nothing, since its caller hung up, say."""
        agent, api = ticket.agent, self._api
        well = evidence is Evidence.WELL and agent not in self._agents
        if well and api.state is BreakerState.CLOSED and ticket.of_api == api.era:
            self._health.add(now, agent, Evidence.WELL)
            return
        # From before a change of the API's state: it says nothing about the agent either.
        if not self._api.is_current(ticket.of_api):
            evidence = None
        own = self._agents.get(agent)
        current = own is None or own.is_current(ticket.of_agent)
        closed = self._api.state is BreakerState.CLOSED
        if evidence is not None and closed and current:
            self._health.add(now, agent, evidence)
        failed = None if evidence is None else evidence is not Evidence.WELL
        of_agent = None if evidence is Evidence.UNREACHABLE else failed
        of_api = failed if closed else self._judge_probe(agent, now, evidence)
        # The API first: where it fails as a whole, its breaker opens and not the agents' one by
        # one.  A change of its state makes the agent's result one from before.
        self._api.record(ticket.of_api, now, failed=of_api)
        if closed and self._api.state is not BreakerState.CLOSED:
            of_agent = None
        if of_agent and own is None and self._several_agents:
            own = self._make_breaker(agent)
        if own is not None:
            if of_agent:
                self._agents.move_to_end(agent)
            own.record(ticket.of_agent, now, failed=of_agent)

    @property
    def _several_agents(self) -> bool:
        return self._number_of_agents() > 1

    def _whole_api_fails(self) -> bool:
        """Return True if the failures of the window are those of the API as a whole."""
        health = self._health
        needed = self._rules.failure_ratio * health.calls
        if health.unreachable >= needed or not self._several_agents:
            return True
        if health.well_agents:
            return False
        return health.failing_agents > 1 or health.silent + health.unreachable >= needed

    def _may_probe(self, own: Breaker | None, agent: str, now: float) -> bool:
        """Return True if a call to an agent may probe the API now."""
        if self._api.rejects(now):
            return False
        ill = own is not None and own.state is not BreakerState.CLOSED
        if not ill and agent != self._failed_probe:
            return True
        until = self._api.open_until + self._rules.open_time
        return now >= max(until, self._others_first_until) or not self._several_agents

    def _judge_probe(self, agent: str, now: float, evidence: Evidence | None) -> bool | None:
        """Return True if a probe shows that the API fails, None if another one is to decide."""
        if evidence is not Evidence.AGENT_FAILED or not self._several_agents:
            return None if evidence is None else evidence is not Evidence.WELL
        if self._failed_probe:  # two agents, or the same one where no other is called
            return True
        self._failed_probe = agent
        self._others_first_until = now + self._rules.open_time
        return None

    def _refused_by_api(self, now: float) -> BreakerOpen:
        seconds = self._api.seconds_to_probe(now)
        until = f"for another {seconds:.1f} s" if seconds else "but for one call as a probe"
        text = f"the API failed too often; it is left alone {until}"
        return BreakerOpen(text, seconds_to_probe=seconds)

    def _api_changed(self, event: BreakerMoved) -> None:
        self._failed_probe = ""
        self._report_api(event)

    def _make_breaker(self, agent: str) -> Breaker:
        if len(self._agents) >= MAX_AGENTS:
            self._agents.popitem(last=False)

        def changed(event: BreakerMoved) -> None:
            self._agent_changed(
                AgentBreakerMoved(agent, event.state, event.calls, event.failures, event.pause)
            )

        breaker = self._agents[agent] = Breaker(
            self._rules, HealthOfAgent(self._health, agent), changed
        )
        return breaker


def _refused_by_agent(seconds: float) -> AgentBreakerOpen:
    until = f"for another {seconds:.1f} s" if seconds else "but for one call as a probe"
    return AgentBreakerOpen(f"this agent failed too often; it is left alone {until}")
