from __future__ import annotations

import pytest

from sip_stager.model.call import Forward, Refusal
from sip_stager.model.vocabulary import StagingOutcome
from sip_stager.platform.outcome import (
    NOT_SENT,
    ApiUnreachable,
    BreakerOpen,
    Cancelled,
    InternalError,
    InvalidResponse,
    Outcome,
    Refused,
    Staged,
    Stopped,
    TimedOut,
)
from sip_stager.staging.decision import MAX_RETRY_AFTER, RETRY_AFTER, decide


def test_a_staged_call_is_forwarded_with_its_id() -> None:
    assert decide(Staged("abc")) == Forward("abc")


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (Refused(403, "no"), StagingOutcome.REFUSED),
        (Refused(429, "no"), StagingOutcome.BUSY),
        (Refused(NOT_SENT, "no"), StagingOutcome.BUSY),
        (Refused(500, "no"), StagingOutcome.FAILED),
        (Refused(503, "no"), StagingOutcome.FAILED),
        (TimedOut("no"), StagingOutcome.TIMEOUT),
        (ApiUnreachable("no"), StagingOutcome.API_UNREACHABLE),
        (InvalidResponse("no"), StagingOutcome.INVALID_RESPONSE),
        (Cancelled("no"), StagingOutcome.CANCELLED),
        (InternalError("no"), StagingOutcome.INTERNAL_ERROR),
    ],
)
def test_a_failure_is_a_refusal_with_its_cause_and_without_retry_after(
    outcome: Outcome, cause: StagingOutcome
) -> None:
    assert decide(outcome) == Refusal(503, "Service Unavailable", cause, "no")


@pytest.mark.parametrize("status", [404, 429, 503])
def test_the_apis_retry_after_is_not_passed_on(status: int) -> None:
    """It may be about one agent, and the next call may well be staged."""
    decision = decide(Refused(status, "slow down", 86400))
    assert isinstance(decision, Refusal)
    assert decision.retry_after is None


@pytest.mark.parametrize(
    ("seconds", "retry_after"), [(0.0, 1), (0.2, 1), (4.1, 5), (600.0, MAX_RETRY_AFTER)]
)
def test_while_the_breaker_is_open_retry_after_is_the_time_to_its_probe(
    seconds: float, retry_after: int
) -> None:
    decision = decide(BreakerOpen("open", seconds_to_probe=seconds))
    assert isinstance(decision, Refusal)
    assert (decision.cause, decision.retry_after) == ("breaker_open", retry_after)


def test_a_call_that_the_stop_ends_has_retry_after() -> None:
    decision = decide(Stopped("no"))
    assert isinstance(decision, Refusal)
    assert (decision.cause, decision.retry_after) == ("stopped", RETRY_AFTER)
