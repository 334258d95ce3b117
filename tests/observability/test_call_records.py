"""The store of the calls that are up, whatever Call-IDs their callers choose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sip_stager.model.call import Call
from sip_stager.observability.call_records import CallRecord, CallRecords

LIMIT = 5
CALL = Call("call", "carrier", "+33611111111", "+33612345678", "agent", 4.0)
KEYS = st.sampled_from([b"one", b"two", b"three"])


@given(st.lists(st.tuples(st.booleans(), KEYS, st.integers(0, 9)), max_size=40))
def test_the_store_holds_the_newest_calls_and_loses_none_silently(
    steps: list[tuple[bool, bytes, int]],
) -> None:
    gave_way: list[CallRecord] = []
    records = CallRecords(LIMIT, gave_way.append)
    live: list[CallRecord] = []
    for adds, key, which in steps:
        if adds:
            live.append(CallRecord(key, CALL, {}, float(len(live))))
            records.add(live[-1])
        elif live:
            records.pop(live.pop(which % len(live)))
        live = [record for record in live if not record.is_over]
        assert len(records) == len(live) <= LIMIT
        chained = [each for newest in records.newest.values() for each in newest.chain()]
        assert sorted(map(id, chained)) == sorted(map(id, live))
    assert records.dropped == len(gave_way)
