"""INVITEs around the size at which UDP must be replaced by TCP, and far above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import ANSWERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

pytestmark = pytest.mark.interop

AROUND = range(1290, 1311)  # bytes; the limit is 1300 (RFC 3261 18.1.1)
HUGE = 3000
CALLER = "INVITE | Subject: [field0]; < 100; < 200; ACK; BYE; < 200"


def place(scene: Scene, folder: Path, subjects: list[int]) -> Sipp:
    """Place one call per length of the Subject, one after another; return the caller."""
    rows = folder / "subjects.csv"
    rows.write_text("\n".join(["SEQUENTIAL", *("x" * length for length in subjects), ""]))
    caller = scene.caller(
        CALLER, calls=len(subjects), options=("-inf", str(rows), "-l", "1", "-r", "1000")
    )
    caller.finish()
    return caller


def sizes(peer: Sipp) -> set[int]:
    """Return the sizes of the INVITEs that a peer received, in bytes."""
    return {len(each.data) for each in peer.received("INVITE")}


def test_invites_of_every_size_arrive_over_udp_if_tcp_is_refused(
    scene: Scene, tmp_path: Path
) -> None:
    """RFC 3261 18.1.1: from 1301 bytes on TCP is tried first, and refused."""
    scene.start(upstream_transport="")
    callee = scene.callee(ANSWERS, calls=1)
    place(scene, tmp_path, [1])
    callee.finish()
    (smallest,) = sizes(callee)
    # The tenth call is several bytes larger: its number has two digits in several places.
    subjects = [size - smallest + 1 for size in (*range(AROUND[0] - 15, AROUND[-1] + 6), HUGE)]
    callee = scene.callee(ANSWERS, calls=len(subjects))
    caller = place(scene, tmp_path, subjects)
    callee.finish()
    assert sizes(callee) > set(AROUND)
    assert max(sizes(callee)) >= HUGE
    assert scene.api.stats()["stage_requests"] == len(subjects) + 1
    for sent, received in zip(caller.sent("INVITE"), callee.received("INVITE"), strict=True):
        assert "/UDP " in received.values("Via")[0]
        assert received.values("Subject") == sent.values("Subject")


def test_a_large_invite_goes_over_tcp_if_the_upstream_accepts_it(
    scene: Scene, tmp_path: Path
) -> None:
    """RFC 3261 18.1.1: a large INVITE takes TCP."""
    scene.start(upstream_transport="")
    callee = scene.callee(ANSWERS, transport="tcp")
    place(scene, tmp_path, [HUGE])
    callee.finish()
    (invite,) = callee.received("INVITE")
    assert "/TCP " in invite.values("Via")[0]
    assert ";transport=tcp" in invite.values("Record-Route")[0]
