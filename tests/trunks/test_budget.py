"""The budget is the minimum of deadline, ringback timeout and Expires, less the margin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.model.call import Policy
from sip_stager.trunks.budget import MIN_BUDGET, Terms
from tests.support.messages import request

SILENT = Policy(ringing=0)
RINGING = Policy(ringing=180, ringing_delay=2.0)


@pytest.mark.parametrize(
    ("terms", "extra", "seconds"),
    [
        (Terms(SILENT, 4.0), (), 4.0),
        (Terms(SILENT, 4.0, ringback_timeout=5.0), (), 4.0),
        (Terms(SILENT, 8.0, ringback_timeout=5.0, margin=0.5), (), 4.5),
        (Terms(RINGING, 8.0, ringback_timeout=5.0), (), 8.0),  # our 180 is in time
        (Terms(RINGING, 8.0, ringback_timeout=2.5, margin=0.5), (), 8.0),  # and just in time here
        (
            Terms(RINGING, 8.0, ringback_timeout=2.3, margin=0.3),
            (),
            8.0,
        ),  # whatever 2.3 - 0.3 rounds to
        (Terms(RINGING, 8.0, ringback_timeout=1.5, margin=0.5), (), 1.0),  # too late here
        (
            Terms(RINGING, 8.0, ringback_timeout=2.4, margin=0.5),
            (),
            1.9,
        ),  # and perhaps too late here
        (Terms(SILENT, 8.0, margin=0.5), ("Expires: 3",), 2.5),
        (Terms(SILENT, 2.0), ("Expires: 300",), 2.0),
        (Terms(SILENT, 2.0), ("Expires: soon",), 2.0),
        (Terms(SILENT, 2.0), ("Expires: 99999999999999999999",), 2.0),
        (Terms(SILENT, 2.0), ("Expires: 0",), MIN_BUDGET),
        (Terms(SILENT, 2.0, ringback_timeout=0.2), (), MIN_BUDGET),
    ],
)
def test_the_shortest_limit_counts_less_the_margin(
    terms: Terms, extra: tuple[str, ...], seconds: float
) -> None:
    assert terms.budget(request(extra=extra)) == pytest.approx(seconds)


def test_an_invite_that_requires_100rel_is_bound_by_the_ringback_timeout() -> None:
    """RFC 3262: with `Require: 100rel` we do not ring, so the carrier hears nothing."""
    terms = Terms(RINGING, 8.0, ringback_timeout=5.0, margin=0.5)
    assert terms.budget(request(extra=("Require: 100rel",))) == pytest.approx(4.5)


@given(
    deadline=st.floats(0.1, 60),
    ringback_timeout=st.none() | st.floats(0.1, 60),
    margin=st.floats(0, 5),
    ringing_delay=st.floats(0, 60),
    ringing=st.sampled_from([0, 180, 183]),
    expires=st.none() | st.integers(0, 600),
    reliable=st.booleans(),
)
def test_a_budget_never_exceeds_a_limit(
    deadline: float,
    ringback_timeout: float | None,
    margin: float,
    ringing_delay: float,
    ringing: int,
    expires: int | None,
    *,
    reliable: bool,
) -> None:
    terms = Terms(
        Policy(ringing=ringing, ringing_delay=ringing_delay), deadline, ringback_timeout, margin
    )
    extra = [f"Expires: {expires}"] if expires is not None else []
    extra += ["Require: 100rel"] if reliable else []
    bounds = [deadline] + ([expires - margin] if expires is not None else [])
    rings = ringing and not reliable and ringing_delay + margin <= (ringback_timeout or 0.0)
    if ringback_timeout is not None and not rings:
        bounds.append(ringback_timeout - margin)
    assert terms.budget(request(extra=tuple(extra))) == pytest.approx(max(MIN_BUDGET, min(bounds)))
