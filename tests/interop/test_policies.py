"""What callers get whose call can not be staged, and what they hear meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.silence import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

ANSWERED = """
    INVITE
    < 100
    < 180?
    < 200
    ACK
    ~50
    BYE
    < 200
    """
ANSWERS = """
    < INVITE
    180
    200
    < ACK
    < BYE
    200
    """
SLOW: dict[str, Any] = {"api": {"delay": 30}, "deadline": 0.3}


def refused(status: int) -> str:
    return f"INVITE\n< 100\n< {status}\nACK"


def test_a_call_goes_on_without_a_staged_agent(scene: Scene) -> None:
    scene.start(**SLOW, policy={"over_time": "forward"})
    callee = scene.callee(ANSWERS)
    scene.caller(ANSWERED).finish()
    callee.finish()
    assert callee.received("INVITE")[0].values("X-Rounded-Call-Id") == []


def test_a_call_goes_to_a_queue(scene: Scene) -> None:
    """The URI of the policy is another target of the same INVITE."""
    host, port = scene.upstream
    scene.start(**SLOW, policy={"over_time": f"redirect sip:queue@{host}:{port}"})
    callee = scene.callee(ANSWERS)
    scene.caller(ANSWERED).finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    assert invite.start_line == f"INVITE sip:queue@{host}:{port} SIP/2.0"


@pytest.mark.parametrize(
    ("policy", "status"),
    [("refuse 480", 480), ("refuse 603 Not now", 603), ("moved sip:queue@192.0.2.9", 302)],
)
def test_a_call_is_refused_with_the_code_of_the_policy(
    scene: Scene, policy: str, status: int
) -> None:
    scene.start(**SLOW, policy={"over_time": policy})
    with Silence(scene.upstream) as upstream:
        caller = scene.caller(refused(status))
        caller.finish()
        upstream.check()
    if status == 302:
        assert caller.received("302")[0].values("Contact") == ["<sip:queue@192.0.2.9>"]


def test_an_api_that_is_down_is_another_cause_than_one_that_is_slow(scene: Scene) -> None:
    scene.start(policy={"over_time": "refuse 480", "unreachable": "refuse 486"})
    scene.api.kill()
    with Silence(scene.upstream) as upstream:
        scene.caller(refused(486)).finish()
        upstream.check()


@pytest.mark.parametrize("ringing", ["180", "183"])
def test_a_caller_hears_ringing_while_the_call_is_staged(scene: Scene, ringing: str) -> None:
    """The real dialog follows ours, as another fork would: RFC 3261 12.1."""
    scene.start(api={"delay": 0.8}, policy={"ringing": ringing, "ring_after": 0.2})
    callee = scene.callee(ANSWERS)
    caller = scene.caller(f"""
        INVITE
        < 100
        < {ringing}
        < 180?
        < 200
        ACK
        ~50
        BYE
        < 200
        """)
    caller.finish()
    callee.finish()
    first, *_, last = caller.received(ringing)[0], *caller.received("200")[:1]
    assert first.values("To") != last.values("To")


def test_an_invite_that_wants_reliable_ringing_hears_none_of_ours(scene: Scene) -> None:
    """RFC 3262 3: it would have to be sent reliably."""
    scene.start(api={"delay": 0.6}, policy={"ring_after": 0.1})
    scene.callee("""
        < INVITE
        200
        < ACK
        < BYE
        200
        """)
    caller = scene.caller("""
        INVITE | Require: 100rel
        < 100
        < 200
        ACK
        ~50
        BYE
        < 200
        """)
    caller.finish()
    assert caller.received("180") == []


def test_once_it_rang_the_call_goes_another_way(scene: Scene) -> None:
    policy = {"over_time": "refuse 503", "after_ringing": "forward", "ring_after": 0.1}
    scene.start(**SLOW, policy=policy)
    callee = scene.callee(ANSWERS)
    scene.caller(ANSWERED.replace("< 180?", "< 180\n    < 180?")).finish()
    callee.finish()
