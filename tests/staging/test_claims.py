"""A staged call that was not used is claimed once, by a call that is the same to the agent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sip_stager.events import Event, StagingClaimed, StagingWasted
from sip_stager.model.call import Call, Decision, Forward, Refusal
from sip_stager.staging.claims import Claims
from tests.support.fakes import FakeClock, FakeStager

if TYPE_CHECKING:
    from sip_stager.ports import Cancellable, Notify
    from tests.support.fakes import FakeStaging

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
AGAIN = replace(CALL, call_id="b@h", deadline=3.0)
LIFE = 45.0


class Desk:
    """Claims over a stager that does as told, and what was decided."""

    def __init__(
        self, *, finish: bool = True, life: float = LIFE, notify: Notify | None = None
    ) -> None:
        self.clock = FakeClock()
        self.stager = FakeStager(self.clock)
        self.events: list[Event] = []
        notify = notify or self.events.append
        self.claims = Claims(self.stager, self.clock, notify, life, finish=finish)
        self.decided: list[Decision] = []

    def start(self, call: Call = CALL) -> Cancellable:
        return self.claims.start(call, self.decided.append)

    def staged(self, call: Call = CALL) -> Forward:
        """Stage a call to its end."""
        self.start(call)
        self.stager.stagings[-1].succeed(f"call-{len(self.stager.stagings)}")
        forward = self.decided[-1]
        assert isinstance(forward, Forward)
        return forward

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def test_a_call_that_nobody_came_before_is_staged() -> None:
    desk = Desk()
    assert desk.staged() == Forward("call-1", desk.clock.now)
    assert desk.events == []


def test_what_is_given_back_is_claimed_by_the_next_call_of_the_same_key() -> None:
    desk = Desk()
    first = desk.staged()
    desk.claims.return_unused(CALL, first)
    assert desk.claims.reserved == 1
    desk.start(AGAIN)
    assert desk.decided == [first]  # a port never calls back before it has returned
    desk.clock.advance(0)
    assert desk.decided == [first, first]
    assert len(desk.stager.stagings) == 1
    assert desk.events == [StagingClaimed(AGAIN, "call-1", "a@h")]
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2  # it is claimed once


def test_what_is_kept_or_staged_for_nobody_is_at_hand_for_such_a_call_alone() -> None:
    desk = Desk()
    other = replace(CALL, from_number="+33600000000")
    assert not desk.claims.can_reuse(AGAIN)
    desk.start().cancel()
    assert desk.claims.can_reuse(AGAIN)
    desk.stager.stagings[0].succeed("call-1")
    assert (desk.claims.can_reuse(AGAIN), desk.claims.can_reuse(other)) == (True, False)
    desk.start(AGAIN)
    assert not desk.claims.can_reuse(AGAIN)


def test_a_life_of_nothing_keeps_nothing() -> None:
    desk = Desk(life=0)
    desk.claims.return_unused(CALL, desk.staged())
    desk.start().cancel()
    assert desk.stager.stagings[1].cancelled
    assert (desk.kinds(), desk.claims.reserved) == (["StagingWasted"], 0)


def test_a_staging_whose_caller_hangs_up_is_cancelled_where_the_settings_say_so() -> None:
    desk = Desk(finish=False)
    desk.start().cancel()
    assert desk.stager.stagings[0].cancelled


def test_or_brought_to_its_end_and_kept() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.stager.stagings[0].succeed("call-1")
    assert (desk.decided, desk.claims.reserved) == ([], 1)
    desk.start(AGAIN)
    desk.clock.advance(0)
    assert [one.staged_id for one in desk.decided if isinstance(one, Forward)] == ["call-1"]


def test_or_taken_over_by_who_calls_again_meanwhile() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 1
    desk.stager.stagings[0].succeed("call-1")
    assert desk.decided == [Forward("call-1", desk.clock.now)]


def test_a_staging_that_fails_for_nobody_is_nobodys() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.stager.stagings[0].fail()
    assert (desk.decided, desk.claims.reserved, desk.events) == ([], 0, [])
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2


def test_two_calls_at_the_same_moment_get_two_stagings() -> None:
    desk = Desk()
    desk.start(CALL)
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2


def test_who_takes_over_claims_and_hanging_up_twice_ends_nothing() -> None:
    desk = Desk()
    first = desk.start()
    first.cancel()
    desk.start(AGAIN)
    first.cancel()
    desk.stager.stagings[0].succeed("call-1")
    assert desk.decided == [Forward("call-1", desk.clock.now)]
    assert desk.events == [StagingClaimed(AGAIN, "call-1", "a@h")]
    assert desk.clock.waiting == 0


def test_who_takes_over_what_fails_is_staged_with_what_is_left_of_his_own_time() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.clock.advance(3.6)
    desk.start(AGAIN)
    desk.clock.advance(0.4)
    desk.stager.stagings[0].fail()
    assert desk.decided == []
    afresh = desk.stager.stagings[1].call
    assert (afresh.call_id, round(afresh.deadline, 6)) == ("b@h", 2.6)
    desk.stager.stagings[1].fail("refused")
    assert [one.cause for one in desk.decided if isinstance(one, Refusal)] == ["refused"]
    assert len(desk.stager.stagings) == 2
    assert (desk.events, desk.clock.waiting) == ([], 0)


@pytest.mark.parametrize(("cause", "waited"), [("stopped", 0.0), ("timeout", 2.8)])
def test_but_neither_in_vain_nor_at_the_stop(cause: str, waited: float) -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN)
    desk.clock.advance(waited)
    desk.stager.stagings[0].fail(cause)
    assert [one.cause for one in desk.decided if isinstance(one, Refusal)] == [cause]
    assert len(desk.stager.stagings) == 1


def test_who_hangs_up_again_leaves_it_to_the_third_and_his_time_to_nobody() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN).cancel()
    assert desk.clock.waiting == 0
    third = replace(AGAIN, call_id="c@h")
    desk.start(third)
    desk.stager.stagings[0].succeed("call-1")
    assert desk.events == [StagingClaimed(third, "call-1", "a@h")]


def test_who_takes_over_waits_no_longer_than_his_own_time() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(replace(AGAIN, deadline=1.0))
    desk.clock.advance(1.0)
    assert [one.cause for one in desk.decided if isinstance(one, Refusal)] == ["timeout"]
    desk.stager.stagings[0].succeed("call-1")
    assert (len(desk.decided), desk.claims.reserved) == (1, 1)


def test_at_the_stop_what_is_kept_is_wasted_and_so_is_what_is_staged_for_nobody() -> None:
    desk = Desk()
    desk.claims.return_unused(CALL, desk.staged())
    desk.start(replace(CALL, from_number="+33911111111")).cancel()
    desk.claims.stop()
    desk.stager.stagings[1].succeed("call-2")
    assert desk.kinds() == ["StagingWasted"] * 2
    assert (desk.claims.reserved, desk.clock.waiting) == (0, 0)


@dataclass(eq=False)
class Caller:
    """Who waits, and hangs up by his handle."""

    call: Call
    handle: Cancellable | None = None


class Callers(RuleBasedStateMachine):
    """Callers who call, hang up and fail at random, while the mapping changes, until the stop.

    Each id that is staged is used by one call at a time, within its life and by the mapping that
    it was staged by, or kept, or wasted; each call hears once, or hangs up.
    """

    @initialize(finish=st.booleans())
    def opens(self, *, finish: bool) -> None:
        self.desk = Desk(finish=finish, notify=self.tell)
        self.generation = 0
        self.fates: dict[str, str] = {}
        self.staged: dict[str, tuple[float, Call]] = {}
        self.waiting: list[Caller] = []
        self.up: list[tuple[Call, Forward]] = []

    @rule(number=st.integers(0, 1), deadline=st.sampled_from([0.2, 4.0]), stays=st.booleans())
    def calls(self, *, number: int, deadline: float, stays: bool) -> None:
        caller = Caller(
            replace(
                CALL,
                from_number=f"+3391234567{number}",
                deadline=deadline,
                generation=self.generation,
            )
        )
        self.waiting.append(caller)
        caller.handle = self.desk.claims.start(caller.call, partial(self.hear, caller))
        if not stays:
            self.hang_up(caller)
        self.desk.clock.advance(0)

    @rule()
    def the_mapping_changes(self) -> None:
        self.generation += 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def hangs_up(self, data: st.DataObject) -> None:
        self.hang_up(data.draw(st.sampled_from(self.waiting)))

    @precondition(lambda self: self.desk.stager.waiting)
    @rule(data=st.data(), works=st.booleans())
    def staging_ends(self, *, data: st.DataObject, works: bool) -> None:
        staging = data.draw(st.sampled_from(self.under_way()))
        if works:
            staged_id = f"call-{len(self.fates)}"
            self.fates[staged_id] = "kept"  # until somebody hears of it
            self.staged[staged_id] = self.desk.clock.now, staging.call
            staging.succeed(staged_id)
        else:
            staging.fail()

    @precondition(lambda self: self.up)
    @rule(data=st.data(), used=st.booleans())
    def call_ends(self, *, data: st.DataObject, used: bool) -> None:
        call, forward = ended = data.draw(st.sampled_from(self.up))
        self.up.remove(ended)
        self.fates[forward.staged_id] = "used" if used else "kept"
        if not used:
            self.desk.claims.return_unused(call, forward)

    @rule(seconds=st.sampled_from([0.1, 1.0, 20.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.desk.clock.advance(seconds)

    @rule()
    def stops(self) -> None:
        self.desk.claims.stop()
        for staging in self.under_way():
            staging.fail("stopped")
        assert not self.waiting
        assert not self.desk.stager.waiting

    def under_way(self) -> list[FakeStaging]:
        return [one for one in self.desk.stager.stagings if not one.over]

    def hang_up(self, caller: Caller) -> None:
        self.waiting.remove(caller)
        assert caller.handle
        caller.handle.cancel()

    def hear(self, caller: Caller, decision: Decision) -> None:
        self.waiting.remove(caller)
        if isinstance(decision, Forward):
            call, staged_id = caller.call, decision.staged_id
            since, asked = self.staged[staged_id]
            assert self.fates[staged_id] == "kept"
            assert self.desk.clock.now - since <= LIFE
            assert decision.staged_at == since
            assert (asked.from_number, asked.generation) == (call.from_number, call.generation)
            self.fates[staged_id] = "up"
            self.up.append((call, decision))

    def tell(self, event: Event) -> None:
        assert isinstance(event, StagingClaimed | StagingWasted)
        assert self.fates[event.staged_id] == "kept"
        if isinstance(event, StagingWasted):
            self.fates[event.staged_id] = "wasted"

    @invariant()
    def none_is_lost(self) -> None:
        assert self.desk.claims.reserved == list(self.fates.values()).count("kept")

    def teardown(self) -> None:
        self.stops()
        self.desk.clock.advance(100)
        assert "kept" not in self.fates.values()
        assert self.desk.clock.waiting == 0
        assert not self.desk.claims._left


TestCallers = Callers.TestCase
TestCallers.settings = settings(max_examples=200, stateful_step_count=40)
