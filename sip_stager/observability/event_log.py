"""Events that matter to an operator, as log lines.

A good call leaves two lines: ``call_forwarded`` and ``call_answered``.  A refused call leaves its
reason.  Lines that strangers can cause have a quota, and are counted beyond it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from sip_stager.events import (
    CallEnded,
    CallRefused,
    CallTreated,
    HeaderLost,
    InviteForwarded,
    MessageDropped,
    OverloadChanged,
)
from sip_stager.model.vocabulary import CallOutcome, DropCause, OverloadState, RefusalCause
from sip_stager.observability.line_quota import LineQuota
from sip_stager.observability.log_fields import LogFields
from sip_stager.observability.platform_log import PlatformLog
from sip_stager.observability.staging_log import StagingLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.observability.logs import Logger
    from sip_stager.ports import Handlers

_LOST = frozenset({CallOutcome.UPSTREAM_UNREACHABLE, CallOutcome.TIMEOUT})
"""The outcomes of calls that an operator may have to do something about."""


class EventLog:
    """Writes a line for each event that matters; ``handlers`` are its observer."""

    def __init__(
        self,
        logger: Logger,
        numbers: Literal["masked", "plain"] = "masked",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger, self._fields, self._quota = logger, LogFields(numbers), LineQuota(clock)
        self._stagings = StagingLog(logger, self._fields, self._quota)
        self.handlers: Handlers = {
            MessageDropped: self._log_dropped,
            CallRefused: self._log_refused,
            CallTreated: self._log_treated,
            InviteForwarded: self._log_forwarded,
            CallEnded: self._log_ended,
            HeaderLost: self._log_header_lost,
            OverloadChanged: self._log_overload,
            **self._stagings.handlers,
            **PlatformLog(logger, self._fields, self._quota).handlers,
        }

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
            **extra,
        )

    def _log_refused(self, event: CallRefused) -> None:
        # In overload there may be a thousand a second, and each line takes time from a call.
        limited = not event.trunk or event.cause is RefusalCause.OVERLOAD
        extra = self._quota.admit("call_refused", event.cause) if limited else {}
        if extra is None:
            return
        self._logger.warning(
            "call_refused",
            call_id=self._fields.call_id(event.call_id),
            trunk=event.trunk,
            status=event.status,
            cause=event.cause,
            text=self._fields.text(event.text),
            elapsed_seconds=round(event.elapsed, 4),
            **extra,
        )

    def _log_treated(self, event: CallTreated) -> None:
        self._logger.warning(
            "call_treated",
            **self._fields.call(event.call),
            cause=event.cause,
            treatment=event.treatment,
            text=self._fields.text(event.text),
            elapsed_seconds=round(event.elapsed, 4),
        )

    def _log_forwarded(self, event: InviteForwarded) -> None:
        self._logger.info(
            "call_forwarded",
            **self._fields.call(event.call),
            staged_id=event.staged_id,
            target=str(event.target),
            attempt=event.attempt,
            elapsed_seconds=round(event.elapsed, 4),
            **self._stagings.pop_times(event.call.call_id),
        )

    def _log_ended(self, event: CallEnded) -> None:
        write = self._logger.warning if event.outcome in _LOST else self._logger.info
        write(
            f"call_{event.outcome}",
            call_id=self._fields.call_id(event.call.call_id),
            staged_id=event.staged_id,
            trunk=event.call.trunk,
            status=event.status,
            elapsed_seconds=round(event.elapsed, 4),
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
