"""A reserved call is handed to one call, within its time to live, or wasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import Event, StagingClaimed, StagingWasted
from sip_stager.model.call import Call, Decision, Forward
from sip_stager.model.vocabulary import WasteReason
from sip_stager.staging import reserved_calls as module
from sip_stager.staging.reserved_calls import ReservedCalls
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    import pytest

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
AGAIN = CALL._replace(call_id="b@h", deadline=3.0)
OTHER = CALL._replace(call_id="c@h", from_number="+33911111111")
TTL = 45.0


class Store:
    """A store, and the events and decisions that it reported."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.decided: list[Decision] = []
        self.calls = ReservedCalls(self.clock, self.events.append, TTL)

    def reserve(self, staged_id: str, call: Call = CALL, *, age: float = 0.0) -> Forward:
        forward = Forward(staged_id, self.clock.now - age)
        self.calls.reserve(call, forward)
        return forward

    def wasted(self) -> list[str]:
        return [event.staged_id for event in self.events if isinstance(event, StagingWasted)]


def test_a_reserved_call_is_claimed_by_the_next_call_of_its_identity_alone() -> None:
    store = Store()
    forward = store.reserve("call-1")
    assert store.calls.claim(OTHER, store.decided.append) is None
    assert store.calls.claim(AGAIN, store.decided.append)
    assert (store.decided, store.events) == (
        [],
        [],
    )  # a port never calls back before it has returned
    store.clock.advance(0)
    assert store.decided == [forward]
    assert store.events == [StagingClaimed(AGAIN, "call-1", "a@h")]
    assert store.calls.claim(AGAIN, store.decided.append) is None


def test_a_reserved_call_is_wasted_when_its_time_to_live_ends() -> None:
    store = Store()
    store.reserve("call-1", age=40)
    store.clock.advance(4.9)
    assert store.events == []
    store.clock.advance(0.2)
    assert store.events == [StagingWasted(CALL, "call-1")]
    assert (len(store.calls), store.clock.waiting) == (0, 0)
    store.reserve("call-2", age=45)
    assert store.wasted() == ["call-1", "call-2"]


def test_each_reserved_call_of_an_identity_has_its_own_time_to_live() -> None:
    store = Store()
    store.reserve("younger")
    store.reserve("older", age=10)
    store.clock.advance(36)
    assert store.wasted() == ["older"]
    store.clock.advance(10)
    assert store.wasted() == ["older", "younger"]
    assert (len(store.calls), store.clock.waiting) == (0, 0)


def test_a_full_store_wastes_its_oldest_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_RESERVED", 3)
    store = Store()
    store.reserve("first")
    store.reserve("second", OTHER)
    store.reserve("third")
    store.calls.claim(AGAIN, store.decided.append)  # "first"
    store.reserve("fourth")
    store.reserve("fifth")
    assert store.wasted() == ["second"]
    assert store.events[-1] == StagingWasted(OTHER, "second", WasteReason.STORE_FULL)
    assert len(store.calls) == 3


def test_a_claim_cancelled_before_its_hand_over_is_reserved_again_and_not_reported() -> None:
    store = Store()
    store.reserve("call-1")
    claimed = store.calls.claim(AGAIN._replace(call_id="gone@h"), store.decided.append)
    assert claimed
    claimed.cancel()
    claimed.cancel()
    assert len(store.calls) == 1
    store.clock.advance(0)
    assert (store.decided, store.events) == ([], [])
    claimed = store.calls.claim(AGAIN, store.decided.append)
    assert claimed
    store.clock.advance(0)
    claimed.cancel()
    assert (len(store.calls), len(store.decided)) == (0, 1)
    assert store.events == [
        StagingClaimed(AGAIN, "call-1", "a@h")
    ]  # "a@h" is the call that it was staged for


def test_stopping_wastes_all_reserved_calls_and_all_later_ones() -> None:
    store = Store()
    store.reserve("call-1")
    store.reserve("call-2", OTHER)
    store.calls.stop()
    assert store.wasted() == ["call-1", "call-2"]
    store.reserve("call-3")
    assert store.wasted()[2:] == ["call-3"]
    assert {one.reason for one in store.events if isinstance(one, StagingWasted)} == {"stopped"}
    assert (len(store.calls), store.clock.waiting) == (0, 0)
