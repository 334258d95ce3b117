"""A staging that outlives its caller is used once, by a call of the same identity."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sip_stager.events import Event, StagingClaimed, StagingWasted
from sip_stager.model.call import Call, Decision, Forward, Refusal
from sip_stager.ports import Cancellable
from sip_stager.staging.claims import Claims
from tests.support.fakes import FakeClock, FakeStager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sip_stager.ports import Notify
    from tests.support.fakes import FakeStaging

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
AGAIN = CALL._replace(call_id="b@h", deadline=3.0)
TTL = 45.0


class Desk:
    """Claims over a stager that the test drives, and the decisions."""

    def __init__(
        self, *, finish: bool = True, ttl: float = TTL, notify: Notify | None = None
    ) -> None:
        self.clock = FakeClock()
        self.stager = FakeStager(self.clock)
        self.events: list[Event] = []
        notify = notify or self.events.append
        self.claims = Claims(self.stager, self.clock, notify, ttl, finish=finish)
        self.decided: list[Decision] = []

    def start(self, call: Call = CALL) -> Cancellable:
        return self.claims.start_staging(call, self.decided.append)

    def stage(self, call: Call = CALL) -> Forward:
        """Stage a call, and return its decision."""
        self.start(call)
        self.stager.stagings[-1].succeed(f"call-{len(self.stager.stagings)}")
        forward = self.decided[-1]
        assert isinstance(forward, Forward)
        return forward

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def test_a_call_with_nothing_to_reuse_is_staged() -> None:
    desk = Desk()
    assert desk.stage() == Forward("call-1", desk.clock.now)
    assert desk.events == []


def test_a_returned_staged_call_is_claimed_by_the_next_call_of_its_identity() -> None:
    desk = Desk()
    first = desk.stage()
    desk.claims.return_unused(CALL, first)
    assert desk.claims.reserved == 1
    desk.start(AGAIN)
    assert desk.decided == [first]  # a port never calls back before it has returned
    desk.clock.advance(0)
    assert desk.decided == [first, first]
    assert len(desk.stager.stagings) == 1
    assert desk.events == [StagingClaimed(AGAIN, "call-1", "a@h")]
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2  # a reserved call is claimed once


def test_reserved_calls_and_stagings_that_are_left_can_be_reused_by_their_identity_alone() -> None:
    desk = Desk()
    other = CALL._replace(from_number="+33600000000")
    assert not desk.claims.can_reuse(AGAIN)
    desk.start().cancel()
    assert desk.claims.can_reuse(AGAIN)
    desk.stager.stagings[0].succeed("call-1")
    assert (desk.claims.can_reuse(AGAIN), desk.claims.can_reuse(other)) == (True, False)
    desk.start(AGAIN)
    assert not desk.claims.can_reuse(AGAIN)


def test_a_time_to_live_of_zero_reserves_nothing() -> None:
    desk = Desk(ttl=0)
    desk.claims.return_unused(CALL, desk.stage())
    desk.start().cancel()
    assert desk.stager.stagings[1].cancelled
    assert (desk.kinds(), desk.claims.reserved) == (["StagingWasted"], 0)


def test_without_finish_the_staging_of_a_caller_who_hangs_up_is_cancelled() -> None:
    desk = Desk(finish=False)
    desk.start().cancel()
    assert desk.stager.stagings[0].cancelled


def test_a_staging_whose_caller_hung_up_is_finished_and_its_staged_call_reserved() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.stager.stagings[0].succeed("call-1")
    assert (desk.decided, desk.claims.reserved) == ([], 1)
    desk.start(AGAIN)
    desk.clock.advance(0)
    assert [one.staged_id for one in desk.decided if isinstance(one, Forward)] == ["call-1"]


def test_a_staging_that_is_left_is_taken_over_by_the_next_call() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 1
    desk.stager.stagings[0].succeed("call-1")
    assert desk.decided == [Forward("call-1", desk.clock.now)]


def test_a_staging_that_fails_while_it_is_left_is_dropped() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.stager.stagings[0].fail()
    assert (desk.decided, desk.claims.reserved, desk.events) == ([], 0, [])
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2


def test_two_calls_at_the_same_moment_are_two_stagings() -> None:
    desk = Desk()
    desk.start(CALL)
    desk.start(AGAIN)
    assert len(desk.stager.stagings) == 2


def test_taking_over_is_reported_as_a_claim_and_hanging_up_twice_does_nothing() -> None:
    desk = Desk()
    first = desk.start()
    first.cancel()
    desk.start(AGAIN)
    first.cancel()
    desk.stager.stagings[0].succeed("call-1")
    assert desk.decided == [Forward("call-1", desk.clock.now)]
    assert desk.events == [StagingClaimed(AGAIN, "call-1", "a@h")]
    assert desk.clock.waiting == 0


def test_after_a_taken_over_staging_fails_the_call_is_staged_with_the_time_it_has_left() -> None:
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
def test_a_taken_over_staging_that_fails_is_not_repeated_without_time_or_at_the_stop(
    cause: str, waited: float
) -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN)
    desk.clock.advance(waited)
    desk.stager.stagings[0].fail(cause)
    assert [one.cause for one in desk.decided if isinstance(one, Refusal)] == [cause]
    assert len(desk.stager.stagings) == 1


def test_a_third_call_takes_over_from_a_second_that_hung_up() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN).cancel()
    assert desk.clock.waiting == 0
    third = AGAIN._replace(call_id="c@h")
    desk.start(third)
    desk.stager.stagings[0].succeed("call-1")
    assert desk.events == [StagingClaimed(third, "call-1", "a@h")]


def test_a_caller_who_took_over_waits_no_longer_than_the_calls_own_deadline() -> None:
    desk = Desk()
    desk.start().cancel()
    desk.start(AGAIN._replace(deadline=1.0))
    desk.clock.advance(1.0)
    assert [one.cause for one in desk.decided if isinstance(one, Refusal)] == ["timeout"]
    desk.stager.stagings[0].succeed("call-1")
    assert (len(desk.decided), desk.claims.reserved) == (1, 1)


def test_stopping_wastes_reserved_calls_and_those_that_are_staged_without_a_caller() -> None:
    desk = Desk()
    desk.claims.return_unused(CALL, desk.stage())
    desk.start(CALL._replace(from_number="+33911111111")).cancel()
    desk.claims.stop()
    desk.stager.stagings[1].succeed("call-2")
    assert desk.kinds() == ["StagingWasted"] * 2
    assert (desk.claims.reserved, desk.clock.waiting) == (0, 0)


def test_the_time_of_staging_is_when_the_stager_decided() -> None:
    desk = Desk()
    desk.start()
    desk.clock.advance(1.5)
    desk.stager.stagings[0]._done(Forward("call-1"))  # as the API's stager does, without a time
    assert desk.decided == [Forward("call-1", desk.clock.now)]


def test_after_the_stop_the_staging_of_a_caller_who_hangs_up_is_cancelled() -> None:
    desk = Desk()
    caller = desk.start()
    desk.claims.stop()
    caller.cancel()
    assert desk.stager.stagings[0].cancelled
    assert not desk.claims.can_reuse(CALL)


def test_a_caller_whose_call_is_staged_again_can_hang_up() -> None:
    desk = Desk()
    desk.start().cancel()
    caller = desk.start(AGAIN)
    desk.stager.stagings[0].fail()
    caller.cancel()
    assert desk.claims.can_reuse(AGAIN)
    desk.stager.stagings[1].succeed("call-1")
    assert (desk.decided, desk.claims.reserved) == ([], 1)


def answered(desk: Desk) -> None:
    desk.start()
    desk.stager.stagings[0].succeed("call-1")


def cancelled(desk: Desk) -> None:
    desk.claims.stop()
    desk.start().cancel()


def left(desk: Desk) -> None:
    desk.start().cancel()
    desk.stager.stagings[0].succeed("call-1")


def taken_over(desk: Desk) -> None:
    desk.start().cancel()
    desk.start(AGAIN)
    desk.stager.stagings[0].succeed("call-1")


def timed_out(desk: Desk) -> None:
    desk.start().cancel()
    desk.start(AGAIN)
    desk.clock.advance(AGAIN.deadline)
    desk.stager.stagings[0].fail()


def staged_again(desk: Desk) -> None:
    desk.start().cancel()
    desk.start(AGAIN)
    desk.stager.stagings[0].fail()
    desk.stager.stagings[1].succeed("call-1")


@pytest.mark.parametrize("way", [answered, cancelled, left, taken_over, timed_out, staged_again])
def test_no_way_to_its_end_leaves_a_reference_cycle(
    way: Callable[[Desk], None], garbage: list[object]
) -> None:
    """The collector is off while calls are up (``assembly/idle_collector.py``)."""
    desk = Desk()
    way(desk)
    desk.stager.stagings.clear()
    gc.collect()
    names = {type(each).__name__ for each in garbage}
    assert names.isdisjoint({"Attempt", "WaitingCaller", "FakeStaging"})


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    """Whatever only the collector can free."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@dataclass(eq=False)
class Caller:
    """A caller who waits, and hangs up with ``handle``."""

    call: Call
    handle: Cancellable | None = None


