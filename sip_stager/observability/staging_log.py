"""The log lines about stagings, and about what becomes of staged calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sip_stager.events import (
    AftercareFailed,
    StagingClaimed,
    StagingEnded,
    StagingWasted,
)
from sip_stager.model.vocabulary import StagingOutcome, WasteReason
from sip_stager.observability.log_fields import status_field

if TYPE_CHECKING:
    from sip_stager.observability.line_quota import LineQuota
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.observability.logs import Logger
    from sip_stager.ports import Handlers

MAX_REMEMBERED = 10_000
"""Stagings remembered until their INVITE is forwarded, which takes microseconds."""

# These have a line of their call that says what went wrong.
_EXPLAINED = frozenset({WasteReason.REJECTED, WasteReason.CANCELLED, WasteReason.UNANSWERED})


class StagingLog:
    """Writes the lines; ``handlers`` are its observer.

    A staging that succeeds has no line: its times go into the line of its call (``pop_times``).
    """

    def __init__(self, logger: Logger, fields: LogFields, quota: LineQuota) -> None:
        self._logger, self._fields, self._quota = logger, fields, quota
        self._staged: dict[str, StagingEnded] = {}
        self.handlers: Handlers = {
            StagingEnded: self._log_ended,
            StagingClaimed: self._log_claimed,
            StagingWasted: self._log_wasted,
            AftercareFailed: self._log_aftercare_failed,
        }

    def pop_times(self, call_id: str) -> dict[str, Any]:
        """Return the times of a call's staging, and forget them: no second line repeats them."""
        staging = self._staged.pop(call_id, None)
        return _times(staging) if staging else {}

    def _log_ended(self, event: StagingEnded) -> None:
        if event.outcome is StagingOutcome.STAGED:
            self._remember(event)
            return
        # With the API down every call has one of these lines, beside its ``call_ended``.
        extra = self._quota.admit("staging_ended", event.outcome)
        if extra is None:
            return
        if event.outcome is StagingOutcome.CANCELLED:
            self._logger.info(
                "staging_cancelled",
                call_id=self._fields.call_id(event.call.call_id),
                trunk=event.call.trunk,
                **_times(event),
                **extra,
            )
        else:
            self._logger.warning(
                "staging_failed",
                **self._fields.call(event.call),
                outcome=event.outcome,
                **status_field(event.http_status),
                text=self._fields.text(event.text),
                **_times(event),
                **extra,
            )

    def _log_claimed(self, event: StagingClaimed) -> None:
        self._logger.info(
            "staging_claimed",
            **self._fields.call(event.call),
            staged_id=event.staged_id,
            staged_for=self._fields.call_id(event.staged_for),
            **self.pop_times(event.staged_for),
        )

    def _log_wasted(self, event: StagingWasted) -> None:
        extra = self._quota.admit("staging_wasted", event.reason)
        if extra is None:
            return
        write = self._logger.info if event.reason in _EXPLAINED else self._logger.warning
        write(
            "staging_wasted",
            **self._fields.call(event.call),
            staged_id=event.staged_id,
            reason=event.reason,
            **self.pop_times(event.call.call_id),
            **extra,
        )

    def _log_aftercare_failed(self, event: AftercareFailed) -> None:
        extra = self._quota.admit(f"aftercare_failed {event.kind}", event.outcome)
        if extra is None:
            return
        self._logger.warning(
            "aftercare_failed",
            call_id=self._fields.call_id(event.call.call_id),
            trunk=event.call.trunk,
            staged_id=event.staged_id,
            kind=event.kind,
            outcome=event.outcome,
            **status_field(event.http_status),
            text=self._fields.text(event.text),
            **extra,
        )

    def _remember(self, event: StagingEnded) -> None:
        while len(self._staged) >= MAX_REMEMBERED:
            del self._staged[next(iter(self._staged))]
        self._staged[event.call.call_id] = event


def _times(event: StagingEnded) -> dict[str, Any]:
    return {
        "staging_seconds": round(event.elapsed, 4),
        "staging_phases": {phase: round(seconds, 4) for phase, seconds in event.phases.items()},
    }
