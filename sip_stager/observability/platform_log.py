"""The lines about the platform: its agents, its numbers, and whether its API is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import (
    AgentStateChanged,
    BreakerMoved,
    NumbersNotRefreshed,
    NumbersRefreshed,
)
from sip_stager.model.vocabulary import AgentState, BreakerState
from sip_stager.observability.log_fields import short, status_field

if TYPE_CHECKING:
    from structlog.types import FilteringBoundLogger

    from sip_stager.observability.line_quota import LineQuota
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.ports import Handlers


class PlatformLog:
    """Writes them."""

    def __init__(self, logger: FilteringBoundLogger, fields: LogFields, quota: LineQuota) -> None:
        self._logger, self._fields, self._quota = logger, fields, quota
        self.handlers: Handlers = {
            AgentStateChanged: self._agent,
            BreakerMoved: self._breaker_moved,
            NumbersRefreshed: self._numbers_refreshed,
            NumbersNotRefreshed: self._numbers_not_refreshed,
        }

    def _agent(self, event: AgentStateChanged) -> None:
        held_back = self._quota.take("agent", event.state)
        if held_back is None:
            return
        write = self._logger.warning if event.state is AgentState.MISSING else self._logger.info
        write(
            f"agent_{event.state}",
            agent_id=event.agent_id,
            version=event.version,
            text=short(event.text),
            **held_back,
        )

    def _breaker_moved(self, event: BreakerMoved) -> None:
        if event.state is not BreakerState.OPEN:
            self._logger.info(f"breaker_{event.state}")
            return
        self._logger.warning(
            "breaker_open", calls=event.calls, failures=event.failures, pause_seconds=event.pause
        )

    def _numbers_refreshed(self, event: NumbersRefreshed) -> None:
        if event.news:
            write = self._logger.warning if event.wrong else self._logger.info
            write("numbers_refreshed", **event.counts, wrong=[short(one) for one in event.wrong])

    def _numbers_not_refreshed(self, event: NumbersNotRefreshed) -> None:
        self._logger.warning(
            "numbers_not_refreshed",
            outcome=event.outcome,
            **status_field(event.http_status),
            text=self._fields.text(event.text),
        )
