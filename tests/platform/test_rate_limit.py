from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.platform.rate_limit_fields import MAX_DELAY, RateLimit

NOW = 50.0
DATE = b"Wed, 21 Oct 2015 07:28:00 GMT"
WALL = 1445412480.0  # the same moment

Headers = list[tuple[bytes, bytes]]


def limit_after(*headers: tuple[bytes, bytes], status: int = 201, wall: float = WALL) -> RateLimit:
    limit = RateLimit()
    limit.update(status, headers, NOW, wall)
    return limit


@pytest.mark.parametrize("prefix", [b"RateLimit-", b"X-RateLimit-", b"x-ratelimit-"])
@pytest.mark.parametrize(
    ("reset", "wait"),
    [
        (b"7", 7),
        (b"0", 0),
        (b"1445412489", 9),
        (b"1445412489000", 9),
        (b"1445412470", 0),
        (b"86400", MAX_DELAY),
        (b"9" * 15, MAX_DELAY),
        (b"9" * 400, 0),
        (b"-5", 0),
        (b"soon", 0),
        (b"", 0),
    ],
)
def test_with_none_left_requests_wait_for_the_reset(
    prefix: bytes, reset: bytes, wait: float
) -> None:
    limit = limit_after((prefix + b"Remaining", b"0"), (prefix + b"Reset", reset))
    assert limit.remaining == 0
    assert limit.delay(NOW) == wait
    assert limit.delay(NOW + MAX_DELAY) == 0


def test_with_some_left_requests_do_not_wait() -> None:
    limit = limit_after((b"RateLimit-Remaining", b"12;w=60"), (b"RateLimit-Reset", b"9"))
    assert (limit.remaining, limit.delay(NOW)) == (12, 0)


def test_a_response_that_was_overtaken_does_not_end_the_delay() -> None:
    limit = limit_after((b"RateLimit-Remaining", b"0"), (b"RateLimit-Reset", b"9"))
    limit.update(201, [(b"RateLimit-Remaining", b"3"), (b"RateLimit-Reset", b"9")], NOW + 1, WALL)
    assert (limit.remaining, limit.delay(NOW + 1)) == (3, 8)


def test_a_time_of_day_is_compared_with_the_apis_own_date() -> None:
    headers = [(b"Date", DATE), (b"X-RateLimit-Remaining", b"0")]
    limit = limit_after(*headers, (b"X-RateLimit-Reset", b"1445412484"), wall=WALL + 3600)
    assert limit.delay(NOW) == 4


@pytest.mark.parametrize("skew", [-7200, 0, 7200])
def test_a_retry_after_date_is_compared_with_the_apis_own_date(skew: float) -> None:
    headers = [(b"Date", DATE), (b"Retry-After", b"Wed, 21 Oct 2015 07:28:08 GMT")]
    assert limit_after(*headers, status=429, wall=WALL + skew).delay(NOW) == 8


@pytest.mark.parametrize(
    ("value", "remaining", "wait"),
    [
        (b'"default";r=50;t=30', 50, 0),
        (b'"default";r=0;t=7', 0, 7),
        (b"default; t=7; r=0", 0, 7),
        (b'"a";r=9;t=1, "b";r=0;t=5, "c";r=0;t=3', 0, 5),
        (b'"a";r=9;t=1,"b";r=4', 4, 0),
        (b'"minute";r=0;pk=:cHNsaXQ=:;t=5', 0, 5),
        (b'"x;r=0;t=9";r=3;t=2', 3, 0),
        (rb'"x\";r=0;t=9,";r=3;t=2', 3, 0),
        (b"limit=100, remaining=0, reset=5", 0, 5),
        (b"limit=100, remaining=50, reset=5", 50, 0),
        (b'"default";r=0', 0, 0),
        (b'"default";r=0;t=99999', 0, MAX_DELAY),
        (b'"default";q=0;w=60', None, 0),
        (b'"default";r=-1;t=9', None, 0),
        (b'"default";r=0.5;t=9', None, 0),
        (b'"default;r=0;t=9', None, 0),
        (b"", None, 0),
    ],
)
def test_the_combined_form_is_parsed(value: bytes, remaining: int | None, wait: float) -> None:
    limit = limit_after((b"RateLimit", value), (b"RateLimit-Policy", b'"default";q=0;w=9;r=0;t=9'))
    assert (limit.remaining, limit.delay(NOW)) == (remaining, wait)


def test_of_two_forms_the_stricter_holds() -> None:
    older = (b"X-RateLimit-Remaining", b"0"), (b"X-RateLimit-Reset", b"3")
    assert limit_after(*older, (b"RateLimit", b'"a";r=7;t=9')).delay(NOW) == 3
    assert limit_after(*older, (b"RateLimit", b'"a";r=0;t=9')).delay(NOW) == 9


@pytest.mark.parametrize(
    ("status", "value", "wait"),
    [
        (429, b"6", 6),
        (429, b"Wed, 21 Oct 2015 07:28:08 GMT", 8),
        (429, b"\xff", 0),
        (429, b"99999", MAX_DELAY),
        (503, b"6", 0),
        (201, b"6", 0),
    ],
)
def test_a_429_with_retry_after_delays_other_requests_too(
    status: int, value: bytes, wait: float
) -> None:
    assert limit_after((b"Retry-After", value), status=status).delay(NOW) == wait


def test_without_the_header_fields_nothing_is_known() -> None:
    limit = limit_after((b"Content-Type", b"application/json"), (b"RateLimit-Remaining", b"many"))
    assert (limit.remaining, limit.delay(NOW)) == (None, 0)


NAMES = [
    b"RateLimit",
    b"RateLimit-Remaining",
    b"X-RateLimit-Remaining",
    b"RateLimit-Reset",
    b"X-RateLimit-Reset",
    b"Retry-After",
    b"Date",
]
VALUES = (
    st.from_regex(rb'("a"?)?;r=[0-9]+;t=[0-9]+,?', fullmatch=True)
    | st.binary(max_size=40)
    | st.integers().map(lambda number: str(number).encode())
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6), st.sampled_from([201, 429]))
def test_no_header_field_raises_or_delays_without_limit(headers: Headers, status: int) -> None:
    limit = limit_after(*headers, status=status)
    assert 0 <= limit.delay(NOW) <= MAX_DELAY
    assert limit.remaining is None or 0 <= limit.remaining < 10**15
