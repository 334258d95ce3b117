from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import BreakerMoved
from sip_stager.model.vocabulary import BreakerState
from sip_stager.staging.breaker import Breaker, BreakerRules

RULES = BreakerRules(
    failure_ratio=0.5, window=10.0, min_calls=20, open_time=5.0, max_open_time=15.0
)


class Tried:
    """A breaker with a clock that is moved by hand."""

    def __init__(self, rules: BreakerRules = RULES) -> None:
        self.moves: list[BreakerMoved] = []
        self.breaker = Breaker(rules, self.moves.append)
        self.now = 1000.0

    def call(self, *, failed: bool | None) -> bool:
        """Make a call that is over at once; tell whether it was let through."""
        ticket = self.breaker.admit(self.now)
        if ticket is not None:
            self.breaker.record(ticket, self.now, failed=failed)
        return ticket is not None

    def calls(self, good: int, bad: int) -> None:
        for _ in range(good):
            self.call(failed=False)
        for _ in range(bad):
            self.call(failed=True)

    @property
    def states(self) -> list[str]:
        return [move.state for move in self.moves]


def test_half_of_twenty_calls_open_it() -> None:
    tried = Tried()
    tried.calls(10, 9)
    assert tried.breaker.state == "closed"
    tried.calls(0, 1)
    assert tried.moves == [BreakerMoved(BreakerState.OPEN, 20, 10, 5.0)]
    assert not tried.call(failed=False)


def test_a_few_calls_do_not_open_it_whatever_becomes_of_them() -> None:
    tried = Tried()
    tried.calls(0, 19)
    assert tried.moves == []
    tried.calls(0, 1)
    assert tried.states == ["open"]


def test_fewer_failures_than_the_share_do_not_open_it() -> None:
    tried = Tried()
    for _ in range(50):
        tried.calls(11, 9)
    assert tried.moves == []


def test_what_is_older_than_the_window_is_forgotten() -> None:
    tried = Tried()
    tried.calls(0, 19)
    tried.now += 11.1
    tried.calls(0, 19)
    assert tried.moves == []
    tried.now += 1.5
    tried.calls(0, 1)
    assert tried.moves == [BreakerMoved(BreakerState.OPEN, 20, 20, 5.0)]


def test_a_call_that_taught_nothing_counts_for_nothing() -> None:
    tried = Tried()
    for _ in range(100):
        tried.call(failed=None)
    tried.calls(0, 19)
    assert tried.moves == []


def opened() -> Tried:
    tried = Tried()
    tried.calls(0, 20)
    tried.moves.clear()
    return tried


def test_nobody_is_let_through_until_the_pause_is_over() -> None:
    tried = opened()
    assert tried.breaker.seconds_to_probe(tried.now) == 5.0
    tried.now += 4.9
    assert not tried.call(failed=False)
    tried.now += 0.2
    assert tried.breaker.seconds_to_probe(tried.now) == 0.0
    assert tried.call(failed=False)
    assert tried.states == ["half_open", "closed"]


def test_one_call_at_a_time_tries_and_its_success_closes() -> None:
    tried = opened()
    tried.now += 5
    ticket = tried.breaker.admit(tried.now)
    assert ticket is not None
    assert [tried.breaker.admit(tried.now) for _ in range(5)] == [None] * 5
    tried.breaker.record(ticket, tried.now, failed=False)
    assert tried.states == ["half_open", "closed"]
    tried.calls(0, 19)  # and it counts from nothing
    assert tried.breaker.state == "closed"


def test_each_try_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    tried = opened()
    for pause in (5.0, 10.0, 15.0, 15.0):
        tried.now += pause - 0.1
        assert not tried.call(failed=True)
        tried.now += 0.1
        assert tried.call(failed=True)
    assert [move.pause for move in tried.moves if move.state == "open"] == [10, 15, 15, 15]
    tried.now += 15
    tried.calls(1, 20)
    assert tried.moves[-1] == BreakerMoved(BreakerState.OPEN, 20, 20, 5.0)


def test_a_caller_who_hangs_up_while_he_tries_leaves_it_to_the_next() -> None:
    tried = opened()
    tried.now += 5
    assert tried.call(failed=None)
    assert tried.states == ["half_open"]
    assert tried.call(failed=False)
    assert tried.states == ["half_open", "closed"]


def test_calls_from_before_decide_nothing_afterwards() -> None:
    tried = Tried()
    old = [tried.breaker.admit(tried.now) or 0 for _ in range(50)]
    assert all(map(tried.breaker.is_current, old))
    tried.calls(0, 20)
    assert not any(map(tried.breaker.is_current, old))
    tried.now += 5
    trying = tried.breaker.admit(tried.now)
    assert trying is not None
    tried.breaker.record(old[0], tried.now, failed=False)
    assert tried.states == ["open", "half_open"]
    tried.breaker.record(trying, tried.now, failed=False)
    for ticket in old:
        tried.breaker.record(ticket, tried.now, failed=True)
    assert tried.states == ["open", "half_open", "closed"]


def test_memory_does_not_grow_with_calls() -> None:
    tried = Tried()
    for _ in range(5000):
        tried.now += 0.01
        tried.call(failed=False)
    assert len(tried.breaker._window._slices) <= 12


@given(
    st.lists(
        st.tuples(st.floats(0, 8), st.sampled_from([True, False, None]), st.booleans()),
        max_size=200,
    )
)
def test_in_whatever_order_calls_end_no_two_try_at_once_and_it_never_stays_shut(
    steps: list[tuple[float, bool | None, bool]],
) -> None:
    rules = BreakerRules(
        failure_ratio=0.5, window=10.0, min_calls=3, open_time=5.0, max_open_time=15.0
    )
    tried = Tried(rules)
    under_way: list[int] = []
    for passed, failed, begins in steps:
        tried.now += passed
        if begins and (ticket := tried.breaker.admit(tried.now)) is not None:
            under_way.append(ticket)
        elif under_way:
            tried.breaker.record(under_way.pop(0), tried.now, failed=failed)
        trying = [ticket for ticket in under_way if tried.breaker.is_current(ticket)]
        assert tried.breaker.state == "closed" or len(trying) <= 1
    for ticket in under_way:
        tried.breaker.record(ticket, tried.now, failed=None)
    tried.now += rules.max_open_time
    assert tried.call(failed=False)
    assert tried.breaker.state == "closed"
