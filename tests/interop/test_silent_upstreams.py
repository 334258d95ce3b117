"""Upstreams that say nothing, or no."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.silent_upstream import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

T1 = 0.04  # seconds: 64 times this is how long we wait for an upstream that says nothing


def test_a_caller_gives_up_a_callee_that_never_answers(scene: Scene) -> None:
    """RFC 3261 9.1: no CANCEL goes ahead of a provisional response; the caller is served."""
    scene.start(t1=T1)
    with Silence(scene.upstream) as upstream:
        caller = scene.caller("INVITE; < 100; ~100; CANCEL; < 200; < 487; ACK")
        caller.finish()
        assert set(upstream.heard()) == {"INVITE"}
    assert caller.received("487")[0].values("To") == caller.received("200")[0].values("To")


def test_a_call_that_nobody_answers_times_out(scene: Scene) -> None:
    """RFC 3261 16.7, 16.9: timer B ends the branch, and 408 the call."""
    scene.start(t1=T1)
    with Silence(scene.upstream) as upstream:
        scene.caller("INVITE; < 100; < 408; ACK").finish()
        # At 0, 1, 3, 7, 15, 31 times T1; at 63 times, where the machine is not too slow for it.
        assert upstream.heard() in (["INVITE"] * 6, ["INVITE"] * 7)


def test_a_503_of_the_upstream_is_not_passed_on_as_503(usual: Scene) -> None:
    """RFC 3261 16.7 step 6: it becomes 500; else the caller would take us for overloaded."""
    callee = usual.callee("< INVITE; 503 | Retry-After: 30; < ACK")
    caller = usual.caller("INVITE; < 100; < 500; ACK")
    caller.finish()
    callee.finish()
