"""What the outcome of a staging means to its call; pure."""

from __future__ import annotations

from sip_stager.model.call import Decision, Forward, Refusal
from sip_stager.platform.outcome import Outcome, Refused, Staged

RETRY_AFTER = 5  # seconds; enough for a hiccup to pass, and short for a caller who redials
MAX_RETRY_AFTER = 300  # what the API asks for beyond that is no business of a caller's


def decide(outcome: Outcome) -> Decision:
    """Forward what is staged; of the rest say the cause, by which the call's policy treats it."""
    if isinstance(outcome, Staged):
        return Forward(outcome.staged_id)
    retry_after = _retry_after(outcome)
    return Refusal(503, "Service Unavailable", outcome.kind, outcome.text, retry_after)


def _retry_after(outcome: Outcome) -> int:
    asked = outcome.retry_after if isinstance(outcome, Refused) else None
    return RETRY_AFTER if asked is None else min(max(asked, 1), MAX_RETRY_AFTER)
