"""The log lines about the platform: its agents, its numbers, and the circuit breakers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import (
    AgentBreakerMoved,
    AgentStateChanged,
    BreakerMoved,
    NumbersNotRefreshed,
    NumbersRefreshed,
)
from sip_stager.model.vocabulary import AgentState, BreakerState
from sip_stager.observability.log_fields import status_field, truncated

if TYPE_CHECKING:
    from sip_stager.observability.line_quota import LineQuota
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.observability.logs import Logger
    from sip_stager.ports import Handlers


class PlatformLog:
    """Writes the lines; ``handlers`` are its observer."""

    def __init__(self, logger: Logger, fields: LogFields, quota: LineQuota) -> None:
        self._logger, self._fields, self._quota = logger, fields, quota
        self.handlers: Handlers = {
            AgentStateChanged: self._log_agent,
            BreakerMoved: self._log_breaker,
            AgentBreakerMoved: self._log_agent_breaker,
            NumbersRefreshed: self._log_refreshed,
            NumbersNotRefreshed: self._log_refresh_failed,
        }

    def _log_agent(self, event: AgentStateChanged) -> None:
        extra = self._quota.admit("agent", event.state)
        if extra is None:
            return
        write = self._logger.warning if event.state is AgentState.MISSING else self._logger.info
        write(
            f"agent_{event.state}",
            agent_id=event.agent_id,
            version=event.version,
            text=truncated(event.text),
            **extra,
        )

    def _log_breaker(self, event: BreakerMoved) -> None:
        if event.state is not BreakerState.OPEN:
            self._logger.info(f"breaker_{event.state}")
            return
        self._logger.warning(
            "breaker_open", calls=event.calls, failures=event.failures, open_seconds=event.pause
        )

    def _log_agent_breaker(self, event: AgentBreakerMoved) -> None:
        extra = self._quota.admit("agent_breaker", event.state)
        if extra is None:
            return
        if event.state is not BreakerState.OPEN:
            self._logger.info(f"agent_breaker_{event.state}", agent_id=event.agent_id, **extra)
            return
        self._logger.warning(
            "agent_breaker_open",
            agent_id=event.agent_id,
            calls=event.calls,
            failures=event.failures,
            open_seconds=event.pause,
            **extra,
        )

    def _log_refreshed(self, event: NumbersRefreshed) -> None:
        if event.news:  # else a line every few minutes would say nothing
            write = self._logger.warning if event.wrong else self._logger.info
            write(
                "numbers_refreshed",
                **event.counts,
                problems=[truncated(one) for one in event.wrong],
            )

    def _log_refresh_failed(self, event: NumbersNotRefreshed) -> None:
        self._logger.warning(
            "numbers_refresh_failed",
            outcome=event.outcome,
            **status_field(event.http_status),
            text=self._fields.text(event.text),
        )
