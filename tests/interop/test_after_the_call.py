"""Work after a call was forwarded: labels, reconciliation, ending unused calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.calls import (
    ANSWERS,
    CANCELS,
    TALKS,
    call_id,
    expect_metric,
    number,
    number_row,
    place_answered_call,
    staged_id,
    staged_request,
)
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.message_trace import TracedMessage
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

LABELLED, FORBIDDEN, LOST, FOUND = CALLED = [number(index) for index in range(4)]
WARM = 0.3  # seconds until an agent is staged
AT_ONCE = 6  # concurrent labels


def start(scene: Scene) -> None:
    """Start with labels and reconciliation, the latter without the usual wait of a minute."""
    scene.start(
        staging={"label": True, "reconcile": True},
        behaviours={
            LABELLED: {"delay": WARM},
            LOST: {"becomes": "no_answer"},
            FOUND: {"becomes": "in_progress"},
        },
        deadline=20.0,
        constants={"sip_stager.staging.aftercare.RECONCILE_DELAY": 0.2},
        tables=[number_row(each, AGENT) for each in CALLED],
    )


def label(scene: Scene, invite: TracedMessage) -> dict[str, Any]:
    """Return the label in the API's record of a call."""
    label: dict[str, Any] = staged_request(scene, invite)["metadata"]
    return label


def active_requests(scene: Scene) -> int:
    """Return how many requests the API has not answered yet."""
    count: int = scene.api.stats()["active"]
    return count


def test_the_platforms_record_gets_a_label_with_the_call_id(module_scene: Scene) -> None:
    invite = place_answered_call(module_scene, number=LABELLED)
    module_scene.api.wait_until(lambda: label(module_scene, invite) != {}, "label")
    written = label(module_scene, invite)
    assert (written["sip_call_id"], written["trunk"]) == (call_id(invite), "sipp")
    assert written["staging_seconds"] >= written["staging_request_seconds"] >= WARM
    forwarded = module_scene.program.wait_logged("call_forwarded", staged_id=staged_id(invite))
    assert forwarded["call_id"] == written["sip_call_id"]
    assert forwarded["elapsed_seconds"] == pytest.approx(written["staging_seconds"], abs=0.001)


def test_unanswered_labels_delay_no_call(scene: Scene) -> None:
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
    scene.api.wait_until(lambda: active_requests(scene) >= AT_ONCE, "labels")
    assert active_requests(scene) <= AT_ONCE


def test_a_key_without_permission_for_labels_is_logged(module_scene: Scene) -> None:
    module_scene.api.change(labels={"status": 403, "message": "Not for this key"})
    with expect_metric(module_scene, "aftercare_failed_total", kind="label", outcome="refused"):
        invite = place_answered_call(module_scene, number=FORBIDDEN)
        line = module_scene.program.wait_logged("aftercare_failed", kind="label")
    module_scene.api.change(labels={})
    assert (line["staged_id"], line["http_status"]) == (staged_id(invite), 403)
    assert "Not for this key" in line["text"]


def test_an_answered_call_that_the_api_calls_unclaimed_has_lost_its_header(
    module_scene: Scene,
) -> None:
    with expect_metric(module_scene, "headers_lost_total", trunk="sipp"):
        found = place_answered_call(module_scene, number=FOUND)
        invite = place_answered_call(module_scene, number=LOST)
        line = module_scene.program.wait_logged("header_lost")
    assert (line["call_id"], line["staged_id"]) == (call_id(invite), staged_id(invite))
    assert module_scene.program.logged("header_lost", staged_id=staged_id(found)) == []


def test_a_refused_call_is_not_reconciled(module_scene: Scene) -> None:
    """The API calls it unclaimed as well, but no agent was meant to claim it."""
    callee = module_scene.callee("< INVITE; 486; < ACK")
    with expect_metric(module_scene, "headers_lost_total"):
        module_scene.caller("INVITE; < 100; < 486; ACK", number=LOST).finish()
        callee.finish()
        invite = place_answered_call(module_scene, number=LOST)
        module_scene.program.wait_logged("header_lost", staged_id=staged_id(invite))


def test_an_unclaimed_staged_call_is_counted_and_ended(scene: Scene) -> None:
    scene.start(staging={"after_hangup": "keep", "claim_ttl": 0.2, "terminate_wasted": True})
    with (
        expect_metric(scene, "stagings_wasted_total", trunk="sipp"),
        expect_metric(scene, "stagings_terminated_total", outcome="ended"),
        expect_metric(scene, "stagings_reserved", times=0),
    ):
        with scene.api.paused():
            caller = scene.caller(CANCELS)
            caller.finish()
        given_up = call_id(caller.sent("INVITE")[0])
        wasted = scene.program.wait_logged("staging_wasted", call_id=given_up)
        scene.api.wait_stats(terminations=1)
        scene.program.wait_metric(1, "stagings_terminated_total", outcome="ended")
    assert scene.api.record(wasted["staged_id"])["status"] == "canceled"
