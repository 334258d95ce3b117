"""The decision about a call that follows from the outcome of its staging; pure."""

from __future__ import annotations

from math import ceil

from sip_stager.model.call import Decision, Forward, Refusal
from sip_stager.platform.outcome import BreakerOpen, Outcome, Staged, Stopped

RETRY_AFTER = 5
"""Seconds that a carrier is asked to stay away while the program stops."""
MAX_RETRY_AFTER = 60
"""Seconds; carriers obey, and who stays away for longer misses the API's recovery."""


def decide(outcome: Outcome) -> Decision:
    """Forward a staged call, else refuse it with the cause that the number's policy goes by.

    The caller's response is that of the policy (``calls/staging_call.py``), not the 503 here.
    """
    if isinstance(outcome, Staged):
        return Forward(outcome.staged_id)
    retry_after = _retry_after(outcome)
    return Refusal(503, "Service Unavailable", outcome.kind, outcome.text, retry_after)


def _retry_after(outcome: Outcome) -> int | None:
    """Return the seconds of Retry-After if the outcome concerns every call, else None.

    RFC 3261 21.5.4: who receives one sends no other call for that time.  A Retry-After of the API
    concerns the API and us: it may be about one agent, and the next call may well be staged.
    """
    match outcome:
        case BreakerOpen(seconds_to_probe=seconds):
            # At least 1: a carrier may take 0 for "try again at once".
            return min(max(ceil(seconds), 1), MAX_RETRY_AFTER)
        case Stopped():
            return RETRY_AFTER
    return None
