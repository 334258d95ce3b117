"""A staged call that was not used is claimed once, by a call that is the same to the agent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sip_stager.events import Event, StagingClaimed, StagingWasted
from sip_stager.ports import Call, Decision, Forward, Refusal
from sip_stager.staging import claims as module
from sip_stager.staging.claims import Claims
from tests.support.fakes import FakeClock, FakeStager

if TYPE_CHECKING:
    from sip_stager.ports import Cancellable

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
AGAIN = replace(CALL, sip_call_id="b@h", deadline=3.0)
LIFE = 45.0


class Desk:
    """Claims over a stager that does as told, and what was decided."""

    def __init__(self, *, finish: bool = True, life: float = LIFE) -> None:
        self.clock = FakeClock()
        self.stager = FakeStager(self.clock)
        self.events: list[Event] = []
        self.claims = Claims(self.stager, self.clock, self.events.append, life, finish=finish)
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
    desk.claims.give_back(CALL, first)
    assert desk.claims.kept == 1
    desk.start(AGAIN)
    assert desk.decided == [first]  # a port never calls back before it has returned
    desk.clock.advance(0)
    assert desk.decided == [first, first]
    assert len(desk.stager.stagings) == 1
    assert desk.events == [StagingClaimed(AGAIN, "call-1")]
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2  # it is claimed once


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, trunk="other"),
        replace(CALL, from_number="+33911111111"),
        replace(CALL, to_number="+33611111111"),
        replace(CALL, agent_id="other"),
        replace(CALL, variables={"name": "Zoe"}),
        replace(CALL, generation=1),
    ],
)
def test_a_call_that_differs_to_the_agent_claims_nothing(other: Call) -> None:
    desk = Desk()
    desk.claims.give_back(CALL, desk.staged())
    desk.start(other)
    assert len(desk.stager.stagings) == 2


def test_it_is_claimed_only_while_enough_of_its_life_is_left_and_then_wasted() -> None:
    desk = Desk()
    first = desk.staged()
    desk.clock.advance(40)
    desk.claims.give_back(CALL, first)
    desk.clock.advance(4.9)
    assert desk.events == []
    desk.clock.advance(0.2)
    assert desk.events == [StagingWasted(CALL, "call-1")]
    assert (desk.claims.kept, desk.clock.waiting) == (0, 0)
    desk.claims.give_back(CALL, first)
    assert desk.kinds() == ["StagingWasted"] * 2


def test_a_life_of_nothing_keeps_nothing() -> None:
    desk = Desk(life=0)
    desk.claims.give_back(CALL, desk.staged())
    desk.start().cancel()
    assert desk.stager.stagings[1].cancelled
    assert (desk.kinds(), desk.claims.kept) == (["StagingWasted"], 0)


def test_a_staging_whose_caller_hangs_up_is_cancelled_where_the_settings_say_so() -> None:
    desk = Desk(finish=False)
    desk.start().cancel()
    assert desk.stager.stagings[0].cancelled


def test_or_brought_to_its_end_and_kept() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.stager.stagings[0].succeed("call-1")
    assert (desk.decided, desk.claims.kept) == ([], 1)
    desk.start(AGAIN)
    desk.clock.advance(0)
    assert [one.call_id for one in desk.decided if isinstance(one, Forward)] == ["call-1"]


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
    assert (desk.decided, desk.claims.kept, desk.events) == ([], 0, [])
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2


def test_two_calls_at_the_same_moment_get_two_stagings() -> None:
    desk = Desk()
    desk.start(CALL)
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2


def test_who_hangs_up_before_he_hears_of_his_claim_leaves_it() -> None:
    desk = Desk()
    desk.claims.give_back(CALL, desk.staged())
    desk.start(AGAIN).cancel()
    assert desk.claims.kept == 1
    desk.clock.advance(0)
    assert len(desk.decided) == 1


def test_no_more_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    desk = Desk()
    for number in range(3):
        call = replace(CALL, from_number=f"+3391234567{number}")
        desk.claims.give_back(call, desk.staged(call))
    assert desk.claims.kept == 2
    assert desk.events == [StagingWasted(replace(CALL, from_number="+33912345670"), "call-1")]


def test_of_several_of_one_key_each_has_its_own_time() -> None:
    desk = Desk()
    desk.start(CALL)
    desk.start(AGAIN)
    desk.stager.stagings[0].succeed("older")
    desk.clock.advance(10)
    desk.stager.stagings[1].succeed("younger")
    older, younger = desk.decided
    assert isinstance(older, Forward)
    assert isinstance(younger, Forward)
    desk.claims.give_back(CALL, younger)
    desk.claims.give_back(CALL, older)
    desk.clock.advance(36)
    assert desk.events == [StagingWasted(CALL, "older")]
    desk.clock.advance(10)
    assert desk.events[1:] == [StagingWasted(CALL, "younger")]
    assert (desk.claims.kept, desk.clock.waiting) == (0, 0)


class Callers(RuleBasedStateMachine):
    """Callers who call, hang up and fail at random, while the mapping changes.

    No id is used twice or past its life, and none that was staged by a mapping of before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.generation = 0
        self.waiting: list[tuple[Call, Cancellable, list[Decision]]] = []
        self.up: list[tuple[Call, Forward]] = []

    @rule(caller=st.integers(0, 2))
    def calls(self, caller: int) -> None:
        number = f"+3391234567{caller}"
        call = replace(CALL, from_number=number, generation=self.generation)
        heard: list[Decision] = []
        self.waiting.append((call, self.desk.claims.start(call, heard.append), heard))
        self.hear()

    @rule()
    def the_mapping_changes(self) -> None:
        self.generation += 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def hangs_up(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(chosen)
        chosen[1].cancel()

    @rule(data=st.data(), works=st.booleans())
    def staging_ends(self, data: st.DataObject, works: bool) -> None:  # noqa: FBT001  hypothesis' way
        stagings = self.desk.stager.stagings
        if under_way := [one for one in stagings if not one.over]:
            staging = data.draw(st.sampled_from(under_way))
            if works:
                staging.succeed(f"call-{stagings.index(staging)}")
            else:
                staging.fail()
        self.hear()

    @precondition(lambda self: self.up)
    @rule(data=st.data(), used=st.booleans())
    def call_ends(self, data: st.DataObject, used: bool) -> None:  # noqa: FBT001  hypothesis' way
        call, forward = ended = data.draw(st.sampled_from(self.up))
        self.up.remove(ended)
        if not used:
            self.desk.claims.give_back(call, forward)

    @rule(seconds=st.sampled_from([0.0, 1.0, 20.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.desk.clock.advance(seconds)
        self.hear()

    def hear(self) -> None:
        for one in list(self.waiting):
            call, _, heard = one
            assert len(heard) <= 1
            if heard:
                self.waiting.remove(one)
                if isinstance(heard[0], Forward):
                    assert self.desk.clock.now - heard[0].staged_at <= LIFE + 50  # heard late
                    staged = int(heard[0].call_id.removeprefix("call-"))
                    asked = self.desk.stager.stagings[staged].call
                    assert (asked.from_number, asked.generation) == (
                        *(call.from_number, call.generation),
                    )
                    self.up.append((call, heard[0]))
                else:
                    assert isinstance(heard[0], Refusal)

    @invariant()
    def no_id_is_used_twice(self) -> None:
        ids = [forward.call_id for _, forward in self.up]
        assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        for _, cancellable, _ in self.waiting:
            cancellable.cancel()
        for staging in self.desk.stager.stagings:
            if not staging.over:
                staging.fail()
        self.desk.clock.advance(100)
        assert self.desk.claims.kept == 0
        assert self.desk.clock.waiting == 0
        assert not self.desk.claims._left


TestCallers = Callers.TestCase
TestCallers.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
