"""An unused staged call serves the next attempt, and no staged call serves two."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import (
    ANSWERS,
    CANCELS,
    TALKS,
    call_id,
    expect_metric,
    expect_stage_requests,
    number,
    number_row,
    place_answered_call,
    stage_request_count,
    staged_id,
    staged_request,
)
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.message_trace import TracedMessage
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

REDIALS = {"while it is staged": number(0), "once it is staged": number(1)}
TWO_NETWORKS, TWO_TRUNKS, OUT_OF_REACH, AT_ONCE = map(number, range(2, 6))
CHALLENGES = {"401": number(6), "407": number(7)}
CARRIER = ("127.0.0.2", "127.0.0.3")
KEEP: dict[str, object] = {"after_hangup": "keep"}
CALLED = [*REDIALS.values(), TWO_NETWORKS, TWO_TRUNKS, OUT_OF_REACH, AT_ONCE, *CHALLENGES.values()]


def start(scene: Scene) -> None:
    """Start with a number for each test: staged calls are kept by number."""
    scene.start(
        staging=KEEP,
        deadline=20.0,
        tables=[
            ("[[trunks]]", {"name": "carrier", "networks": [f"{each}/32" for each in CARRIER]}),
            *(number_row(each, AGENT) for each in CALLED),
        ],
    )


@contextmanager
def claims(scene: Scene, times: int = 1, *, staged: int = 1, trunk: str = "sipp") -> Iterator[None]:
    """Assert how many staged calls are claimed within the block, and how many are staged."""
    with (
        expect_stage_requests(scene, staged),
        expect_metric(scene, "stagings_claimed_total", times, trunk=trunk),
    ):
        yield


def assert_claimed(scene: Scene, first: TracedMessage, second: TracedMessage) -> None:
    """Assert that the log has the claim of the second call on that of the first."""
    line = scene.program.wait_logged("staging_claimed", call_id=call_id(second))
    assert (line["staged_id"], line["staged_for"]) == (staged_id(second), call_id(first))


def place_cancelled_call(scene: Scene, called: str, source: str = "") -> TracedMessage:
    """Place a call that is cancelled while it is staged; return its INVITE."""
    with scene.api.paused():
        caller = scene.caller(CANCELS, number=called, source=source)
        caller.finish()
    return caller.sent("INVITE")[0]


@pytest.mark.parametrize("when", REDIALS)
def test_a_redial_gets_the_agent_that_was_staged_for_the_first_call(
    module_scene: Scene, when: str
) -> None:
    """The caller hangs up during staging; a call after the redial is staged anew."""
    before, called = stage_request_count(module_scene), REDIALS[when]
    callee = module_scene.callee(ANSWERS)
    with claims(module_scene):
        with module_scene.api.paused():
            given_up = module_scene.caller(CANCELS, number=called)
            given_up.finish()
            if when == "while it is staged":
                module_scene.caller(TALKS, number=called).wait_received("100")
        module_scene.api.wait_stats(stage_requests=before + 1, active=0)
        if when == "once it is staged":
            module_scene.caller(TALKS, number=called).finish()
        callee.finish()
    (first,) = callee.received("INVITE")
    assert_claimed(module_scene, given_up.sent("INVITE")[0], first)
    assert staged_request(module_scene, first)["agent_id"] == AGENT
    with claims(module_scene, 0):
        assert staged_id(place_answered_call(module_scene, number=called)) != staged_id(first)


def test_a_carriers_second_attempt_gets_the_staged_call_of_its_first(module_scene: Scene) -> None:
    """It comes from another address with another Call-ID."""
    with claims(module_scene, trunk="carrier"):
        first = place_cancelled_call(module_scene, TWO_NETWORKS, CARRIER[0])
        second = place_answered_call(module_scene, number=TWO_NETWORKS, source=CARRIER[1])
    assert first.values("Call-ID") != second.values("Call-ID")
    assert_claimed(module_scene, first, second)
    assert staged_request(module_scene, second)["to_number"] == TWO_NETWORKS


def test_a_call_of_another_trunk_is_staged_anew(module_scene: Scene) -> None:
    with claims(module_scene, 0, staged=2, trunk="carrier"):
        place_cancelled_call(module_scene, TWO_TRUNKS)
        place_answered_call(module_scene, number=TWO_TRUNKS, source=CARRIER[0])


def test_two_concurrent_calls_are_both_staged(module_scene: Scene) -> None:
    callee = module_scene.callee(ANSWERS, calls=2)
    with claims(module_scene, 0, staged=2):
        with module_scene.api.paused():
            caller = module_scene.caller(TALKS, number=AT_ONCE, calls=2, options=("-r", "1000"))
            caller.wait_received("100", times=2)
        caller.finish()
        callee.finish()
    assert len({staged_id(invite) for invite in callee.received("INVITE")}) == 2


@pytest.mark.parametrize("status", CHALLENGES)
def test_an_invite_with_credentials_has_the_same_staged_id(
    module_scene: Scene, status: str
) -> None:
    """RFC 3261 22.2, 22.3: 401 and 407 are forwarded; the next INVITE has the same id."""
    challenge = {"401": "WWW-Authenticate", "407": "Proxy-Authenticate"}[status]
    callee = module_scene.callee(f"""
        < INVITE; {status} | {challenge}: Digest realm="pbx", nonce="7d0f", algorithm=MD5; < ACK
        < INVITE; 200; < ACK; < BYE; 200
        """)
    script = f"""
        INVITE; < 100; < {status}; ACK
        INVITE | [authentication username=alice password=secret]; < 100; < 200; ACK; BYE; < 200
        """
    with claims(module_scene):
        module_scene.caller(script, number=CHALLENGES[status]).finish()
        callee.finish()
    first, second = callee.received("INVITE")
    assert second.values("Authorization", "Proxy-Authorization")
    assert staged_id(first) == staged_id(second)
    assert_claimed(module_scene, first, second)


def test_a_staged_call_that_no_upstream_got_serves_the_next_call(
    module_scene: Scene,
) -> None:
    with claims(module_scene, trunk="carrier"):
        first = module_scene.caller(
            "INVITE; < 100; < 503; ACK", number=OUT_OF_REACH, source=CARRIER[0]
        )
        first.finish()
        second = place_answered_call(module_scene, number=OUT_OF_REACH, source=CARRIER[1])
    assert_claimed(module_scene, first.sent("INVITE")[0], second)


def test_a_second_target_gets_the_same_staged_id(scene: Scene) -> None:
    scene.start(upstream={"backups": [f"sip:{scene.second_upstream}"]})
    first = scene.callee("< INVITE; 503; < ACK")
    with claims(scene, 0):  # no claim: it is the same call
        second = place_answered_call(scene, which=1)
        first.finish()
    assert staged_id(first.received("INVITE")[0]) == staged_id(second)
    line = scene.program.wait_logged("call_forwarded", attempt=2)
    assert line["staged_id"] == staged_id(second)
