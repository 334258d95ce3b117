from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.model.call import MIN_STAGING_TIME
from sip_stager.platform.outcome import ApiUnreachable, Failure, InvalidResponse, Refused, TimedOut
from sip_stager.staging.retry import Retries, fits, spread

RETRIES = Retries(limit=2, delay=0.2)
AMBIGUOUS = Retries(limit=2, delay=0.2, ambiguous=True)


@pytest.mark.parametrize(
    ("failure", "wait", "ambiguous"),
    [
        (ApiUnreachable("no name", sent=False), 0.2, 0.2),
        (ApiUnreachable("closed before any answer"), None, 0.2),
        (TimedOut("the API gave up", 408), None, 0.2),
        (InvalidResponse("no call_id", 201), None, None),
        (Refused(200, "it is ringing"), None, None),
        (Refused(302, "redirects are not followed"), None, None),
        (Refused(400, "no"), None, None),
        (Refused(401, "no"), None, None),
        (Refused(403, "no", 1), None, None),
        (Refused(404, "no"), None, None),
        (Refused(422, "no"), None, None),
        (Refused(429, "slow down"), None, None),
        (Refused(429, "slow down", 0), 0.2, 0.2),
        (Refused(429, "slow down", 1), 1, 1),
        (Refused(429, "slow down", 999_999_999), None, None),
        (Refused(500, "oh", 1), None, 1),
        (Refused(502, "oh"), None, 0.2),
        (Refused(503, "oh"), None, 0.2),
        (Refused(503, "oh", 3), 3, 3),
        (Refused(503, "oh", 4), None, None),
        (Refused(504, "oh"), None, 0.2),
    ],
)
def test_only_requests_that_the_api_has_surely_not_taken_up_are_retried(
    failure: Failure, wait: float | None, ambiguous: float | None
) -> None:
    assert RETRIES.next_delay(failure, 1, 4.0, 0.0) == wait
    assert AMBIGUOUS.next_delay(failure, 1, 4.0, 0.0) == ambiguous


@pytest.mark.parametrize(("limit", "attempts"), [(0, 0), (1, 1), (2, 2), (5, 5)])
def test_the_number_of_retries_is_limited(limit: int, attempts: int) -> None:
    retries, failure = Retries(limit=limit, delay=0.1), Refused(503, "oh", 0)
    waits = [retries.next_delay(failure, made, 99.0, 0.0) for made in range(1, 9)]
    assert waits == [0.1] * attempts + [None] * (8 - attempts)


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_retried_when_the_rate_limit_resets(status: int) -> None:
    refused = Refused(status, "slow down")
    assert RETRIES.next_delay(refused, 1, 4.0, 0.0, 1.5) == 1.5
    assert RETRIES.next_delay(refused, 1, 4.0, 0.0, 0.1) == 0.2
    assert RETRIES.next_delay(refused, 1, 4.0, 0.0, 9.0) is None


def test_no_attempt_is_made_that_could_not_end_in_time() -> None:
    failure = ApiUnreachable("refused", sent=False)
    assert RETRIES.next_delay(failure, 1, 0.2 + MIN_STAGING_TIME, 0.9) == 0.2
    assert RETRIES.next_delay(failure, 1, 0.19 + MIN_STAGING_TIME, 0.0) is None
    assert RETRIES.next_delay(failure, 1, -1.0, 0.0) is None
    assert fits(1.0, 1.0 + MIN_STAGING_TIME)
    assert not fits(1.0, 1.0)


def test_delays_for_the_same_retry_after_are_spread() -> None:
    refused = Refused(429, "slow down", 1)
    waits = [RETRIES.next_delay(refused, 1, 4.0, chance / 10) for chance in range(11)]
    assert waits == [pytest.approx(1 + chance / 20) for chance in range(11)]


@given(wait=st.floats(0, 100), more=st.floats(0, 100), chance=st.floats(0, 1, exclude_max=True))
def test_a_spread_delay_is_never_shorter_and_still_fits(
    wait: float, more: float, chance: float
) -> None:
    left = wait + MIN_STAGING_TIME + more
    spread_out = spread(wait, left, chance)
    assert spread_out >= wait or spread_out == pytest.approx(wait)
    assert spread_out <= 1.5 * wait + 1e-9
    assert spread_out + MIN_STAGING_TIME <= left + 1e-9
