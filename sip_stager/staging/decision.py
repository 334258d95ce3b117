"""The decision about a call that follows from the outcome of its staging; pure."""

from __future__ import annotations

from sip_stager.model.call import Decision, Forward, Refusal
from sip_stager.platform.outcome import Outcome, Refused, Staged

RETRY_AFTER = 5
"""Seconds: enough for a short fault to pass, and short for a caller who redials."""
MAX_RETRY_AFTER = 300
"""Seconds; a longer Retry-After of the API concerns us, not a caller."""


def decide(outcome: Outcome) -> Decision:
    """Forward a staged call, else refuse it with the cause that the number's policy goes by.

    The caller's response is that of the policy (``calls/staging_call.py``), not the 503 here.
    """
    if isinstance(outcome, Staged):
        return Forward(outcome.staged_id)
    retry_after = _retry_after(outcome)
    return Refusal(503, "Service Unavailable", outcome.kind, outcome.text, retry_after)


def _retry_after(outcome: Outcome) -> int:
    asked = outcome.retry_after if isinstance(outcome, Refused) else None
    # At least 1: a carrier may take 0 for "try again at once".
    return RETRY_AFTER if asked is None else min(max(asked, 1), MAX_RETRY_AFTER)
