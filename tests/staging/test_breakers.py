from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sip_stager.staging import breakers as module
from sip_stager.staging.agent_health import AgentHealth, Evidence
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.breakers import Breakers, Ticket

if TYPE_CHECKING:
    from sip_stager.events import AgentBreakerMoved, BreakerMoved

WELL, AGENT_FAILED = Evidence.WELL, Evidence.AGENT_FAILED
SILENT, UNREACHABLE = Evidence.SILENT, Evidence.UNREACHABLE
RULES = BreakerRules(
    failure_ratio=0.5, window=10.0, min_calls=20, open_time=5.0, max_open_time=60.0
)


class Subject:
    """The breakers with a clock that is moved by hand."""

    def __init__(self, agents: int = 9, rules: BreakerRules = RULES) -> None:
        self.api_moves: list[BreakerMoved] = []
        self.agent_moves: list[AgentBreakerMoved] = []
        self.breakers = Breakers(
            rules, self.api_moves.append, self.agent_moves.append, lambda: agents
        )
        self.now = 1000.0

    def admit(self, agent: str) -> Ticket:
        ticket = self.breakers.admit(agent, self.now)
        assert isinstance(ticket, Ticket)
        return ticket

    def call(self, agent: str, evidence: Evidence | None) -> str:
        """Make a call that ends at once; return the cause of its refusal, or an empty text."""
        ticket = self.breakers.admit(agent, self.now)
        if not isinstance(ticket, Ticket):
            return ticket.kind
        self.breakers.record(ticket, self.now, evidence)
        return ""

    def calls(self, agent: str, evidence: Evidence | None, times: int) -> None:
        for _ in range(times):
            self.call(agent, evidence)

    @property
    def states(self) -> list[str]:
        return [move.state for move in self.api_moves]


def test_a_well_agent_keeps_all_of_its_calls_while_another_fails() -> None:
    """60 calls in 10 s, two of three to the agent whose staging fails."""
    for evidence in (AGENT_FAILED, SILENT):
        subject = Subject()
        causes = []
        for _ in range(80):
            causes.append(subject.call("1", WELL))
            subject.now += 0.25
            subject.calls("2", evidence, 2)
            subject.now += 0.25
        assert set(causes) == {""}
        assert subject.api_moves == []
        assert {(move.agent_id, move.state) for move in subject.agent_moves} == {
            ("2", "open"),
            ("2", "half_open"),
        }


def test_the_first_call_to_an_agent_goes_through_after_another_agent_failed() -> None:
    subject = Subject()
    subject.calls("2", AGENT_FAILED, 40)
    assert subject.call("2", WELL) == "agent_breaker_open"
    assert subject.call("1", WELL) == ""
    assert subject.breakers.agent_states == {"open": 1, "half_open": 0}


def test_a_failing_agent_is_probed_by_its_own_calls_alone_and_comes_back() -> None:
    subject = Subject()
    subject.calls("2", AGENT_FAILED, 20)
    subject.now += 5.0
    probe = subject.admit("2")
    assert subject.call("2", WELL) == "agent_breaker_open"
    subject.breakers.record(probe, subject.now, WELL)
    assert subject.call("2", WELL) == ""
    assert [move.state for move in subject.agent_moves] == ["open", "half_open", "closed"]
    assert subject.breakers.agent_states == {"open": 0, "half_open": 0}


def test_an_api_that_cannot_be_connected_to_opens_the_breaker_of_the_api() -> None:
    subject = Subject()
    subject.calls("1", UNREACHABLE, 20)
    assert subject.states == ["open"]
    assert subject.agent_moves == []
    assert subject.call("2", WELL) == "breaker_open"
    assert subject.breakers.rejects(subject.now)


def test_an_api_without_a_byte_of_an_answer_opens_the_breaker_of_the_api() -> None:
    subject = Subject()
    subject.calls("1", SILENT, 20)
    assert subject.states == ["open"]
    assert subject.agent_moves == []


def test_failures_spread_over_several_agents_open_the_breaker_of_the_api() -> None:
    subject = Subject()
    for _ in range(10):
        subject.call("1", AGENT_FAILED)
        subject.call("2", AGENT_FAILED)
    assert subject.states == ["open"]
    assert subject.agent_moves == []


def test_failures_of_several_agents_leave_the_api_alone_while_another_is_well() -> None:
    subject = Subject()
    for _ in range(40):
        assert subject.call("1", WELL) == ""
        subject.call("2", AGENT_FAILED)
        subject.call("3", AGENT_FAILED)
        subject.now += 0.1
    assert subject.states == []
    assert subject.breakers.agent_states == {"open": 2, "half_open": 0}


def test_with_one_agent_its_failures_are_those_of_the_api() -> None:
    subject = Subject(agents=1)
    subject.calls("1", AGENT_FAILED, 20)
    assert (subject.states, subject.agent_moves) == (["open"], [])
    assert subject.call("1", WELL) == "breaker_open"


def test_a_half_open_try_goes_to_an_agent_that_was_well() -> None:
    subject = Subject()
    subject.calls("2", AGENT_FAILED, 20)
    subject.now += 1.0
    subject.calls("1", UNREACHABLE, 20)
    subject.now += 5.0
    assert subject.call("2", AGENT_FAILED) == "breaker_open"
    assert subject.call("1", WELL) == ""
    assert subject.states == ["open", "half_open", "closed"]