class Callers(RuleBasedStateMachine):
    """Callers who call and hang up at random, while stagings fail and the mapping changes.

    Each staged id is used by one call at a time, within its time to live and under the mapping that
    it was staged with, or reserved, or wasted.  Each call is answered once, or hangs up.
    """

    @initialize(finish=st.booleans())
    def opens(self, *, finish: bool) -> None:
        self.desk = Desk(finish=finish, notify=self.report)
        self.generation = 0
        self.fates: dict[str, str] = {}
        self.staged: dict[str, tuple[float, Call]] = {}
        self.waiting: list[Caller] = []
        self.up: list[tuple[Call, Forward]] = []

    @rule(number=st.integers(0, 1), deadline=st.sampled_from([0.2, 4.0]), waits=st.booleans())
    def calls(self, *, number: int, deadline: float, waits: bool) -> None:
        caller = Caller(
            CALL._replace(
                from_number=f"+3391234567{number}",
                deadline=deadline,
                generation=self.generation,
            )
        )
        self.waiting.append(caller)
        caller.handle = self.desk.claims.start_staging(caller.call, partial(self.answer, caller))
        if not waits:
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
            self.fates[staged_id] = "reserved"  # until a call is answered with it
            self.staged[staged_id] = self.desk.clock.now, staging.call
            staging.succeed(staged_id)
        else:
            staging.fail()

    @precondition(lambda self: self.up)
    @rule(data=st.data(), used=st.booleans())
    def call_ends(self, *, data: st.DataObject, used: bool) -> None:
        call, forward = ended = data.draw(st.sampled_from(self.up))
        self.up.remove(ended)
        self.fates[forward.staged_id] = "used" if used else "reserved"
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

    def answer(self, caller: Caller, decision: Decision) -> None:
        self.waiting.remove(caller)
        if isinstance(decision, Forward):
            call, staged_id = caller.call, decision.staged_id
            since, asked = self.staged[staged_id]
            assert self.fates[staged_id] == "reserved"
            assert self.desk.clock.now - since <= TTL
            assert decision.staged_at == since
            assert (asked.from_number, asked.generation) == (call.from_number, call.generation)
            self.fates[staged_id] = "up"
            self.up.append((call, decision))

    def report(self, event: Event) -> None:
        assert isinstance(event, StagingClaimed | StagingWasted)
        assert self.fates[event.staged_id] == "reserved"
        if isinstance(event, StagingWasted):
            self.fates[event.staged_id] = "wasted"

    @invariant()
    def no_id_is_lost(self) -> None:
        assert self.desk.claims.reserved == list(self.fates.values()).count("reserved")

    def teardown(self) -> None:
        self.stops()
        self.desk.clock.advance(100)
        assert "reserved" not in self.fates.values()
        assert self.desk.clock.waiting == 0
        assert not self.desk.claims._left


TestCallers = Callers.TestCase
TestCallers.settings = settings(max_examples=200, stateful_step_count=40)
