"""INVITEs around the size where UDP is no longer the right transport, and far above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import ANSWERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

pytestmark = pytest.mark.interop

AROUND = range(1290, 1311)  # bytes: RFC 3261 18.1.1 draws the line at 1300
HUGE = 3000
CALLER = "INVITE | Subject: [field0]; < 100; < 200; ACK; BYE; < 200"


def place(scene: Scene, folder: Path, subjects: list[int]) -> Sipp:
    """Place a call with a subject of each length, one after the other; return the caller."""
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


def test_invites_of_every_size_arrive_over_udp_where_there_is_no_tcp(
    scene: Scene, tmp_path: Path
) -> None:
    """RFC 3261 18.1.1: from 1301 bytes on TCP is tried first, and refused."""
    scene.start(upstream_transport="")
    callee = scene.callee(ANSWERS, calls=1)
    place(scene, tmp_path, [1])
    callee.finish()
    (least,) = sizes(callee)
    # The tenth call is larger by more than one byte: its number stands in several places.
    subjects = [size - least + 1 for size in (*range(AROUND[0] - 15, AROUND[-1] + 6), HUGE)]
    callee = scene.callee(ANSWERS, calls=len(subjects))
    caller = place(scene, tmp_path, subjects)
    callee.finish()
    assert sizes(callee) > set(AROUND)
    assert max(sizes(callee)) >= HUGE
    assert scene.api.stats()["stage_requests"] == len(subjects) + 1
    for sent, received in zip(caller.sent("INVITE"), callee.received("INVITE"), strict=True):
        assert "/UDP " in received.values("Via")[0]
        assert received.values("Subject") == sent.values("Subject")


def test_a_large_invite_takes_tcp_where_the_upstream_speaks_it(
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
