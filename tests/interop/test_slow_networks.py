"""Networks that lose and delay datagrams, on both sides of us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import vias

if TYPE_CHECKING:
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

# SIPp only recognises a retransmitted request if it sent a single message in response: scripts for
# a lossy network have one response per request, or receive it a second time.
pytestmark = pytest.mark.interop

LOSS = 0.05
T1 = 0.1  # seconds; five retransmissions fit into the duration of a call
# A CANCEL that was retransmitted gets two responses, and SIPp cannot expect the second.
ANSWERED_TWICE = ("-default_behaviors", "all,-abortunexp")


def call_ids(peer: Sipp, method: str) -> list[str]:
    """Return the Call-ID of each message that the peer received with this method."""
    return [each.values("Call-ID")[0] for each in peer.received(method)]


def place(
    scene: Scene, calls: int, caller: str, callee: str, hold: int, *more: str
) -> tuple[Sipp, Sipp]:
    """Place 25 calls per second through lossy relays; all must end as scripted."""
    behind = scene.put_relay_behind(loss=LOSS, seed=2)
    scene.start(t1=T1)
    ahead = scene.put_relay_ahead(loss=LOSS, seed=3)
    # SIPp counts a late CANCEL as a call, so the callee must not end after the hundredth.
    upstream = scene.callee(callee, contact=behind.near, calls=10 * calls)
    options = ("-r", "25", *more)
    trunk = scene.caller(caller, hold=hold, contact=ahead.far, calls=calls, options=options)
    trunk.finish(timeout=40)
    for relay in (ahead, behind):
        assert relay.lost > relay.passed * LOSS / 2
    assert scene.api.stats()["stage_requests"] == calls
    assert_one_id_a_call(upstream, calls)
    return trunk, upstream


def assert_one_id_a_call(callee: Sipp, calls: int) -> None:
    """Assert that all INVITEs of a call have the same staged id, and no other call has it."""
    seen = {
        (each.values("Call-ID")[0], tuple(each.values("X-Rounded-Call-Id")))
        for each in callee.received("INVITE")
    }
    assert len(seen) == calls == len({ids for _, (ids,) in seen})


def test_no_call_is_lost_if_one_datagram_in_twenty_is(scene: Scene) -> None:
    """RFC 3261 17: a lost datagram costs a retransmission and nothing else."""
    trunk, upstream = place(scene, 100, """
        INVITE
        < 100?
        < 200
        ACK
        ~
        BYE
        < 200
        """, """
        < INVITE
        200
        < ACK?
        < BYE
        200
        stay 20000
        """, hold=5000)  # fmt: skip
    assert len(trunk.sent("INVITE")) > 100, "no INVITE was retransmitted"
    assert len(upstream.received("BYE")) > 100, "no BYE was retransmitted"
    assert len(set(call_ids(upstream, "BYE"))) == 100
    assert (
        len(set(call_ids(upstream, "ACK"))) >= 99
    )  # a call may end before its last retransmission


def test_a_cancelled_call_ends_on_both_sides_if_one_datagram_in_twenty_is_lost(
    scene: Scene,
) -> None:
    """RFC 3261 17: a lost datagram does not cost a cancelled call its end."""
    _, upstream = place(scene, 100, """
        INVITE | Supported: 100rel
        < 100?
        < 180
        CANCEL
        < 180?
        < 200?
        < 487
        ACK
        stay 3000
        """, """
        < INVITE
        180 | Require: 100rel | RSeq: 1
        < CANCEL
        200
        487 INVITE
        < CANCEL?
        < ACK
        stay 20000
        """, 0, *ANSWERED_TWICE)  # fmt: skip
    upstream.wait_until(lambda: len(set(call_ids(upstream, "ACK"))) == 100, "ACK of each call")
    assert len(set(call_ids(upstream, "CANCEL"))) == 100


def test_byes_that_cross_are_both_answered(scene: Scene) -> None:
    """RFC 3261 15."""
    scene.start()
    ahead = scene.put_relay_ahead(delay=0.1)
    callee = scene.callee("< INVITE; 200; < ACK; BYE; < BYE; 200; < 200")
    caller = scene.caller(
        "INVITE; < 100; < 200; ACK; ~50; BYE; < BYE; 200; < 200", contact=ahead.far
    )
    caller.finish()
    callee.finish()
    assert len(vias(caller.received("BYE"))) == len(vias(callee.received("BYE"))) == 2
