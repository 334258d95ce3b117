"""The search of the log for the calls of a number, in two passes over its lines.

1. Lines with the number's hash (or, without the key, its mask) say which calls are meant: the last
   few that fit the time, by their Call-IDs.
2. All lines with one of those Call-IDs are the calls'.

So the memory is that of the calls that are shown, whatever the size of the log.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Line = dict[str, Any]
MAX_LINES = 2_000
"""Lines of one call that are kept; at level debug a call has dozens."""


class Wanted(NamedTuple):
    """A number in the log: ``value`` is that of ``field`` in the lines of its calls."""

    field: str
    value: str

    @property
    def needle(self) -> bytes:
        """The value as it is in the bytes of a line."""
        return json.dumps(self.value)[1:-1].encode()


@dataclass
class FoundCall:
    """A call in the log, with the times of its first and its last line that have its number."""

    call_id: str
    began: datetime
    ended: datetime
    lines: list[Line] = field(default_factory=list)

    @property
    def ends(self) -> list[Line]:
        """The lines of its end; a call that is placed again with the same Call-ID has two."""
        return [line for line in self.lines if line.get("event") == "call_ended"]


def wanted(side: str, number: str, hash_number: Callable[[str], str] | None) -> list[Wanted]:
    """Return what to look for: the hash, or without a key the plain number and its mask."""
    if hash_number is not None:
        return [Wanted(f"{side}_hash", hash_number(number))]
    return [Wanted(f"{side}_number", text) for text in dict.fromkeys((number, mask(number)))]


class CallSearch:
    """Finds calls by numbers and time; ``sides`` has the alternatives for each number.

    At most ``limit`` calls are kept, the last ones; ``left_out`` counts the others.
    """

    def __init__(
        self,
        sides: list[list[Wanted]],
        fits: Callable[[datetime, datetime], bool],
        limit: int,
    ) -> None:
        self._sides = sides
        self._fits = fits
        self._limit = limit
        self._needles = [one.needle for one in sides[0]]
        self._calls: dict[str, FoundCall] = {}
        self._dropped: set[str] = set()
        self.left_out = 0

    def find(self, lines: Iterable[bytes]) -> None:
        """Take the first pass over the lines."""
        for raw in lines:
            if any(needle in raw for needle in self._needles):
                for line in read_lines(raw):
                    self._consider(line)

    def collect(self, lines: Iterable[bytes]) -> list[FoundCall]:
        """Take the second pass, and return the calls in the order of their beginning."""
        calls = {one.call_id: one for one in self._fitting()}
        if not calls:
            return []
        ids = re.compile(b"|".join(re.escape(json.dumps(one)[1:-1].encode()) for one in calls))
        for raw in lines:
            for line in read_lines(raw) if ids.search(raw) else ():
                call = calls.get(str(line.get("call_id")))
                if call is not None and len(call.lines) < MAX_LINES:
                    call.lines.append(line)
        return sorted(calls.values(), key=lambda call: call.began)

    def _fitting(self) -> list[FoundCall]:
        fitting = [one for one in self._calls.values() if self._fits(one.began, one.ended)]
        self.left_out += max(0, len(fitting) - self._limit)
        return fitting[-self._limit :]

    def _consider(self, line: Line) -> None:
        if not all(any(line.get(one.field) == one.value for one in side) for side in self._sides):
            return
        call_id, logged_at = str(line.get("call_id", "")), read_time(line.get("timestamp"))
        if not call_id or logged_at is None:
            return
        began = logged_at - timedelta(seconds=float(line.get("elapsed_seconds") or 0.0))
        call = self._calls.get(call_id)
        if call is None:
            self._calls[call_id] = FoundCall(call_id, began, logged_at)
            self._forget_misfits()
        else:
            call.began, call.ended = min(call.began, began), max(call.ended, logged_at)

    def _forget_misfits(self) -> None:
        """Forget calls that do not fit, once there are many: a busy number has a million.

        The newest are kept, since a later line may show that they lasted long enough.
        """
        if len(self._calls) < 100 * self._limit:
            return
        calls = list(self._calls.values())
        newest = calls[-50 * self._limit :]
        older = [one for one in calls[: -50 * self._limit] if self._fits(one.began, one.ended)]
        self.left_out += max(0, len(older) - self._limit)
        self._calls = {one.call_id: one for one in (*older[-self._limit :], *newest)}


def read_lines(raw: bytes) -> Iterable[Line]:
    """Return the lines of our log in a line, also from within what others add to it.

    Docker's json-file has it as ``log``, ``journalctl -o json`` as ``MESSAGE``, and Kubernetes
    writes time and stream ahead of it.  A line of several calls becomes one for each.
    """
    start = raw.find(b"{")
    try:
        line = json.loads(raw[start:]) if start >= 0 else None
        if isinstance(line, dict) and "event" not in line:
            inner = line.get("log") or line.get("MESSAGE")
            line = json.loads(inner) if isinstance(inner, str) else None
    except ValueError:
        return []
    if not isinstance(line, dict) or "event" not in line:
        return []
    if line["event"] != "calls_ended":
        return [line]
    shared = {name: line[name] for name in line if name not in {"calls", "count"}}
    calls = [call for call in line.get("calls", ()) if isinstance(call, dict)]
    return [{**call, **shared, "event": "call_ended"} for call in calls]


def read_time(text: object) -> datetime | None:
    """Return the time of a timestamp in the log; None for anything else."""
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
