"""One budget: the least of the deadline, the carrier's patience and the INVITE's Expires."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.model.call import Policy
from sip_stager.trunks.budget import LEAST, Terms
from tests.support.messages import request

SILENT = Policy(ringing=0)
RINGING = Policy(ringing=180, ringing_delay=2.0)


@pytest.mark.parametrize(
    ("terms", "extra", "seconds"),
    [
        (Terms(SILENT, 4.0), (), 4.0),
        (Terms(SILENT, 4.0, patience=5.0), (), 4.0),
        (Terms(SILENT, 8.0, patience=5.0, margin=0.5), (), 4.5),
        (Terms(RINGING, 8.0, patience=5.0), (), 8.0),  # our 180 comes in time
        (Terms(RINGING, 8.0, patience=2.5, margin=0.5), (), 8.0),  # and just so here
        (
            Terms(RINGING, 8.0, patience=2.3, margin=0.3),
            (),
            8.0,
        ),  # whatever 2.3 - 0.3 is rounded to
        (Terms(RINGING, 8.0, patience=1.5, margin=0.5), (), 1.0),  # and here too late
        (Terms(RINGING, 8.0, patience=2.4, margin=0.5), (), 1.9),  # as it might be here
        (Terms(SILENT, 8.0, margin=0.5), ("Expires: 3",), 2.5),
        (Terms(SILENT, 2.0), ("Expires: 300",), 2.0),
        (Terms(SILENT, 2.0), ("Expires: soon",), 2.0),
        (Terms(SILENT, 2.0), ("Expires: 99999999999999999999",), 2.0),
        (Terms(SILENT, 2.0), ("Expires: 0",), LEAST),
        (Terms(SILENT, 2.0, patience=0.2), (), LEAST),
    ],
)
def test_the_least_counts_less_what_forwarding_needs(
    terms: Terms, extra: tuple[str, ...], seconds: float
) -> None:
    assert terms.budget(request(extra=extra)) == pytest.approx(seconds)


def test_an_invite_that_takes_no_ringing_of_ours_is_bound_by_the_carriers_patience() -> None:
    """RFC 3262: with `Require: 100rel` we do not ring, so the carrier hears nothing."""
    terms = Terms(RINGING, 8.0, patience=5.0, margin=0.5)
    assert terms.budget(request(extra=("Require: 100rel",))) == pytest.approx(4.5)


@given(
    deadline=st.floats(0.1, 60),
    patience=st.none() | st.floats(0.1, 60),
    margin=st.floats(0, 5),
    ringing_delay=st.floats(0, 60),
    ringing=st.sampled_from([0, 180, 183]),
    expires=st.none() | st.integers(0, 600),
    reliable=st.booleans(),
)
def test_a_budget_never_outlasts_anybody_who_waits(
    deadline: float,
    patience: float | None,
    margin: float,
    ringing_delay: float,
    ringing: int,
    expires: int | None,
    *,
    reliable: bool,
) -> None:
    terms = Terms(Policy(ringing=ringing, ringing_delay=ringing_delay), deadline, patience, margin)
    extra = [f"Expires: {expires}"] if expires is not None else []
    extra += ["Require: 100rel"] if reliable else []
    bounds = [deadline] + ([expires - margin] if expires is not None else [])
    rings = ringing and not reliable and ringing_delay <= (patience or 0.0) - margin
    if patience is not None and not rings:
        bounds.append(patience - margin)
    assert terms.budget(request(extra=tuple(extra))) == pytest.approx(max(LEAST, min(bounds)))
