from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import BreakerMoved
from sip_stager.model.vocabulary import BreakerState
from sip_stager.staging.agent_health import AgentHealth, Evidence, HealthOfApi
from sip_stager.staging.breaker import Breaker, BreakerRules

RULES = BreakerRules(
    failure_ratio=0.5, window=10.0, min_calls=20, open_time=5.0, max_open_time=15.0
)


class Subject:
    """A breaker with a clock that is moved by hand."""

    def __init__(self, rules: BreakerRules = RULES) -> None:
        self.moves: list[BreakerMoved] = []
        self.health = AgentHealth(rules.window, rules.failure_ratio)
        self.breaker = Breaker(rules, HealthOfApi(self.health), self.moves.append)
        self.now = 1000.0

    def call(self, *, failed: bool | None) -> bool:
        """Make a call that ends at once; return True if it was let through."""
        ticket = self.breaker.admit(self.now)
        if ticket is not None:
            self.record(ticket, failed=failed)
        return ticket is not None

    def record(self, ticket: int, *, failed: bool | None) -> None:
        closed = self.breaker.state is BreakerState.CLOSED
        if failed is not None and closed and self.breaker.is_current(ticket):
            evidence = Evidence.AGENT_FAILED if failed else Evidence.WELL
            self.health.add(self.now, "agent", evidence)
        self.breaker.record(ticket, self.now, failed=failed)

    def calls(self, good: int, bad: int) -> None:
        for _ in range(good):
            self.call(failed=False)
        for _ in range(bad):
            self.call(failed=True)

    @property
    def states(self) -> list[str]:
        return [move.state for move in self.moves]


def test_ten_failures_of_twenty_calls_open_it() -> None:
    subject = Subject()
    subject.calls(10, 9)
    assert subject.breaker.state == "closed"
    subject.calls(0, 1)
    assert subject.moves == [BreakerMoved(BreakerState.OPEN, 20, 10, 5.0)]
    assert not subject.call(failed=False)


def test_fewer_calls_than_the_minimum_do_not_open_it() -> None:
    subject = Subject()
    subject.calls(0, 19)
    assert subject.moves == []
    subject.calls(0, 1)
    assert subject.states == ["open"]


def test_fewer_failures_than_the_ratio_do_not_open_it() -> None:
    subject = Subject()
    for _ in range(50):
        subject.calls(11, 9)
    assert subject.moves == []


def test_calls_older_than_the_window_do_not_count() -> None:
    subject = Subject()
    subject.calls(0, 19)
    subject.now += 11.1
    subject.calls(0, 19)
    assert subject.moves == []
    subject.now += 1.5
    subject.calls(0, 1)
    assert subject.moves == [BreakerMoved(BreakerState.OPEN, 20, 20, 5.0)]


def test_calls_that_prove_nothing_do_not_count() -> None:
    subject = Subject()
    for _ in range(100):
        subject.call(failed=None)
    subject.calls(0, 19)
    assert subject.moves == []


def opened() -> Subject:
    subject = Subject()
    subject.calls(0, 20)
    subject.moves.clear()
    return subject


def test_no_call_is_let_through_while_it_is_open() -> None:
    subject = opened()
    assert subject.breaker.seconds_to_probe(subject.now) == 5.0
    subject.now += 4.9
    assert not subject.call(failed=False)
    subject.now += 0.2
    assert subject.breaker.seconds_to_probe(subject.now) == 0.0
    assert subject.call(failed=False)
    assert subject.states == ["half_open", "closed"]


def test_one_probe_at_a_time_is_let_through_and_its_success_closes_it() -> None:
    subject = opened()
    subject.now += 5
    ticket = subject.breaker.admit(subject.now)
    assert ticket is not None
    assert [subject.breaker.admit(subject.now) for _ in range(5)] == [None] * 5
    subject.record(ticket, failed=False)
    assert subject.states == ["half_open", "closed"]
    subject.calls(0, 19)  # and the count starts at zero
    assert subject.breaker.state == "closed"


def test_each_failed_probe_doubles_the_open_time_up_to_the_maximum() -> None:
    subject = opened()
    for pause in (5.0, 10.0, 15.0, 15.0):
        subject.now += pause - 0.1
        assert not subject.call(failed=True)
        subject.now += 0.1
        assert subject.call(failed=True)
    assert [move.pause for move in subject.moves if move.state == "open"] == [10, 15, 15, 15]
    subject.now += 15
    subject.calls(1, 20)
    assert subject.moves[-1] == BreakerMoved(BreakerState.OPEN, 20, 20, 5.0)


def test_after_a_cancelled_probe_the_next_call_is_the_probe() -> None:
    subject = opened()
    subject.now += 5
    assert subject.call(failed=None)
    assert subject.states == ["half_open"]
    assert subject.call(failed=False)
    assert subject.states == ["half_open", "closed"]


def test_calls_from_before_a_change_of_state_do_not_count() -> None:
    subject = Subject()
    old = [subject.breaker.admit(subject.now) or 0 for _ in range(50)]
    assert all(map(subject.breaker.is_current, old))
    subject.calls(0, 20)
    assert not any(map(subject.breaker.is_current, old))
    subject.now += 5
    probing = subject.breaker.admit(subject.now)
    assert probing is not None
    subject.record(old[0], failed=False)
    assert subject.states == ["open", "half_open"]
    subject.record(probing, failed=False)
    for ticket in old:
        subject.record(ticket, failed=True)
    assert subject.states == ["open", "half_open", "closed"]


def test_memory_does_not_grow_with_calls() -> None:
    subject = Subject()
    for _ in range(5000):
        subject.now += 0.01
        subject.call(failed=False)
    assert len(subject.health._slices) <= 12


@given(
    st.lists(
        st.tuples(st.floats(0, 8), st.sampled_from([True, False, None]), st.booleans()),
        max_size=200,
    )
)
def test_in_any_order_of_results_there_is_one_probe_at_a_time_and_it_closes_at_last(
    steps: list[tuple[float, bool | None, bool]],
) -> None:
    rules = BreakerRules(
        failure_ratio=0.5, window=10.0, min_calls=3, open_time=5.0, max_open_time=15.0
    )
    subject = Subject(rules)
    under_way: list[int] = []
    for passed, failed, begins in steps:
        subject.now += passed
        if begins and (ticket := subject.breaker.admit(subject.now)) is not None:
            under_way.append(ticket)
        elif under_way:
            subject.record(under_way.pop(0), failed=failed)
        probing = [ticket for ticket in under_way if subject.breaker.is_current(ticket)]
        assert subject.breaker.state == "closed" or len(probing) <= 1
    for ticket in under_way:
        subject.record(ticket, failed=None)
    subject.now += rules.max_open_time
    assert subject.call(failed=False)
    assert subject.breaker.state == "closed"


def test_it_rejects_calls_until_the_next_one_may_be_the_probe() -> None:
    """Peers that are told so would else send no call, and without a call there is no probe."""
    subject = Subject()
    assert not subject.breaker.rejects(subject.now)
    subject.calls(0, 20)
    assert subject.breaker.rejects(subject.now + 4.9)
    assert not subject.breaker.rejects(subject.now + 5.0)
    assert subject.breaker.state == "open"
    subject.now += 5.0
    ticket = subject.breaker.admit(subject.now)
    assert ticket is not None
    assert subject.breaker.rejects(subject.now)  # one call probes
    subject.record(ticket, failed=False)
    assert not subject.breaker.rejects(subject.now)
