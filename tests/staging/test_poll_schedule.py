"""The order of polls under a budget: whatever comes, goes or is cancelled."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.staging.poll_schedule import (
    BURST_TIME,
    LAST_POLL_MARGIN,
    PollSchedule,
    PollTurn,
    next_due,
)

Turn = PollTurn[str]


@dataclass
class Clocked:
    """A schedule whose clock is moved by hand, and the polls that went."""

    schedule: PollSchedule[str]
    now: float = 100.0
    added: list[Turn] = field(default_factory=list)
    taken: list[tuple[float, Turn]] = field(default_factory=list)

    def add(
        self, after: float = 0.0, deadline: float = 10.0, *, first: bool = False, name: str = ""
    ) -> Turn:
        turn = PollTurn(self.now + after, self.now + deadline, first, name)
        self.schedule.add(turn)
        self.added.append(turn)
        return turn

    def serve(self) -> None:
        while (turn := self.schedule.take(self.now)) is not None:
            self.taken.append((self.now, turn))

    def run(self, seconds: float) -> None:
        """Serve at each time that the schedule asks for, as the loop's timer does."""
        until = self.now + seconds
        self.serve()
        while (due := self.schedule.next_time()) is not None and due <= until:
            assert due > self.now, "it would be asked again and again"
            self.now = due
            self.serve()
        self.now = until

    @property
    def names(self) -> str:
        return "".join(turn.waiter for _, turn in self.taken)


def of_rate(rate: int) -> Clocked:
    return Clocked(PollSchedule(rate))


def test_without_shortage_each_poll_goes_when_it_is_due() -> None:
    clocked = of_rate(1000)
    due = [clocked.add(0.1 * n, first=bool(n % 2)).due for n in range(1, 20)]
    clocked.run(2.0)
    assert [when for when, _ in clocked.taken] == due
    assert (len(clocked.schedule), clocked.schedule.entries) == (0, 0)


def test_first_polls_take_three_turns_of_four() -> None:
    clocked = of_rate(10)
    for _ in range(9):
        clocked.add(first=True, name="f")
        clocked.add(name="l")
    clocked.run(3.0)
    assert clocked.names == "ffflffflffflllllll"


def test_later_polls_go_by_deadline_and_by_wait_in_turn() -> None:
    clocked = of_rate(10)
    for at, name in enumerate("abcdef"):
        clocked.add(0.001 * at, deadline=10.0 - at, name=name)
    clocked.now += 0.1
    clocked.run(3.0)
    assert clocked.names == "faebdc"


def test_a_turn_that_one_kind_does_not_need_goes_to_the_other() -> None:
    for first in (True, False):
        clocked = of_rate(10)
        for _ in range(20):
            clocked.add(first=first)
        clocked.run(20 * (1 + BURST_TIME) / 10)
        assert len(clocked.taken) == 20


def test_a_poll_is_never_served_before_its_time() -> None:
    clocked = of_rate(10)
    clocked.add(1.0)
    clocked.run(0.99)
    assert clocked.taken == []
    clocked.run(0.02)
    assert len(clocked.taken) == 1


@pytest.mark.parametrize("first", [True, False])
def test_a_poll_waits_for_a_bounded_number_of_turns_however_urgent_the_others_are(
    *, first: bool
) -> None:
    """Neither endless new calls nor calls whose deadlines are always nearer starve a call."""
    clocked = of_rate(100)
    for _ in range(10):
        clocked.add(first=first)
    ours = clocked.add(deadline=1000.0, first=first, name="ours")
    for _ in range(200):
        clocked.add(deadline=0.5, first=True)
        clocked.add(deadline=0.5)
        clocked.run(0.01)
        if not ours.waiting:
            break
    turns = [turn for _, turn in clocked.taken].index(ours) + 1
    # Eleven in order of their wait: first polls three turns of four, others one of eight.
    assert turns <= (16 if first else 8 * 11)


def test_the_nearest_deadline_waits_for_eight_turns_at_most() -> None:
    clocked = of_rate(100)
    for _ in range(500):
        clocked.add(first=True)
        clocked.add(deadline=5.0)
    clocked.run(0.05)
    before = len(clocked.taken)
    ours = clocked.add(deadline=1.0)
    clocked.run(0.2)
    assert [turn for _, turn in clocked.taken].index(ours) <= before + 8


Steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.floats(0, 2),
            st.floats(0, 5),
            st.booleans(),
        ),
        st.tuples(st.just("discard"), st.integers(0, 50)),
        st.tuples(st.just("run"), st.floats(0, 0.7)),
        st.tuples(st.just("late"), st.floats(0, 0.7)),
    ),
    max_size=80,
)


def play(clocked: Clocked, steps: list[tuple[object, ...]]) -> list[Turn]:
    """Play steps; return the turns that were discarded while they waited."""
    discarded: list[Turn] = []
    for step in steps:
        match step:
            case ("add", float(after), float(deadline), bool(first)):
                for _ in range(5):
                    clocked.add(after, deadline, first=first)
            case ("discard", int(index)) if index < len(clocked.added):
                turn = clocked.added[index]
                discarded += [turn] * turn.waiting
                clocked.schedule.discard(turn)
            case ("run", float(seconds)):
                clocked.run(seconds)
            case ("late", float(seconds)):  # the loop is busy
                clocked.now += seconds
                clocked.serve()
        live = sum(turn.waiting for turn in clocked.added)
        assert len(clocked.schedule) == live
        # At most as many dead entries as live ones; a later poll that is due has two entries.
        assert clocked.schedule.entries <= 4 * live
    return discarded


@given(Steps, st.integers(1, 300))
def test_no_second_has_more_polls_than_the_budget(
    steps: list[tuple[object, ...]], rate: int
) -> None:
    clocked = of_rate(rate)
    for _ in range(rate):
        clocked.add(first=True)
    play(clocked, steps)
    clocked.run(3.0)
    times = [when for when, _ in clocked.taken]
    for index, when in enumerate(times):
        assert bisect_left(times, when + 1 - 1e-6) - index <= rate


@given(Steps, st.integers(1, 300))
def test_every_call_polls_once_unless_it_is_cancelled_and_nothing_is_left_behind(
    steps: list[tuple[object, ...]], rate: int
) -> None:
    clocked = of_rate(rate)
    discarded = play(clocked, steps)
    waiting = len(clocked.schedule)
    before = len(clocked.taken)
    clocked.run(2.0 + (waiting + 1) * (1 + BURST_TIME) / rate)
    assert len(clocked.taken) - before == waiting
    turns = [turn for _, turn in clocked.taken]
    assert len(set(map(id, turns))) == len(turns)
    assert not {id(turn) for turn in discarded} & {id(turn) for turn in turns}
    assert all(when >= turn.due for when, turn in clocked.taken)
    assert (clocked.schedule.entries, clocked.schedule.next_time()) == (0, None)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (0.0, 1.0),  # the interval
        (2.5, 3.5),
        (3.0, 4.0 - LAST_POLL_MARGIN),  # the next would be too late
        (3.6, 4.0 - LAST_POLL_MARGIN),
        (3.65, 4.65),  # one has just been made
        (3.9, 4.9),
    ],
)
def test_a_call_polls_once_more_shortly_before_its_deadline(now: float, due: float) -> None:
    assert next_due(now, 1.0, 0.1, deadline=4.0) == pytest.approx(due)
