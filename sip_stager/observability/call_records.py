"""The calls that are up, as the log remembers them: a bounded store made from events.

The core never asks it, and no call depends on it: with the store full, the oldest record gives way,
and only the log knows less.

A Call-ID is chosen by peers, and a trunk that forks a call uses it twice.  The records of one
Call-ID are a chain, the newest first.
"""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from sip_stager.model.call import Call
    from sip_stager.sip.message import Request

MAX_ENDED = 10_000
"""Call-IDs of ended calls: a second BYE of one, from the other side, is no call of its own."""


class CallRecord:
    """The facts about one call that its last line tells; an attribute is set as it is learnt.

    ``key`` is its Call-ID.  ``fields`` are those of each line about the call.  ``started_at`` is
    the clock's time of the INVITE, and ``times`` has the seconds from it to each step.
    """

    staged_id = ""
    target = ""
    sent: bytes = b""
    """The start line of the final response to the caller."""
    received: bytes = b""
    """That of the upstream's final response, if the call was not answered."""
    callee_tag: bytes | None = None
    """The tag of the side that answered; None before the answer."""
    more: Mapping[str, Any] = MappingProxyType({})
    """Fields that few calls have."""
    early_bye = False
    """True if the caller sent a BYE before the call was answered."""
    is_over = False
    older: CallRecord | None = None

    def __init__(self, key: bytes, call: Call, fields: dict[str, Any], started_at: float) -> None:
        self.key = key
        self.to_number = call.to_number
        self.fields = fields
        self.started_at = started_at
        self.times: dict[str, float] = {}

    def chain(self) -> Iterator[CallRecord]:
        """Yield it and the older records of its Call-ID."""
        record: CallRecord | None = self
        while record is not None:
            yield record
            record = record.older


class CallRecords:
    """Holds at most ``limit`` records; the oldest is passed to ``gave_way``, and counted.

    ``newest`` has the newest record of each Call-ID, for a quick look: most have no older one.
    ``unacknowledged`` holds records that wait for the ACK, in the order of their answers; those of
    calls that are over meanwhile are still among them.
    """

    def __init__(self, limit: int, gave_way: Callable[[CallRecord], None]) -> None:
        self.limit = limit
        self._gave_way = gave_way
        self._ended: dict[bytes, None] = {}
        self._lost: dict[bytes, None] = {}
        self._older = 0  # records that are not the newest of their Call-ID
        self.dropped = 0
        self.newest: dict[bytes, CallRecord] = {}
        self.unacknowledged: dict[bytes, CallRecord] = {}

    def __len__(self) -> int:
        return len(self.newest) + self._older

    def add(self, record: CallRecord) -> None:
        """Add the record of a new call."""
        key, newest = record.key, self.newest
        while len(newest) + self._older >= self.limit:  # a reload may have lowered it
            self._drop_oldest()
        if key in newest:
            record.older = newest[key]
            self._older += 1
        newest[key] = record

    def of_call(self, key: bytes, call: Call, staged_id: str = "") -> CallRecord | None:
        """Return the record of a call whose INVITE has no final response yet, or None.

        Of several the one with that staged id, else the newest.
        """
        record, found = self.newest.get(key), None
        while record is not None:
            if record.callee_tag is None and record.to_number == call.to_number:
                if record.older is None and found is None:
                    return record
                if staged_id and record.staged_id == staged_id:
                    return record
                found = found or record
            record = record.older
        return found

    def of_dialog(self, bye: Request, tags: tuple[bytes | None, ...]) -> CallRecord | None:
        """Return the record of the call that a BYE is about, or None; ``tags`` are the BYE's.

        None is one of them: a call that was not answered has no tag yet, and a caller may send a
        BYE all the same.
        """
        record = self.newest.get(bye.call_id) or self.newest.get(key_of(bye))
        while record is not None and record.callee_tag not in tags:
            record = record.older
        return record

    def has_lost(self, key: bytes) -> bool:
        """Return True if the record of a call with that Call-ID gave way not long ago."""
        return key in self._lost

    def knows(self, key: bytes) -> bool:
        """Return True if a call with that Call-ID has a record, or had one not long ago."""
        return key in self.newest or key in self._ended

    def pop(self, record: CallRecord) -> None:
        """Remove a record: its last line is about to be written."""
        key = record.key
        if self._older:
            self._unlink(record)
        else:
            del self.newest[key]
        record.is_over = True
        ended = self._ended
        ended[key] = None
        if len(ended) > MAX_ENDED:
            del ended[next(iter(ended))]

    def note_ended(self, key: bytes) -> None:
        """Remember the Call-ID of a call that is over."""
        _remember(self._ended, key)

    def oldest(self) -> CallRecord | None:
        """Return the record that would give way next; None if there is none."""
        for newest in self.newest.values():
            return list(newest.chain())[-1]
        return None

    def _unlink(self, record: CallRecord) -> None:
        rest = [each for each in self.newest[record.key].chain() if each is not record]
        for newer, older in pairwise([*rest, None]):
            if newer is not None:
                newer.older = older
        if rest:
            self._older -= 1
            self.newest[record.key] = rest[0]
        else:
            del self.newest[record.key]

    def _drop_oldest(self) -> None:
        record = self.oldest()
        if record is not None:
            self.dropped += 1
            self.pop(record)
            _remember(self._lost, record.key)
            self._gave_way(record)


def key_of(message: Request) -> bytes:
    """Return the key of a message's call; for most it is the Call-ID itself."""
    return message.call_id_text.encode()


def _remember(keys: dict[bytes, None], key: bytes) -> None:
    keys[key] = None
    if len(keys) > MAX_ENDED:
        del keys[next(iter(keys))]
