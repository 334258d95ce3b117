"""The limits of calls by trunk and by number, counted from the events (``ports.CallLimits``).

A call counts from its INVITE to its end:

    CallAdmitted ---> CallRefused, CallEnded (unanswered) ---------------------> over
         |
         '----------> CallEnded (answered) ---> CallHungUp (BYE) --------------> over
                                                |
                                                '-- max_duration is over ------> over

A BYE may never come by here: its call is counted for ``max_duration`` then, so the count may be
too high by such calls, and for no longer.  After a restart it begins at 0, and the calls that were
up are not counted; a restart costs no call, and no state of a call is kept on disk for this.

The store is bounded by the limits themselves: a call beyond them is refused, and not counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import CallAdmitted, CallEnded, CallHungUp, CallRefused
from sip_stager.model.vocabulary import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sip_stager.model.call import Call
    from sip_stager.ports import Clock, Handlers

_NOT_OVER = frozenset({401, 407})
"""Statuses of a BYE after which it is sent again with credentials: the call goes on."""


class CallLimit(NamedTuple):
    """The limits of a trunk or a number; None for no limit."""

    max_calls: int | None = None
    max_calls_per_second: int | None = None

    def __bool__(self) -> bool:
        return self.max_calls is not None or self.max_calls_per_second is not None


class _Counted:
    """The calls of one trunk or number."""

    def __init__(self, name: str, limit: CallLimit) -> None:
        self.name = name
        self.limit = limit
        self.calls = 0
        # The admissions that one second may have: with the oldest of them a second ago, another
        # call is within the limit, wherever that second begins.
        self._admitted: deque[float] = deque(maxlen=limit.max_calls_per_second or 0)

    def change(self, limit: CallLimit) -> None:
        self.limit = limit
        self._admitted = deque(self._admitted, maxlen=limit.max_calls_per_second or 0)

    def add(self, now: float) -> None:
        self.calls += 1
        self._admitted.append(now)

    def exceeded(self, now: float) -> str:
        calls, per_second = self.limit
        if calls is not None and self.calls >= calls:
            return f"{self.name} has {self.calls} calls (max_calls = {calls})"
        recent = self._admitted
        if per_second is not None and len(recent) == per_second and now - recent[0] < 1.0:
            return f"{self.name} had {per_second} new calls within a second (max_calls_per_second)"
        return ""


class _CountedCall:
    """A call that is up."""

    __slots__ = ("call", "callee_tag", "counted", "until")

    def __init__(self, call: Call, counted: tuple[_Counted, ...], until: float) -> None:
        self.call = call
        self.counted = counted
        self.until = until
        self.callee_tag: bytes | None = None  # None before the answer


class EventCallLimits:
    """The limits by trunk and by the row of a number; ``handlers`` are its observer.

    ``max_duration`` is in seconds.
    """

    def __init__(
        self,
        trunks: Mapping[str, CallLimit],
        rows: Mapping[str, CallLimit],
        clock: Clock,
        max_duration: float,
    ) -> None:
        self._clock = clock
        self._max_duration = max_duration
        self._trunks = {
            name: _Counted(f'the trunk "{name}"', limit) for name, limit in trunks.items() if limit
        }
        self._rows = {row: _Counted("the number", limit) for row, limit in rows.items() if limit}
        self._up: OrderedDict[_CountedCall, None] = OrderedDict()  # in the order of their INVITEs
        self._by_call_id: dict[str, list[_CountedCall]] = {}
        self._attached = False

    @property
    def handlers(self) -> Handlers:
        """The events that it counts by, each with its handler; none without a limit."""
        if not self._trunks and not self._rows:
            return {}
        self._attached = True
        return {
            CallAdmitted: self._admit,
            CallRefused: self._refuse,
            CallEnded: self._end_invite,
            CallHungUp: self._hang_up,
        }

    def adopt(self, other: EventCallLimits) -> Handlers:
        """Use the limits of another from now on, and go on counting the calls that are up.

        Return the handlers, if there were none before.  Calls that began before the trunk or the
        number had a limit are not counted.
        """
        self._max_duration = other._max_duration
        self._trunks = _continued(self._trunks, other._trunks)
        self._rows = _continued(self._rows, other._rows)
        return {} if self._attached else self.handlers

    @property
    def calls_up(self) -> dict[str, int]:
        """The number of calls that are up, of each trunk with a limit."""
        self._expire(self._clock.time())
        return {name: counted.calls for name, counted in self._trunks.items()}

    def exceeded(self, trunk: str, row: str) -> str:
        """Return the limit that another call would exceed, in words (``ports.CallLimits``)."""
        now = self._clock.time()
        self._expire(now)
        for counted in self._counted(trunk, row):
            if words := counted.exceeded(now):
                return words
        return ""

    def _counted(self, trunk: str, row: str) -> Iterator[_Counted]:
        if (of_trunk := self._trunks.get(trunk)) is not None:
            yield of_trunk
        if (of_row := self._rows.get(row)) is not None:
            yield of_row

    def _admit(self, event: CallAdmitted) -> None:
        call, now = event.call, self._clock.time()
        counted = tuple(self._counted(call.trunk, call.row))
        if not counted:
            return
        for each in counted:
            each.add(now)
        up = _CountedCall(call, counted, now + self._max_duration)
        self._up[up] = None
        self._by_call_id.setdefault(call.call_id, []).append(up)

    def _refuse(self, event: CallRefused) -> None:
        if event.call is not None and (up := self._unanswered(event.call)) is not None:
            self._remove(up)

    def _end_invite(self, event: CallEnded) -> None:
        up = self._unanswered(event.call)
        if up is None:
            return
        if event.outcome is CallOutcome.ANSWERED:
            up.callee_tag = event.sent.to_tag if event.sent is not None else b""
        else:
            self._remove(up)

    def _hang_up(self, event: CallHungUp) -> None:
        bye, response = event.bye, event.response
        if response is not None and response.status in _NOT_OVER:
            return
        tags = bye.from_tag, bye.to_tag
        for up in self._by_call_id.get(bye.call_id_text, ()):
            if up.callee_tag is not None and up.callee_tag in tags:
                self._remove(up)
                return

    def _unanswered(self, call: Call) -> _CountedCall | None:
        # A trunk that forks a call uses its Call-ID twice, for two numbers.
        for up in self._by_call_id.get(call.call_id, ()):
            if up.callee_tag is None and up.call.to_number == call.to_number:
                return up
        return None

    def _expire(self, now: float) -> None:
        while self._up and (oldest := next(iter(self._up))).until <= now:
            self._remove(oldest)

    def _remove(self, up: _CountedCall) -> None:
        del self._up[up]
        for each in up.counted:
            each.calls -= 1
        same = self._by_call_id[up.call.call_id]
        same.remove(up)
        if not same:
            del self._by_call_id[up.call.call_id]


def _continued(before: dict[str, _Counted], after: dict[str, _Counted]) -> dict[str, _Counted]:
    """Return the counts ``after`` a reload; those with calls from ``before`` go on."""
    for name, counted in before.items():
        if counted.calls and name in after:
            counted.change(after[name].limit)
            after[name] = counted
    return after
