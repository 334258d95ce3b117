"""The lines about stagings, and about what becomes of staged calls."""

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
    from structlog.types import FilteringBoundLogger

    from sip_stager.observability.line_quota import LineQuota
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.ports import Handlers

_OF_CALLS = frozenset({WasteReason.REJECTED, WasteReason.CANCELLED, WasteReason.UNANSWERED})
"""Why stagings are wasted by calls whose own lines say what went wrong."""
MOST_STAGED = 10_000
"""Stagings remembered until their INVITE is forwarded, which takes microseconds."""


class StagingLog:
    """Writes them; of a staging that went well only the line of its call tells, ``of`` which."""

    def __init__(self, logger: FilteringBoundLogger, fields: LogFields, quota: LineQuota) -> None:
        self._logger, self._fields, self._quota = logger, fields, quota
        self._staged: dict[str, StagingEnded] = {}
        self.handlers: Handlers = {
            StagingEnded: self._ended,
            StagingClaimed: self._claimed,
            StagingWasted: self._wasted,
            AftercareFailed: self._aftercare_failed,
        }

    def of(self, call_id: str) -> dict[str, Any]:
        """Give where the time of a call's staging went, once."""
        staging = self._staged.pop(call_id, None)
        return _told(staging) if staging else {}

    def _ended(self, event: StagingEnded) -> None:
        if event.outcome is StagingOutcome.STAGED:
            self._remember(event)
        elif event.outcome is StagingOutcome.CANCELLED:
            self._logger.info(
                "staging_cancelled",
                call_id=self._fields.call_id(event.call.call_id),
                trunk=event.call.trunk,
                **_told(event),
            )
        else:
            self._logger.warning(
                "staging_failed",
                **self._fields.call(event.call),
                outcome=event.outcome,
                **status_field(event.http_status),
                text=self._fields.text(event.text),
                **_told(event),
            )

    def _claimed(self, event: StagingClaimed) -> None:
        self._logger.info(
            "staging_claimed",
            **self._fields.call(event.call),
            staged_id=event.staged_id,
            staged_for=self._fields.call_id(event.staged_for),
            **self.of(event.staged_for),
        )

    def _wasted(self, event: StagingWasted) -> None:
        write = self._logger.info if event.reason in _OF_CALLS else self._logger.warning
        write(
            "staging_wasted",
            **self._fields.call(event.call),
            staged_id=event.staged_id,
            reason=event.reason,
            **self.of(event.call.call_id),
        )

    def _aftercare_failed(self, event: AftercareFailed) -> None:
        held_back = self._quota.take(f"aftercare_failed {event.kind}", event.outcome)
        if held_back is None:
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
            **held_back,
        )

    def _remember(self, event: StagingEnded) -> None:
        while len(self._staged) >= MOST_STAGED:
            del self._staged[next(iter(self._staged))]
        self._staged[event.call.call_id] = event


def _told(event: StagingEnded) -> dict[str, Any]:
    return {
        "staging_seconds": round(event.elapsed, 4),
        "staging_phases": {phase: round(seconds, 4) for phase, seconds in event.phases.items()},
    }
