from __future__ import annotations

import pytest

from sip_stager.model.call import Forward, Refusal
from sip_stager.model.vocabulary import StagingOutcome
from sip_stager.platform.outcome import (
    NOT_SENT,
    ApiUnreachable,
    Cancelled,
    InternalError,
    InvalidResponse,
    Outcome,
    Refused,
    Staged,
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
def test_any_other_outcome_is_a_503_with_its_cause(outcome: Outcome, cause: StagingOutcome) -> None:
    assert decide(outcome) == Refusal(503, "Service Unavailable", cause, "no", RETRY_AFTER)


@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, RETRY_AFTER), (0, 1), (30, 30), (86400, MAX_RETRY_AFTER)],
)
def test_the_apis_retry_after_is_passed_on_within_limits(asked: int | None, given: int) -> None:
    decision = decide(Refused(429, "slow down", asked))
    assert isinstance(decision, Refusal)
    assert decision.retry_after == given
