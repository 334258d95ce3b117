"""Provisional responses of the callee, without and with Kamailio on either side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import play_both

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


def test_early_media_and_ringing_are_forwarded_in_order(any_route: Scene) -> None:
    """RFC 3261 16.7: 183 and 180 are forwarded in order."""
    trunk, _ = play_both(
        any_route,
        "INVITE; < 100; < 183; < 180; < 183; < 200; ACK; BYE; < 200",
        "< INVITE; 183; 180; 183; 200; < ACK; < BYE; 200",
    )
    assert trunk.received("183")[0].body.startswith(b"v=0")


def test_reliable_provisional_responses_are_acknowledged_end_to_end(any_route: Scene) -> None:
    """RFC 3262: PRACK is an ordinary request to a proxy, in a dialog that is not confirmed yet."""
    trunk, upstream = play_both(
        any_route,
        """
        INVITE | Supported: 100rel; < 100
        < 183; PRACK | RAck: 7 1 INVITE; < 200
        < 180; PRACK | RAck: 8 1 INVITE; < 200
        < 200; ACK
        BYE; < 200
        """,
        """
        < INVITE
        183 | Require: 100rel | RSeq: 7; < PRACK; 200
        180 INVITE | Require: 100rel | RSeq: 8; < PRACK; 200
        200 INVITE; < ACK
        < BYE; 200
        """,
    )
    assert [each.values("RSeq") for each in trunk.received("183")] == [["7"]]
    acknowledged = [each.values("RAck") for each in upstream.received("PRACK")]
    assert acknowledged == [["7 1 INVITE"], ["8 1 INVITE"]]
