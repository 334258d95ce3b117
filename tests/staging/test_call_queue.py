from __future__ import annotations

from dataclasses import replace

import pytest

from sip_stager.model.call import Call
from sip_stager.staging.reserved import CallQueue

CALL = Call("a@h", "carrier", "+33912345678", "+33612345678", "agent", 4.0)
OTHERS = [
    replace(CALL, trunk="other"),
    replace(CALL, from_number="+33911111111"),
    replace(CALL, to_number="+33611111111"),
    replace(CALL, agent_id="other"),
    replace(CALL, variables={"name": "Zoe"}),
    replace(CALL, generation=1),
]


@pytest.mark.parametrize("other", OTHERS)
def test_calls_that_differ_to_the_agent_share_nothing(other: Call) -> None:
    alike = CallQueue[str]()
    alike.add(CALL, "thing")
    assert alike.first(other) is None
    alike.discard(other, "thing")
    assert alike.first(CALL) == "thing"


def test_calls_that_differ_otherwise_share() -> None:
    alike = CallQueue[str]()
    alike.add(replace(CALL, variables={"a": 1, "b": 2}), "thing")
    again = replace(CALL, call_id="b@h", deadline=1.0, variables={"b": 2, "a": 1})
    assert alike.first(again) == "thing"


def test_the_first_in_goes_first_and_nothing_stays_behind() -> None:
    alike = CallQueue[str]()
    for thing in ("first", "second", "third"):
        alike.add(CALL, thing)
    alike.discard(CALL, "second")
    assert alike.first(CALL) == "first"
    alike.discard(CALL, "first")
    assert alike.first(CALL) == "third"
    alike.discard(CALL, "third")
    alike.discard(CALL, "third")
    assert not alike
