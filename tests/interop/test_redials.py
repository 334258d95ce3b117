"""No call is staged twice where what was staged before was not used, and no staging serves two."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import (
    ANSWERS,
    GIVES_UP,
    TALKS,
    asked,
    call_id,
    counted,
    number,
    put_through,
    row,
    staged_id,
    stagings,
    told,
)
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.message_trace import Traced
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

REDIALS = {"while it is staged": number(0), "once it is staged": number(1)}
TWO_NETWORKS, TWO_TRUNKS, OUT_OF_REACH, AT_ONCE = map(number, range(2, 6))
CHALLENGES = {"401": number(6), "407": number(7)}
CARRIER = ("127.0.0.2", "127.0.0.3")
KEEP: dict[str, object] = {"after_hangup": "keep"}
CALLED = [*REDIALS.values(), TWO_NETWORKS, TWO_TRUNKS, OUT_OF_REACH, AT_ONCE, *CHALLENGES.values()]


def start(scene: Scene) -> None:
    """Give each test a number of its own, since what is kept is kept for a number."""
    scene.start(
        staging=KEEP,
        deadline=20.0,
        tables=[
            ("[[trunks]]", {"name": "carrier", "networks": [f"{each}/32" for each in CARRIER]}),
            *(row(each, AGENT) for each in CALLED),
        ],
    )


@contextmanager
def claims(scene: Scene, times: int = 1, *, staged: int = 1, trunk: str = "sipp") -> Iterator[None]:
    """So many stagings of the trunk are claimed meanwhile; the API is asked for ``staged``."""
    with asked(scene, staged), counted(scene, "stagings_claimed_total", times, trunk=trunk):
        yield


def assert_claimed(scene: Scene, first: Traced, second: Traced) -> None:
    """The log says that the second call got what was staged for the first."""
    line = scene.program.wait_logged("staging_claimed", call_id=call_id(second))
    assert (line["staged_id"], line["staged_for"]) == (staged_id(second), call_id(first))


def gives_up(scene: Scene, called: str, source: str = "") -> Traced:
    """Place a call that is cancelled while it is staged; return its INVITE."""
    with scene.api.held():
        caller = scene.caller(GIVES_UP, number=called, source=source)
        caller.finish()
    return caller.sent("INVITE")[0]


@pytest.mark.parametrize("when", REDIALS)
def test_a_caller_who_redials_gets_the_agent_that_was_staged_for_him(
    started: Scene, when: str
) -> None:
    """He hangs up while he waits; when he has had his agent, his next call is a new one."""
    before, called = stagings(started), REDIALS[when]
    callee = started.callee(ANSWERS)
    with claims(started):
        with started.api.held():
            given_up = started.caller(GIVES_UP, number=called)
            given_up.finish()
            if when == "while it is staged":
                started.caller(TALKS, number=called).wait_received("100")
        started.api.wait_stats(stage_requests=before + 1, active=0)
        if when == "once it is staged":
            started.caller(TALKS, number=called).finish()
        callee.finish()
    (first,) = callee.received("INVITE")
    assert_claimed(started, given_up.sent("INVITE")[0], first)
    assert told(started, first)["agent_id"] == AGENT
    with claims(started, 0):
        assert staged_id(put_through(started, number=called)) != staged_id(first)


def test_a_carriers_second_attempt_gets_what_its_first_had_staged(started: Scene) -> None:
    """It comes from another address, with another Call-ID."""
    with claims(started, trunk="carrier"):
        first = gives_up(started, TWO_NETWORKS, CARRIER[0])
        second = put_through(started, number=TWO_NETWORKS, source=CARRIER[1])
    assert first.values("Call-ID") != second.values("Call-ID")
    assert_claimed(started, first, second)
    assert told(started, second)["to_number"] == TWO_NETWORKS


def test_another_trunks_call_is_staged_for_itself(started: Scene) -> None:
    with claims(started, 0, staged=2, trunk="carrier"):
        gives_up(started, TWO_TRUNKS)
        put_through(started, number=TWO_TRUNKS, source=CARRIER[0])


def test_two_calls_at_the_same_moment_get_a_staging_each(started: Scene) -> None:
    callee = started.callee(ANSWERS, calls=2)
    with claims(started, 0, staged=2):
        with started.api.held():
            caller = started.caller(TALKS, number=AT_ONCE, calls=2, options=("-r", "1000"))
            caller.wait_received("100", times=2)
        caller.finish()
        callee.finish()
    assert len({staged_id(invite) for invite in callee.received("INVITE")}) == 2


@pytest.mark.parametrize("status", CHALLENGES)
def test_an_invite_that_comes_again_with_credentials_brings_the_same_id(
    started: Scene, status: str
) -> None:
    """RFC 3261 22.2, 22.3: 401 and 407 go back, and the INVITE that follows has the same id."""
    challenge = {"401": "WWW-Authenticate", "407": "Proxy-Authenticate"}[status]
    callee = started.callee(f"""
        < INVITE; {status} | {challenge}: Digest realm="pbx", nonce="7d0f", algorithm=MD5; < ACK
        < INVITE; 200; < ACK; < BYE; 200
        """)
    script = f"""
        INVITE; < 100; < {status}; ACK
        INVITE | [authentication username=alice password=secret]; < 100; < 200; ACK; BYE; < 200
        """
    with claims(started):
        started.caller(script, number=CHALLENGES[status]).finish()
        callee.finish()
    first, second = callee.received("INVITE")
    assert second.values("Authorization", "Proxy-Authorization")
    assert staged_id(first) == staged_id(second)
    assert_claimed(started, first, second)


def test_what_was_staged_for_an_upstream_out_of_reach_serves_the_next_call(started: Scene) -> None:
    with claims(started, trunk="carrier"):
        first = started.caller("INVITE; < 100; < 503; ACK", number=OUT_OF_REACH, source=CARRIER[0])
        first.finish()
        second = put_through(started, number=OUT_OF_REACH, source=CARRIER[1])
    assert_claimed(started, first.sent("INVITE")[0], second)


def test_a_second_target_gets_what_was_staged_for_the_first(scene: Scene) -> None:
    scene.start(upstream={"backups": [f"sip:{scene.second}"]})
    first = scene.callee("< INVITE; 503; < ACK")
    with claims(scene, 0):  # it is one call: no claim
        second = put_through(scene, which=1)
        first.finish()
    assert staged_id(first.received("INVITE")[0]) == staged_id(second)
    line = scene.program.wait_logged("call_forwarded", attempt=2)
    assert line["staged_id"] == staged_id(second)
