"""CANCEL while a call is staged, while it rings, and after its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import play_both, vias
from tests.interop.silent_upstream import SilentUpstream

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_cancelled_while_staging_is_not_forwarded(scene: Scene, transport: str) -> None:
    scene.start(api={"delay": 60}, deadline=60.0)
    with SilentUpstream(scene.upstream) as upstream:
        caller = scene.caller("caller_cancels_staging", transport=transport, hold=200)
        caller.finish()  # long before the API answers
        scene.api.wait_stats(stage_requests=1, aborted=1)
        upstream.assert_nothing_received()


def test_a_cancel_ends_a_ringing_call(any_route: Scene) -> None:
    """RFC 3261 9, 16.10: a CANCEL ends a call that rings."""
    trunk, upstream = play_both(
        any_route,
        "INVITE; < 100; < 180; CANCEL; < 200; < 487; ACK",
        "< INVITE; 180; < CANCEL; 200; 487 INVITE; < ACK",
    )
    (cancelled,), (terminated,) = trunk.received("200"), trunk.received("487")
    assert cancelled.values("CSeq") == ["1 CANCEL"]
    assert terminated.values("CSeq") == ["1 INVITE"]
    assert upstream.received("CANCEL")[0].values("Via") == vias(upstream.received("INVITE"))[:1]


def test_a_cancel_after_the_200_has_no_effect(any_route: Scene) -> None:
    """RFC 3261 9.2: the CANCEL is answered 200 and has no effect; none goes upstream."""
    _, upstream = play_both(
        any_route,
        "INVITE; < 100; < 180; < 200; CANCEL; < 200; ACK; BYE; < 200",
        "< INVITE; 180; 200; < ACK; < BYE; 200",
    )
    assert not upstream.received("CANCEL")


def test_a_200_that_crosses_the_cancel_wins(any_route: Scene) -> None:
    """RFC 3261 16.7: a 2xx is forwarded even after a CANCEL; the caller then ends the call."""
    play_both(
        any_route,
        "INVITE; < 100; < 180; CANCEL; < 200; < 200; ACK; BYE; < 200",
        "< INVITE; 180; < CANCEL; 200; 200 INVITE; < ACK; < BYE; 200",
    )
