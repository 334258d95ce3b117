"""The check that the log ends every call exactly once."""

from __future__ import annotations

import json
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING

from sip_stager.events import CallAdmitted, CallRefused
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.event_log import EventLog
from sip_stager.observability.logs import Logger

if TYPE_CHECKING:
    from tests.support.conversation import Conversation


class EndedCalls:
    """The log of a conversation; every call in it must have one last line."""

    def __init__(self, edge: Conversation) -> None:
        self._edge = edge
        self._file = StringIO()
        self._log = EventLog(Logger(self._file), clock=edge.clock.time)
        # Calls that are refused in overload have a few lines a second; here they are counted.
        self._log._quota.admit = lambda *_: {}  # type: ignore[method-assign]
        edge.observers.append(Dispatcher(self._log.observers).dispatch)

    def check(self) -> None:
        """Assert it, after the last event."""
        self._log.calls.expire()
        self._log.calls.end_unseen(10_000)
        lines = [json.loads(line) for line in self._file.getvalue().splitlines()]
        ended = Counter(line["call_id"] for line in lines if line["event"] == "call_ended")
        ended.update(
            call["call_id"]
            for line in lines
            if line["event"] == "calls_ended"
            for call in line["calls"]
        )
        begun = Counter(event.call.call_id for event in self._edge.of(CallAdmitted))
        begun.update(event.call_id for event in self._edge.of(CallRefused) if event.call is None)
        assert ended == begun, lines
        records = self._log.calls.records
        assert (len(records), records.newest) == (0, {})
