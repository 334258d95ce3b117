"""What the end of a call's staging says about the API and about the agent; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.platform.outcome import (
    ApiUnreachable,
    InvalidResponse,
    Outcome,
    Refused,
    Staged,
    TimedOut,
)
from sip_stager.staging.agent_health import Evidence

if TYPE_CHECKING:
    from sip_stager.http_client import Phases
    from sip_stager.model.call import Call

_OUR_SIDE = frozenset({"queue", "rate_limit", "retry_wait"})  # phases that do not touch the API
_SENT = frozenset({"request", "closed"})  # phases in which a connection is there


@dataclass(frozen=True, slots=True)
class EvidenceRules:
    """The rules; a call that timed out counts only if the API had it for ``slow_call`` seconds."""

    mode: str
    slow_call: float

    def of(self, call: Call, outcome: Outcome, phases: Phases) -> Evidence | None:
        """Return what the end of a call has shown, None if it proves nothing."""
        if isinstance(outcome, Staged):
            return Evidence.WELL
        at_api = sum(spent for phase, spent in phases.items() if phase not in _OUR_SIDE)
        if not at_api:
            return None
        if isinstance(outcome, TimedOut) and not outcome.http_status:
            # A call that had little time at the API proves nothing: its caller or its number
            # allowed no more, our queue used it up, or some was left for another agent.
            long = at_api >= self.slow_call and not call.another_follows
            return self._of_timeout(phases) if long else None
        return _of_answer(outcome)

    def _of_timeout(self, phases: Phases) -> Evidence:
        if not _SENT.intersection(phases):
            return Evidence.UNREACHABLE
        # In sync mode the API answers only once the agent is ready: its silence may be the agent's.
        unanswered = self.mode == "async" and "poll" not in phases
        return Evidence.SILENT if unanswered else Evidence.AGENT_FAILED


def _of_answer(outcome: Outcome) -> Evidence | None:
    match outcome:
        case ApiUnreachable():
            return _of_broken(outcome)
        case TimedOut() | InvalidResponse():
            return Evidence.AGENT_FAILED
        # An API that says no is well: a wrong key or an unknown agent is for its operator to
        # mend, and "too many requests" is the rate limit's business.
        case Refused(http_status=status):
            return Evidence.AGENT_FAILED if status >= 500 else Evidence.WELL
    return None


def _of_broken(outcome: ApiUnreachable) -> Evidence:
    if not outcome.sent:
        return Evidence.UNREACHABLE
    return Evidence.AGENT_FAILED if outcome.answered else Evidence.SILENT
