"""A staged call that nobody uses is handed to one call, within its life, or wasted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sip_stager.events import Event, StagingClaimed, StagingWasted
from sip_stager.model.call import Call, Decision, Forward
from sip_stager.model.vocabulary import WasteReason
from sip_stager.staging import reserved as module
from sip_stager.staging.reserved import ReservedCalls
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    import pytest

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
AGAIN = replace(CALL, call_id="b@h", deadline=3.0)
OTHER = replace(CALL, call_id="c@h", from_number="+33911111111")
LIFE = 45.0


class Store:
    """A store, and what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.told: list[Decision] = []
        self.kept = ReservedCalls(self.clock, self.events.append, LIFE)

    def keep(self, staged_id: str, call: Call = CALL, *, age: float = 0.0) -> Forward:
        forward = Forward(staged_id, self.clock.now - age)
        self.kept.reserve(call, forward)
        return forward

    def wasted(self) -> list[str]:
        return [event.staged_id for event in self.events if isinstance(event, StagingWasted)]


def test_the_next_call_of_the_same_key_claims_it_and_no_other_does() -> None:
    store = Store()
    forward = store.keep("call-1")
    assert store.kept.claim(OTHER, store.told.append) is None
    assert store.kept.claim(AGAIN, store.told.append)
    assert (store.told, store.events) == ([], [])  # a port never calls back before it has returned
    store.clock.advance(0)
    assert store.told == [forward]
    assert store.events == [StagingClaimed(AGAIN, "call-1", "a@h")]
    assert store.kept.claim(AGAIN, store.told.append) is None


def test_it_is_kept_only_while_enough_of_its_life_is_left_and_then_wasted() -> None:
    store = Store()
    store.keep("call-1", age=40)
    store.clock.advance(4.9)
    assert store.events == []
    store.clock.advance(0.2)
    assert store.events == [StagingWasted(CALL, "call-1")]
    assert (len(store.kept), store.clock.waiting) == (0, 0)
    store.keep("call-2", age=45)
    assert store.wasted() == ["call-1", "call-2"]


def test_of_several_of_one_key_each_has_its_own_time() -> None:
    store = Store()
    store.keep("younger")
    store.keep("older", age=10)
    store.clock.advance(36)
    assert store.wasted() == ["older"]
    store.clock.advance(10)
    assert store.wasted() == ["older", "younger"]
    assert (len(store.kept), store.clock.waiting) == (0, 0)


def test_past_the_room_for_them_the_one_that_waits_longest_is_wasted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_RESERVED", 3)
    store = Store()
    store.keep("first")
    store.keep("second", OTHER)
    store.keep("third")
    store.kept.claim(AGAIN, store.told.append)  # "first"
    store.keep("fourth")
    store.keep("fifth")
    assert store.wasted() == ["second"]
    assert store.events[-1] == StagingWasted(OTHER, "second", WasteReason.STORE_FULL)
    assert len(store.kept) == 3


def test_who_hangs_up_before_he_hears_of_his_claim_leaves_it_and_has_claimed_nothing() -> None:
    store = Store()
    store.keep("call-1")
    claimed = store.kept.claim(replace(AGAIN, call_id="gone@h"), store.told.append)
    assert claimed
    claimed.cancel()
    claimed.cancel()
    assert len(store.kept) == 1
    store.clock.advance(0)
    assert (store.told, store.events) == ([], [])
    claimed = store.kept.claim(AGAIN, store.told.append)
    assert claimed
    store.clock.advance(0)
    claimed.cancel()
    assert (len(store.kept), len(store.told)) == (0, 1)
    assert store.events == [StagingClaimed(AGAIN, "call-1", "a@h")]  # which it was staged for


def test_all_is_wasted_at_the_stop_and_all_that_comes_afterwards() -> None:
    store = Store()
    store.keep("call-1")
    store.keep("call-2", OTHER)
    store.kept.stop()
    assert store.wasted() == ["call-1", "call-2"]
    store.keep("call-3")
    assert store.wasted()[2:] == ["call-3"]
    assert {one.reason for one in store.events if isinstance(one, StagingWasted)} == {"stopped"}
    assert (len(store.kept), store.clock.waiting) == (0, 0)