def test_an_agent_that_was_not_well_is_the_try_if_no_other_is_called() -> None:
    subject = Subject()
    subject.calls("2", AGENT_FAILED, 20)
    subject.calls("1", UNREACHABLE, 20)
    subject.now += 9.9
    assert subject.call("2", WELL) == "breaker_open"
    subject.now += 0.2
    assert subject.call("2", WELL) == ""
    assert subject.states == ["open", "half_open", "closed"]


def test_a_try_that_fails_for_its_agent_alone_is_followed_by_one_with_another_agent() -> None:
    subject = Subject()
    subject.calls("1", UNREACHABLE, 20)
    subject.now += 5.0
    assert subject.call("2", AGENT_FAILED) == ""
    assert subject.call("2", WELL) == "breaker_open"
    assert subject.call("1", WELL) == ""
    assert subject.states == ["open", "half_open", "closed"]


def test_tries_that_fail_for_two_agents_open_the_breaker_of_the_api_for_longer() -> None:
    subject = Subject()
    subject.calls("1", UNREACHABLE, 20)
    subject.now += 5.0
    subject.call("2", AGENT_FAILED)
    subject.call("1", AGENT_FAILED)
    assert subject.states == ["open", "half_open", "open"]
    assert subject.api_moves[-1].pause == 10.0


def test_calls_from_before_an_outage_say_nothing_about_their_agent() -> None:
    subject = Subject()
    old = [subject.admit("1") for _ in range(20)]
    subject.calls("2", UNREACHABLE, 20)
    assert not any(map(subject.breakers.is_current, old))
    for ticket in old:
        subject.breakers.record(ticket, subject.now, AGENT_FAILED)
    assert subject.agent_moves == []


def test_a_call_that_began_before_its_agents_breaker_opened_is_not_current() -> None:
    subject = Subject()
    old, other = subject.admit("2"), subject.admit("1")
    subject.calls("2", AGENT_FAILED, 20)
    assert not subject.breakers.is_current(old)
    assert subject.breakers.is_current(other)
    assert subject.breakers.refusal(old, "the API failed").kind == "agent_breaker_open"
    assert subject.breakers.refusal(old, "the API failed").text == "this agent failed"


def test_the_number_of_agents_with_a_breaker_is_bounded() -> None:
    subject = Subject(agents=9999)
    subject.call("well", WELL)
    for number in range(module.MAX_AGENTS + 50):
        subject.call(str(number), AGENT_FAILED)
        subject.calls("well", WELL, 2)
    assert len(subject.breakers._agents) == module.MAX_AGENTS


_STEPS = st.lists(
    st.tuples(
        st.floats(0, 4),
        st.sampled_from("2345"),
        st.sampled_from([WELL, AGENT_FAILED, SILENT, None]),
        st.booleans(),
    ),
    max_size=150,
)


@given(_STEPS)
def test_whatever_other_agents_do_a_well_agent_loses_no_call(
    steps: list[tuple[float, str, Evidence | None, bool]],
) -> None:
    rules = BreakerRules(
        failure_ratio=0.5, window=10.0, min_calls=3, open_time=5.0, max_open_time=15.0
    )
    subject = Subject(rules=rules)
    under_way: list[Ticket] = []
    for passed, agent, evidence, begins in steps:
        assert subject.call("1", WELL) == ""
        subject.now += passed
        if begins:
            ticket = subject.breakers.admit(agent, subject.now)
            if isinstance(ticket, Ticket):
                under_way.append(ticket)
        elif under_way:
            subject.breakers.record(under_way.pop(0), subject.now, evidence)
        probes = [each for each in under_way if subject.breakers.is_current(each)]
        for agent_id, breaker in subject.breakers._agents.items():
            own = [each for each in probes if each.agent == agent_id]
            assert breaker.state == "closed" or len(own) <= 1
    assert subject.states == []
    for ticket in under_way:
        subject.breakers.record(ticket, subject.now, None)
    subject.now += rules.max_open_time
    for agent in "2345":
        assert subject.call(agent, WELL) == ""


_RESULTS = st.lists(
    st.tuples(st.floats(0, 3), st.sampled_from("abc"), st.sampled_from(Evidence), st.booleans()),
    max_size=200,
)


@given(_RESULTS)
def test_the_totals_are_those_of_the_results_in_the_window(
    results: list[tuple[float, str, Evidence, bool]],
) -> None:
    health, now = AgentHealth(10.0, 0.5), 0.0
    for passed, agent, evidence, forgets in results:
        now += passed
        health.add(now, agent, evidence)
        if forgets:
            health.forget_agent("b")
        kept = [counts for one in health._slices for counts in one.agents.values()]
        unreachable = sum(one.unreachable for one in health._slices)
        assert health.calls == sum(calls for calls, _, _ in kept) + unreachable
        assert health.failures == sum(failed for _, failed, _ in kept) + unreachable
        assert health.silent == sum(silent for _, _, silent in kept)
        assert health.unreachable == unreachable
        totals = [health.of_agent(each) for each in "abc"]
        assert health.failing_agents == sum(failed > 0 for _, failed in totals)
        assert health.well_agents == sum(failed < calls / 2 for calls, failed in totals)
    now += 11
    health.add(now, "d", WELL)
    assert (health.calls, health.failures, health.silent, health.unreachable) == (1, 0, 0, 0)
