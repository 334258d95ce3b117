from __future__ import annotations

import pytest

from sip_stager.model.call import Call
from sip_stager.staging.reserved_calls import CallQueue

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
OTHERS = [
    CALL._replace(trunk="other"),
    CALL._replace(from_number="+33911111111"),
    CALL._replace(to_number="+33611111111"),
    CALL._replace(agent_id="other"),
    CALL._replace(variables={"name": "Zoe"}),
    CALL._replace(generation=1),
]


@pytest.mark.parametrize("other", OTHERS)
def test_calls_of_different_identities_share_nothing(other: Call) -> None:
    queue = CallQueue[str]()
    queue.add(CALL, "item")
    assert queue.first(other) is None
    queue.discard(other, "item")
    assert queue.first(CALL) == "item"


def test_an_identity_is_what_the_agent_is_told_of_a_call() -> None:
    queue = CallQueue[str]()
    queue.add(CALL._replace(variables={"a": 1, "b": 2}), "item")
    again = CALL._replace(call_id="b@h", deadline=1.0, variables={"b": 2, "a": 1})
    assert queue.first(again) == "item"


def test_items_are_first_in_first_out_and_empty_queues_are_removed() -> None:
    queue = CallQueue[str]()
    for item in ("first", "second", "third"):
        queue.add(CALL, item)
    queue.discard(CALL, "second")
    assert queue.first(CALL) == "first"
    queue.discard(CALL, "first")
    assert queue.first(CALL) == "third"
    queue.discard(CALL, "third")
    queue.discard(CALL, "third")
    assert not queue
