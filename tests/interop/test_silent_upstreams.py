"""Upstreams that do not respond, or respond with 503."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.silent_upstream import SilentUpstream

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

T1 = 0.04  # seconds; 64 times this is the wait for an upstream that does not respond


def test_a_call_to_a_silent_callee_can_be_cancelled(scene: Scene) -> None:
    """RFC 3261 9.1: no CANCEL is sent before a provisional response; the caller gets 487."""
    scene.start(t1=T1)
    with SilentUpstream(scene.upstream) as upstream:
        caller = scene.caller("INVITE; < 100; ~100; CANCEL; < 200; < 487; ACK")
        caller.finish()
        assert set(upstream.received_methods()) == {"INVITE"}
    assert caller.received("487")[0].values("To") == caller.received("200")[0].values("To")


def test_a_call_to_a_silent_callee_times_out(scene: Scene) -> None:
    """RFC 3261 16.7, 16.9: timer B ends the branch, and 408 the call."""
    scene.start(t1=T1)
    with SilentUpstream(scene.upstream) as upstream:
        scene.caller("INVITE; < 100; < 408; ACK").finish()
        # At 0, 1, 3, 7, 15, 31 times T1, and at 63 times unless the machine is too slow.
        assert upstream.received_methods() in (["INVITE"] * 6, ["INVITE"] * 7)


def test_a_503_of_the_upstream_is_forwarded_as_500(shared_scene: Scene) -> None:
    """RFC 3261 16.7 step 6: it becomes 500; 503 would mean that we are overloaded."""
    callee = shared_scene.callee("< INVITE; 503 | Retry-After: 30; < ACK")
    caller = shared_scene.caller("INVITE; < 100; < 500; ACK")
    caller.finish()
    callee.finish()
