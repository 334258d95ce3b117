from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.platform.rate_limit import MAX_HOLD, MAX_TRIES, RateLimit

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
        (b"86400", MAX_HOLD),
        (b"9" * 15, MAX_HOLD),
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
    assert limit.delay(NOW + MAX_HOLD) == 0


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
        (b'"default";r=0;t=99999', 0, MAX_HOLD),
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
        (429, b"99999", MAX_HOLD),
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
    assert 0 <= limit.delay(NOW) <= MAX_HOLD
    assert limit.remaining is None or 0 <= limit.remaining < 10**15


RETRY = [(b"Retry-After", b"20")]


def test_a_429_without_ratelimit_fields_holds_its_agent_alone() -> None:
    limit = RateLimit()
    limit.update(429, RETRY, NOW, WALL, agent="2")
    assert (limit.delay(NOW, "2"), limit.delay(NOW, "1"), limit.delay(NOW)) == (20, 0, 0)
    assert limit.holds(NOW) == {"all": 0, "agent": 1}


def test_a_second_agents_429_within_the_same_retry_after_holds_all() -> None:
    limit = RateLimit()
    limit.update(429, RETRY, NOW, WALL, agent="2")
    limit.update(429, [(b"Retry-After", b"7")], NOW + 19, WALL, agent="1")
    assert [limit.delay(NOW + 19, agent) for agent in ("1", "2", "3", "")] == [7, 7, 7, 7]
    assert limit.holds(NOW + 19) == {"all": 1, "agent": 1}


def test_a_second_agents_429_after_the_retry_after_of_the_first_holds_its_agent_alone() -> None:
    limit = RateLimit()
    limit.update(429, RETRY, NOW, WALL, agent="2")
    limit.update(429, RETRY, NOW + 20, WALL, agent="1")
    assert [limit.delay(NOW + 20, agent) for agent in ("1", "2", "3")] == [20, 0, 0]


@pytest.mark.parametrize(
    "fields",
    [
        [(b"RateLimit-Remaining", b"0"), (b"RateLimit-Reset", b"20")],
        [(b"RateLimit", b'"minute";r=0;t=20'), *RETRY],
    ],
)
def test_no_requests_left_hold_all_agents(fields: Headers) -> None:
    limit = RateLimit()
    limit.update(429, fields, NOW, WALL, agent="2")
    assert [limit.delay(NOW, agent) for agent in ("1", "2", "")] == [20, 20, 20]


def tries(limit: RateLimit, agent: str, since: float, until: float) -> list[float]:
    """Ask for a try each tenth of a second; return when there was one."""
    moments = [since + step / 10 for step in range(round((until - since) * 10))]
    return [now for now in moments if limit.delay(now, agent) and limit.take_try(now, agent)]


@pytest.mark.parametrize("agent", ["2", ""])
def test_a_bounded_number_of_tries_is_let_through_while_requests_are_held(agent: str) -> None:
    limit = RateLimit()
    limit.update(429, RETRY, NOW, WALL, agent=agent)
    taken = tries(limit, "2", NOW, NOW + 20)
    assert 3 <= len(taken) <= MAX_TRIES
    assert all(later - sooner >= 1 for sooner, later in pairwise(taken))
    assert taken[0] >= NOW + 1


def test_a_success_that_was_sent_during_the_hold_ends_it_and_an_older_one_does_not() -> None:
    limit = RateLimit()
    limit.update(429, RETRY, NOW, WALL, agent="2")
    limit.update(201, [], NOW + 1, WALL, agent="2", sent_at=NOW - 1)
    assert limit.delay(NOW + 1, "2") == 19
    limit.update(201, [], NOW + 5, WALL, agent="1", sent_at=NOW + 4)
    assert limit.delay(NOW + 5, "2") == 15
    limit.update(201, [], NOW + 5, WALL, agent="2", sent_at=NOW + 4)
    assert limit.delay(NOW + 5, "2") == 0


def test_a_try_that_is_refused_prolongs_the_hold() -> None:
    limit = RateLimit()
    limit.update(429, RETRY, NOW, WALL, agent="2")
    assert limit.take_try(NOW + 5, "2")
    limit.update(429, RETRY, NOW + 6, WALL, agent="2", sent_at=NOW + 5)
    assert limit.delay(NOW + 6, "2") == 20


def test_the_longest_hold_is_a_setting() -> None:
    limit = RateLimit(max_hold=3.0)
    limit.update(429, RETRY, NOW, WALL, agent="2")
    assert limit.delay(NOW, "2") == 3
    limit.update(429, RETRY, NOW, WALL)
    assert limit.delay(NOW, "1") == 3


_ANSWERS = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from("23"), st.booleans(), st.booleans()), max_size=80
)


@given(_ANSWERS)
def test_an_agent_is_held_only_while_two_others_are_limited_at_once(
    answers: list[tuple[float, str, bool, bool]],
) -> None:
    limit, now = RateLimit(), NOW
    limited: dict[str, float] = {}
    for passed, agent, refused, asks in answers:
        now += passed
        until = sorted(limited.values())
        if len(until) < 2 or until[0] <= now:
            # No two agents were limited within one Retry-After of each other.
            assert limit.delay(now, "1") <= max(0.0, (until or [0.0])[-1] - now)
        if not limited:
            assert limit.delay(now, "1") == 0
        if refused:
            limit.update(429, RETRY, now, WALL, agent=agent)
            limited[agent] = now + 20
        elif asks and limit.delay(now, agent) and limit.take_try(now, agent):
            assert limit.delay(now, agent) <= 20
        if len(limited) == 1:
            assert limit.delay(now, "1") == 0
