"""The overload control, with its time and its delays made by hand, and in a model of a proxy."""

from __future__ import annotations

import pytest

from sip_stager.calls.overload import ADMIT_SHARE, MAX_GROWTH, RELAX_TIME, OverloadControl
from sip_stager.model.vocabulary import OverloadState
from tests.calls.overload_model import CAPACITY, Model, Outcome

THRESHOLD = 0.1
LOW = ADMIT_SHARE * THRESHOLD


class Hand:
    """Moves the clock of a control; each interval has the ages of the oldest datagrams."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.control = OverloadControl(threshold)
        self.now = 50.0
        self.admitted = 0
        self.control.step(self.now, 0.0, 0)

    def interval(self, *ages: float, socket: int = 0, lag: float = 0.0, calls: int = 0) -> None:
        """Pass a tenth of a second, with calls and readings of a socket."""
        for age in ages:
            self.now += 0.1 / len(ages)
            if self.control.observe_age(socket, age):
                self.control.begin_shedding(self.now)
        self.now += 0 if ages else 0.1
        self.admitted += calls
        self.control.step(self.now, lag, self.admitted)

    def overload(self, calls: int = 10) -> None:
        """Bring it into SHEDDING, after a second with ``calls`` in each interval."""
        for _ in range(30):
            self.interval(0.0, calls=calls)
        self.interval(0.2, 0.3, calls=calls)
        assert self.is_shedding()

    def is_shedding(self) -> bool:
        return self.control.state is OverloadState.SHEDDING

    def offer(self, calls: int, seconds: float, age: float = 0.0) -> int:
        """Offer calls evenly within so many seconds; return how many are admitted."""
        admitted = 0
        for _ in range(calls):
            self.now += seconds / calls
            if self.control.observe_age(0, age):
                self.control.begin_shedding(self.now)
            admitted += self.control.admit(self.now)
        return admitted


# The beginning and the end


def test_in_normal_state_every_call_is_admitted() -> None:
    hand = Hand()
    assert hand.offer(1000, 0.1) == 1000


def test_a_queue_that_stands_above_the_threshold_begins_overload() -> None:
    hand = Hand()
    hand.interval(0.09, 0.12)
    assert not hand.is_shedding()
    hand.interval(0.11, 0.12)
    assert hand.is_shedding()
    assert hand.control.delay == pytest.approx(0.11)


def test_a_burst_begins_no_overload() -> None:
    """A pause of the loop makes all datagrams old once; the queue is empty right after."""
    hand = Hand()
    hand.interval(0.5, 0.4, 0.3, 0.0)
    hand.interval(0.5, 0.0)
    assert not hand.is_shedding()


def test_a_standing_queue_that_grows_begins_overload_within_the_interval() -> None:
    hand = Hand()
    hand.interval(0.05, 0.06)
    if hand.control.observe_age(0, 0.11):
        hand.control.begin_shedding(hand.now)
    assert hand.is_shedding()


def test_a_late_event_loop_begins_overload() -> None:
    """Calls over TCP have no age, and wait as long as the loop lags."""
    hand = Hand()
    hand.interval(lag=0.5)
    hand.interval(lag=0.09)
    assert not hand.is_shedding()  # a pause of the machine
    for _ in range(2):
        hand.interval(lag=0.11)
    assert hand.is_shedding()


def test_the_socket_with_the_oldest_queue_decides() -> None:
    hand = Hand()
    if hand.control.observe_age(1, 0.0):
        hand.control.begin_shedding(hand.now)
    hand.interval(0.2)
    assert hand.is_shedding()


def test_overload_ends_after_a_while_without_refusals_and_without_delay() -> None:
    hand = Hand()
    hand.overload()
    for _ in range(round(10 * RELAX_TIME)):
        assert hand.is_shedding()
        hand.interval(0.0)
    hand.interval(0.0)
    assert not hand.is_shedding()


@pytest.mark.parametrize("age", [LOW, THRESHOLD - 0.01])
def test_overload_goes_on_while_the_delay_is_above_the_lower_threshold(age: float) -> None:
    hand = Hand()
    hand.overload()
    for _ in range(100):
        hand.interval(age)
    assert hand.is_shedding()


def test_overload_goes_on_while_calls_are_refused() -> None:
    hand = Hand()
    hand.overload()
    for _ in range(100):
        hand.offer(1000, 0.1)
        hand.interval(0.0)
    assert hand.is_shedding()


def test_a_threshold_of_zero_turns_the_control_off() -> None:
    hand = Hand(threshold=0.0)
    for _ in range(20):
        hand.interval(5.0, lag=5.0)
    assert not hand.is_shedding()


def test_the_longest_age_of_the_last_minute_is_kept() -> None:
    hand = Hand()
    hand.interval(0.03, 0.7, 0.01)
    assert hand.control.worst_delay == 0.7
    for _ in range(601):
        hand.interval(0.0)
    assert hand.control.worst_delay == 0.0


# The two gates


def test_no_call_is_admitted_while_the_delay_is_above_the_lower_threshold() -> None:
    hand = Hand()
    hand.overload()
    assert hand.offer(100, 1.0, age=LOW) == 0
    assert hand.offer(100, 1.0, age=LOW - 0.001) > 0


def test_the_admitted_rate_is_bounded_by_a_multiple_of_its_average() -> None:
    hand = Hand()
    hand.overload(calls=10)  # 100 a second
    hand.now += 1.0
    assert hand.offer(1000, 1.0) == pytest.approx(100 * MAX_GROWTH, abs=4)


def test_the_admitted_rate_grows_while_there_is_no_delay() -> None:
    hand = Hand()
    hand.overload(calls=10)
    rates = []
    for _ in range(15):
        hand.interval(0.0)
        rates.append(hand.control.rate)
    assert rates == sorted(rates)
    assert rates[-1] > 1.5 * rates[0]


def test_the_admitted_rate_falls_to_its_average_once_there_is_a_delay() -> None:
    hand = Hand()
    hand.overload(calls=10)
    for _ in range(20):
        hand.interval(0.0, calls=10)
    hand.offer(1, 0.1, age=LOW)
    hand.interval(0.0, calls=10)
    assert hand.control.rate == pytest.approx(100 * MAX_GROWTH, rel=0.3)


def test_after_a_long_pause_calls_are_admitted_at_a_share_of_the_former_rate() -> None:
    hand = Hand()
    hand.overload(calls=100)
    for _ in range(100):
        hand.offer(1, 0.1, age=1.0)
        hand.interval()
    assert hand.control.average < 1
    assert hand.control.rate == pytest.approx(250, rel=0.05)


def test_a_call_may_always_be_tried() -> None:
    """Else a program that was overloaded before its first call would never admit one."""
    hand = Hand()
    hand.interval(0.2)
    assert hand.is_shedding()
    assert hand.offer(100, 1.0) == pytest.approx(10, abs=1)


# In a model of a proxy


def model(multiple: float, api_delay: float, seconds: float = 25) -> Outcome:
    """Offer a multiple of the capacity."""
    control = OverloadControl(THRESHOLD)
    return Model(control, lambda _: multiple * CAPACITY, api_delay=api_delay).run(seconds)


@pytest.mark.parametrize("api_delay", [0.0, 0.15])
@pytest.mark.parametrize("multiple", [1.1, 1.5, 2.0])
def test_in_overload_ninety_percent_of_the_capacity_are_served_in_time(
    multiple: float, api_delay: float
) -> None:
    outcome = model(multiple, api_delay)
    assert outcome.goodput(5, 24) > 0.9
    assert outcome.percentile(0.99) < 0.2


@pytest.mark.parametrize("api_delay", [0.0, 0.15])
def test_below_the_capacity_no_call_is_refused(api_delay: float) -> None:
    assert model(0.85, api_delay).refused == 0


def test_without_the_control_callers_wait_for_seconds() -> None:
    """The model shows the collapse that the control prevents."""
    rate = 1.5 * CAPACITY
    assert Model(OverloadControl(0.0), lambda _: rate).run(25).percentile(0.5) > 2


def test_at_the_capacity_the_state_does_not_flap() -> None:
    assert model(1.05, 0.15).changes <= 3


def test_when_the_load_falls_every_call_is_admitted_again() -> None:
    control = OverloadControl(THRESHOLD)

    def rate(now: float) -> float:
        return CAPACITY * (2.0 if 5 < now < 12 else 0.5)

    outcome = Model(control, rate, api_delay=0.15).run(22)
    assert outcome.changes == 2
    assert outcome.states[-1] is OverloadState.NORMAL
    assert outcome.goodput(15, 21) == pytest.approx(0.5, abs=0.05)
