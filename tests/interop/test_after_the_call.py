"""What is done about a call once it has gone on: labels, a second look, an end to the unused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.calls import (
    ANSWERS,
    GIVES_UP,
    TALKS,
    call_id,
    counted,
    number,
    put_through,
    row,
    staged_id,
    told,
)
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.message_trace import Traced
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

LABELLED, FORBIDDEN, LOST, FOUND = CALLED = [number(index) for index in range(4)]
WARM = 0.3  # seconds that an agent takes
AT_ONCE = 6  # labels under way


def start(scene: Scene) -> None:
    """Have records labelled, and looked at without the minute that the program gives a call."""
    scene.start(
        staging={"label": True, "reconcile": True},
        behaviours={
            LABELLED: {"delay": WARM},
            LOST: {"becomes": "no_answer"},
            FOUND: {"becomes": "in_progress"},
        },
        deadline=20.0,
        constants={"sip_stager.staging.aftercare.LOOK_AFTER": 0.2},
        tables=[row(each, AGENT) for each in CALLED],
    )


def label(scene: Scene, invite: Traced) -> dict[str, Any]:
    """Return what was written into the record of the call that an INVITE brought the id of."""
    label: dict[str, Any] = told(scene, invite)["metadata"]
    return label


def under_way(scene: Scene) -> int:
    """Return how many requests the API has not answered yet."""
    count: int = scene.api.stats()["active"]
    return count


def test_the_platforms_record_says_which_call_it_is(started: Scene) -> None:
    invite = put_through(started, number=LABELLED)
    started.api.wait_until(lambda: label(started, invite) != {}, "label")
    written = label(started, invite)
    assert (written["sip_call_id"], written["trunk"]) == (call_id(invite), "sipp")
    assert written["staging_seconds"] >= written["staging_request_seconds"] >= WARM
    forwarded = started.program.wait_logged("call_forwarded", staged_id=staged_id(invite))
    assert forwarded["call_id"] == written["sip_call_id"]
    assert forwarded["elapsed_seconds"] == pytest.approx(written["staging_seconds"], abs=0.001)


def test_labels_that_are_never_answered_hold_no_call_up(scene: Scene) -> None:
    calls = 2 * AT_ONCE
    scene.start(
        staging={"label": True, "aftercare_connections": AT_ONCE},
        behaviours={"labels": {"latency": 3600}},
    )
    callee = scene.callee(ANSWERS, calls=calls)
    scene.caller(TALKS, calls=calls, options=("-l", "1", "-r", "1000")).finish()
    callee.finish()
    invites = callee.received("INVITE")
    assert len({staged_id(invite) for invite in invites}) == calls
    assert not any(label(scene, invite) for invite in invites)
    scene.api.wait_until(lambda: under_way(scene) >= AT_ONCE, "labels")
    assert under_way(scene) <= AT_ONCE


def test_a_key_that_may_write_no_labels_is_told(started: Scene) -> None:
    started.api.change(labels={"status": 403, "message": "Not for this key"})
    with counted(started, "aftercare_failed_total", kind="label", outcome="refused"):
        invite = put_through(started, number=FORBIDDEN)
        line = started.program.wait_logged("aftercare_failed", kind="label")
    started.api.change(labels={})
    assert (line["staged_id"], line["http_status"]) == (staged_id(invite), 403)
    assert "Not for this key" in line["text"]


def test_an_answered_call_that_nobody_claimed_has_lost_its_header(started: Scene) -> None:
    with counted(started, "headers_lost_total", trunk="sipp"):
        found = put_through(started, number=FOUND)
        invite = put_through(started, number=LOST)
        line = started.program.wait_logged("header_lost")
    assert (line["call_id"], line["staged_id"]) == (call_id(invite), staged_id(invite))
    assert started.program.logged("header_lost", staged_id=staged_id(found)) == []


def test_a_call_that_was_refused_is_not_looked_after(started: Scene) -> None:
    """The API was going to call it unclaimed, too; nobody was to claim it."""
    callee = started.callee("< INVITE; 486; < ACK")
    with counted(started, "headers_lost_total"):
        started.caller("INVITE; < 100; < 486; ACK", number=LOST).finish()
        callee.finish()
        invite = put_through(started, number=LOST)
        started.program.wait_logged("header_lost", staged_id=staged_id(invite))


def test_what_nobody_claims_is_counted_and_ended(scene: Scene) -> None:
    scene.start(staging={"after_hangup": "keep", "claim_ttl": 0.2, "terminate_wasted": True})
    with (
        counted(scene, "stagings_wasted_total", trunk="sipp"),
        counted(scene, "stagings_terminated_total", outcome="ended"),
        counted(scene, "stagings_reserved", times=0),
    ):
        with scene.api.held():
            caller = scene.caller(GIVES_UP)
            caller.finish()
        given_up = call_id(caller.sent("INVITE")[0])
        wasted = scene.program.wait_logged("staging_wasted", call_id=given_up)
        scene.api.wait_stats(terminations=1)
        scene.program.wait_metric(1, "stagings_terminated_total", outcome="ended")
    assert scene.api.record(wasted["staged_id"])["status"] == "canceled"
