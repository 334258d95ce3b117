"""Proxies next to us: they fork a call, challenge it, or cancel and retry it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import (
    ANSWERS,
    TALKS,
    call_id,
    expect_metric,
    expect_stage_requests,
    staged_id,
)

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("with_kamailio")]


def test_each_200_of_a_fork_reaches_the_caller_and_each_ack_and_bye_its_callee(
    scene: Scene,
) -> None:
    """RFC 3261 13.2.2.4, 16.7 step 5: all 2xx are forwarded, and each creates its own dialog."""
    scene.put_kamailio_behind(fork=True)
    scene.start()
    first = scene.callee("< INVITE; 180; ~100; 200; < ACK; < BYE; 200")
    second = scene.callee("< INVITE; 180; < CANCEL; 200; 200 INVITE; < ACK; < BYE; 200", which=1)
    caller = scene.caller("""
        INVITE; < 100; < 180; < 180
        one: < 200; one: ACK
        two: < 200; two: ACK
        one: BYE; < 200
        two: BYE; < 200
        """)
    for each in (caller, first, second):
        each.finish()
    ids = [each.received("INVITE")[0].values("X-Rounded-Call-Id") for each in (first, second)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1
    for callee in (first, second):
        (tag,) = {to.partition(";tag=")[2] for to in callee.sent("180")[0].values("To")}
        for request in callee.received("ACK") + callee.received("BYE"):
            assert request.values("To")[0].endswith(tag)
    assert scene.api.stats()["stage_requests"] == 1


@pytest.mark.parametrize("ahead", [False, True], ids=["direct", "kamailio ahead"])
def test_a_challenged_call_is_retried_with_credentials_and_the_same_agent(
    scene: Scene, *, ahead: bool
) -> None:
    """RFC 3261 22.3: 407 reaches the caller; the second INVITE uses the same staged call."""
    scene.put_kamailio_behind(password="secret")
    scene.start()
    if ahead:
        scene.put_kamailio_ahead()
    callee = scene.callee("< INVITE; 180; 200; < ACK; < BYE; 200")
    script = """
        INVITE; < 100; < 407; ACK
        INVITE | [authentication username=alice password=secret]; < 100; < 180; < 200; ACK
        BYE; < 200
        """
    with expect_stage_requests(scene), expect_metric(scene, "stagings_claimed_total", trunk="sipp"):
        caller = scene.caller(script)
        caller.finish()
        callee.finish()
    assert caller.sent("INVITE")[1].values("Proxy-Authorization")
    (invite,) = callee.received("INVITE")
    claimed = scene.program.wait_logged("staging_claimed", staged_id=staged_id(invite))
    assert claimed["call_id"] == claimed["staged_for"] == call_id(invite)


def test_a_carriers_proxy_that_cancels_and_retries_gets_the_same_staged_call(scene: Scene) -> None:
    """Its second INVITE has the same Call-ID and arrives before the CANCEL of the first."""
    scene.start(staging={"after_hangup": "keep"}, policy={"ringing": "never"}, deadline=30.0)
    scene.put_kamailio_ahead(again=500)
    callee = scene.callee(ANSWERS)
    with expect_stage_requests(scene), expect_metric(scene, "stagings_claimed_total", trunk="sipp"):
        with scene.api.paused():
            caller = scene.caller(TALKS)
            scene.program.wait_metric(2, "calls_admitted_total")
        caller.finish()
        callee.finish()
    (invite,) = callee.received("INVITE")
    assert invite.values("Call-ID") == caller.sent("INVITE")[0].values("Call-ID")
    claimed = scene.program.wait_logged("staging_claimed", staged_id=staged_id(invite))
    assert claimed["staged_for"] == call_id(invite)
