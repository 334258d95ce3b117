"""Events that matter to an operator, as log lines.

A good call leaves two lines, ``call_forwarded`` and ``call_ended``, and any other call at least the
second.  Lines that strangers can cause have a quota, and are counted beyond it; so have those that
come with every call while the API is down.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from sip_stager.events import (
    CallTreated,
    HeaderLost,
    MessageDropped,
    OverloadChanged,
    TrunkAddressSuspected,
)
from sip_stager.model.vocabulary import DropCause, OverloadState
from sip_stager.observability.call_history import CallHistory
from sip_stager.observability.call_log import CallLog
from sip_stager.observability.ended_lines import EndedLines
from sip_stager.observability.line_quota import LineQuota
from sip_stager.observability.log_fields import LogFields
from sip_stager.observability.message_log import MessageLog
from sip_stager.observability.number_hash import number_hash
from sip_stager.observability.platform_log import PlatformLog
from sip_stager.observability.recording_logger import RecordingLogger
from sip_stager.observability.reload_log import ReloadLog
from sip_stager.observability.staging_log import StagingLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.observability.ended_lines import SealReader
    from sip_stager.observability.logs import Logger
    from sip_stager.ports import Handlers

MAX_CALL_RECORDS = 50_000
"""Calls that are up and remembered for their last line, 1.3 kB each."""


class RecordLimits(NamedTuple):
    """The limits of a ``CallHistory``."""

    calls: int
    seconds: float
    bytes: int


class EventLog:
    """Writes a line for each event that matters; ``observers`` are its observers.

    ``calls`` writes the lines of calls, and remembers at most ``max_call_records`` that are up.
    ``hash_number`` makes the hash beside each masked number, and ``seal`` reads the seals of
    dialogs that began before the program did.  With ``records`` there is a ``history`` of calls
    with their messages.
    """

    def __init__(
        self,
        logger: Logger,
        numbers: Literal["masked", "plain"] = "masked",
        clock: Callable[[], float] = time.monotonic,
        hash_number: Callable[[str], str] | None = None,
        seal: SealReader | None = None,
        max_call_records: int = MAX_CALL_RECORDS,
        records: RecordLimits | None = None,
    ) -> None:
        self._logger, self._quota = logger, LineQuota(clock)
        self._fields = fields = LogFields(numbers, hash_number or number_hash(""))
        self.stagings = stagings = StagingLog(logger, fields, self._quota)
        self._masks, self._logs_messages = numbers == "masked", False
        self.history: CallHistory | None = None
        ended_logger: Logger | RecordingLogger = logger
        if records is not None:
            self.history = history = CallHistory(fields, *records, clock)
            ended_logger = RecordingLogger(logger, history.note_end)
        self._lines = lines = EndedLines(ended_logger, fields, self._quota, seal, clock)
        self.calls = CallLog(logger, fields, stagings, lines, clock, max_call_records)
        self.observers: Sequence[Handlers] = (
            {
                MessageDropped: self._log_dropped,
                CallTreated: self._log_treated,
                HeaderLost: self._log_header_lost,
                OverloadChanged: self._log_overload,
                TrunkAddressSuspected: self._log_suspected,
                **stagings.handlers,
                **PlatformLog(logger, fields, self._quota).handlers,
                **ReloadLog(logger).handlers,
            },
            self.calls.handlers,
            self._messages_if_debug(),
            {} if self.history is None else self.history.handlers,
        )

    def adopt(self, level: str, seal: SealReader, max_call_records: int) -> Handlers:
        """Use other settings from now on; return handlers to be added to those of the log."""
        self._logger.set_level(level)
        self._lines.seal = seal
        self.calls.records.limit = max_call_records
        return self._messages_if_debug()

    def _messages_if_debug(self) -> Handlers:
        """Return the handlers of messages, once they are wanted for the first time."""
        if self._logs_messages or not self._logger.writes_debug:
            return {}
        self._logs_messages = True
        return MessageLog(self._logger, self._fields, masks=self._masks).handlers

    def _log_dropped(self, event: MessageDropped) -> None:
        if event.cause is DropCause.KEEPALIVE:  # a healthy peer sends one every few seconds
            return
        extra = self._quota.admit("message_dropped", event.cause)
        if extra is None:
            return
        write = (
            self._logger.error if event.cause is DropCause.INTERNAL_ERROR else self._logger.warning
        )
        write(
            "message_dropped",
            cause=event.cause,
            peer=str(event.flow),
            detail=self._fields.text(event.detail),
            **({"call_id": self._fields.call_id(event.call_id)} if event.call_id else {}),
            **extra,
        )

    def _log_suspected(self, event: TrunkAddressSuspected) -> None:
        self._logger.warning(
            "trunk_address_suspected",
            peer=str(event.flow),
            detail=f"a stranger's call was turned away, but {event.why}: if this is a new address "
            "of a carrier, add it to the networks of its trunk",
            call_id=self._fields.call_id(event.call_id),
        )

    def _log_treated(self, event: CallTreated) -> None:
        extra = self._quota.admit(f"call_treated {event.treatment}", event.cause)
        if extra is None:
            return
        self._logger.warning(
            "call_treated",
            **self._fields.call(event.call),
            cause=event.cause,
            treatment=event.treatment,
            text=self._fields.text(event.text),
            elapsed_seconds=round(event.elapsed, 4),
            **extra,
        )

    def _log_header_lost(self, event: HeaderLost) -> None:
        text = "the call was answered, but its staged agent was not claimed"
        self._logger.warning(
            "header_lost", **self._fields.call(event.call), staged_id=event.staged_id, text=text
        )

    def _log_overload(self, event: OverloadChanged) -> None:
        extra = self._quota.admit("overload", event.state)
        if extra is None:
            return
        fields = {"delay_seconds": round(event.delay, 3), **extra}
        if event.state is OverloadState.SHEDDING:
            rate = round(event.calls_per_second, 1)
            self._logger.warning("overload_began", calls_per_second=rate, **fields)
        else:
            seconds = round(event.seconds, 1)
            self._logger.info(
                "overload_ended", calls_refused=event.refused, seconds=seconds, **fields
            )
