"""The last lines of refused calls while there are many of them: one line for several calls.

With the API down every call is refused, and at 400 calls a second a line for each would take time
from the calls that still pass.  No call may leave no line, so beyond the first few of a second the
calls of a cause share one::

    call_ended   call_ended   ...   calls_ended [ call, call, call, ... ]   calls_ended [ ... ]
    the first MAX_OWN_LINES of a second          MAX_CALLS_PER_LINE each, or those of the second
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.observability.logs import Logger
    from sip_stager.observability.recording_logger import RecordingLogger

MAX_OWN_LINES = 50
"""Refused calls of one cause that have a line of their own in one second."""
MAX_CALLS_PER_LINE = 50
SHARED = frozenset({"ended_by", "side", "cause", "sentence", "status", "reason"})
"""The fields that the calls of one line have in common; ``text`` is that of the last one."""


class CrowdedRefusals:
    """Writes ``call_ended`` of a refused call, or gathers it for a line ``calls_ended``."""

    def __init__(self, logger: Logger | RecordingLogger, clock: Callable[[], float]) -> None:
        self._logger, self._clock = logger, clock
        self._second = 0
        self._counts: Counter[str] = Counter()
        self._gathered: dict[tuple[str, int], list[dict[str, Any]]] = {}

    def write(self, line: dict[str, Any]) -> None:
        """Write the line of a refused call, now or with others of its cause."""
        second, cause = int(self._clock()), line["cause"]
        if second != self._second:
            self.flush()
            self._second = second
            self._counts.clear()
        self._counts[cause] += 1
        if self._counts[cause] <= MAX_OWN_LINES:
            self._logger.warning("call_ended", **line)
            return
        key = cause, line["status"]
        calls = self._gathered.setdefault(key, [])
        calls.append(line)
        if len(calls) >= MAX_CALLS_PER_LINE:
            self._write_shared(self._gathered.pop(key))

    def flush(self) -> None:
        """Write the calls that were gathered; to be called every second or so, and at the end."""
        gathered, self._gathered = self._gathered, {}
        for calls in gathered.values():
            self._write_shared(calls)

    def _write_shared(self, calls: list[dict[str, Any]]) -> None:
        shared = {name: value for name, value in calls[-1].items() if name in SHARED}
        own = [
            {name: line[name] for name in line if name not in SHARED | {"text"}} for line in calls
        ]
        text = calls[-1].get("text", "")
        self._logger.warning("calls_ended", **shared, text=text, count=len(own), calls=own)
