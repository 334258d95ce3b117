"""CANCEL while a call is staged, while it rings, and too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import play, vias
from tests.interop.silent_upstream import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_cancelled_while_staging_goes_nowhere(scene: Scene, transport: str) -> None:
    scene.start(api={"delay": 60}, deadline=60.0)
    with Silence(scene.upstream) as upstream:
        caller = scene.caller("caller_cancels_staging", transport=transport, hold=200)
        caller.finish()  # long before the API answers
        scene.api.wait_stats(stage_requests=1, aborted=1)
        upstream.check()


def test_a_late_cancel_ends_a_call_that_rings(road: Scene) -> None:
    """RFC 3261 9, 16.10: a CANCEL ends a call that rings."""
    trunk, upstream = play(
        road,
        "INVITE; < 100; < 180; CANCEL; < 200; < 487; ACK",
        "< INVITE; 180; < CANCEL; 200; 487 INVITE; < ACK",
    )
    (cancelled,), (terminated,) = trunk.received("200"), trunk.received("487")
    assert cancelled.values("CSeq") == ["1 CANCEL"]
    assert terminated.values("CSeq") == ["1 INVITE"]
    assert upstream.received("CANCEL")[0].values("Via") == vias(upstream.received("INVITE"))[:1]


def test_a_cancel_that_comes_after_the_200_changes_nothing(road: Scene) -> None:
    """RFC 3261 9.2: the CANCEL is answered 200 and has no effect; none goes upstream."""
    _, upstream = play(
        road,
        "INVITE; < 100; < 180; < 200; CANCEL; < 200; ACK; BYE; < 200",
        "< INVITE; 180; 200; < ACK; < BYE; 200",
    )
    assert not upstream.received("CANCEL")


def test_a_200_that_crosses_the_cancel_wins(road: Scene) -> None:
    """RFC 3261 16.7: a 2xx is passed on whatever was asked meanwhile; the caller ends the call."""
    play(
        road,
        "INVITE; < 100; < 180; CANCEL; < 200; < 200; ACK; BYE; < 200",
        "< INVITE; 180; < CANCEL; 200; 200 INVITE; < ACK; < BYE; 200",
    )
