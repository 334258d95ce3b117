"""Calls that are refused, and the responses that callers get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import play_both, stage_request_count, vias
from tests.interop.silent_upstream import SilentUpstream
from tests.support.inside import assert_nothing_internal

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


def assert_staging_failed(scene: Scene) -> None:
    """Place a call; assert that it gets 480 with a reason, and is not forwarded.

    RFC 3261 21.5.4: with Retry-After the carrier would keep all other calls away as well.
    """
    with SilentUpstream(scene.upstream) as upstream:
        caller = scene.caller("caller_is_refused", status="480")
        caller.finish()
        upstream.assert_nothing_received()
    (refusal,) = caller.received("480")
    assert not refusal.values("Retry-After")
    assert refusal.values("Warning", "Reason")
    assert_nothing_internal(refusal.data, str(scene.api.port))


def test_a_call_is_refused_when_the_api_is_down(scene: Scene) -> None:
    scene.start()
    scene.api.kill()
    assert_staging_failed(scene)


def test_a_call_is_refused_when_the_api_takes_too_long(scene: Scene) -> None:
    scene.start(api={"delay": 30}, deadline=0.5)
    assert_staging_failed(scene)
    scene.api.wait_stats(aborted=1)


@pytest.mark.parametrize(("mode", "status"), [("sync", 401), ("async", 422)])
def test_a_call_is_refused_when_the_api_refuses_it(scene: Scene, status: int, mode: str) -> None:
    scene.start(api={"status": status, "message": "No such agent"}, mode=mode)
    assert_staging_failed(scene)
    assert stage_request_count(scene) == 1


def test_an_unmapped_number_is_not_found(shared_scene: Scene) -> None:
    before = stage_request_count(shared_scene)
    with SilentUpstream(shared_scene.upstream) as upstream:
        shared_scene.caller("caller_is_refused", number="+33699999999", status="404").finish()
        upstream.assert_nothing_received()
    assert stage_request_count(shared_scene) == before


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_source_that_belongs_to_no_trunk_is_forbidden(
    shared_scene: Scene, transport: str
) -> None:
    before = stage_request_count(shared_scene)
    with SilentUpstream(shared_scene.upstream) as upstream:
        shared_scene.caller(
            "caller_is_refused", source="127.0.0.2", transport=transport, status="403"
        ).finish()
        upstream.assert_nothing_received()
    assert stage_request_count(shared_scene) == before


@pytest.mark.parametrize("status", ["486", "603"])
def test_a_callees_refusal_reaches_the_caller_and_each_hop_acknowledges_it(
    any_route: Scene, status: str
) -> None:
    """RFC 3261 17.1.1.3: each hop acknowledges a refusal."""
    _, upstream = play_both(
        any_route, f"INVITE; < 100; < {status}; ACK", f"< INVITE; {status}; < ACK"
    )
    assert len(vias(upstream.received("ACK"))) == 1
