"""Requests of both ends within a dialog, without and with Kamailio on either side.

Each call is written as a script of both ends (``script.py``); SIPp fails if the other end or a
proxy between them sends anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import play_both

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


def test_a_call_is_answered_and_ended(any_route: Scene) -> None:
    play_both(
        any_route,
        "INVITE; < 100; < 180; < 200; ACK; BYE; < 200",
        "< INVITE; 180; 200; < ACK; < BYE; 200",
    )


def test_a_session_is_refreshed_by_update_from_either_end(any_route: Scene) -> None:
    """RFC 3311, RFC 4028 8.1: a proxy passes UPDATE, and may leave Session-Expires as it is."""
    ours, theirs = (f"Session-Expires: 1800;refresher={end}" for end in ("uac", "uas"))
    trunk, upstream = play_both(
        any_route,
        f"""
        INVITE | Supported: timer | {ours}; < 100; < 200; ACK
        UPDATE | Supported: timer | {ours}; < 200
        < UPDATE; 200 | Require: timer | {theirs}
        < BYE; 200
        """,
        f"""
        < INVITE; 200 | Require: timer | {ours}; < ACK
        < UPDATE; 200 | Require: timer | {ours}
        UPDATE | Supported: timer | {ours}; < 200
        BYE; < 200
        """,
    )
    for message in (upstream.received("INVITE")[0], upstream.received("UPDATE")[0]):
        assert message.values("Session-Expires") == ["1800;refresher=uac"]
    assert trunk.received("UPDATE")[0].values("Session-Expires") == ["1800;refresher=uac"]


def test_an_agent_transfers_its_caller_by_refer_and_is_notified(any_route: Scene) -> None:
    """RFC 3515: REFER in the dialog, and the NOTIFYs of the subscription that it makes."""
    play_both(
        any_route,
        """
        INVITE; < 100; < 200; ACK
        < REFER; 202
        NOTIFY | Event: refer | Subscription-State: active; < 200
        NOTIFY | Event: refer | Subscription-State: terminated;reason=noresource; < 200
        < BYE; 200
        """,
        """
        < INVITE; 200; < ACK
        REFER | Refer-To: <sip:+33987654321@192.0.2.1> | Referred-By: <sip:bob@192.0.2.2>; < 202
        < NOTIFY; 200
        < NOTIFY; 200
        BYE; < 200
        """,
    )


def test_the_callee_changes_the_call_by_a_reinvite(any_route: Scene) -> None:
    """RFC 3261 14: a re-INVITE of the callee changes the call."""
    trunk, _ = play_both(
        any_route,
        """
        INVITE; < 100; < 180; < 200; ACK
        < INVITE; 180; 200; < ACK
        < BYE; 200
        """,
        """
        < INVITE; 180; 200; < ACK
        INVITE; < 100; < 180; < 200; ACK
        BYE; < 200
        """,
    )
    assert trunk.received("INVITE")[0].values("X-Rounded-Call-Id") == []


def test_the_caller_changes_the_call_by_a_reinvite(any_route: Scene) -> None:
    _, upstream = play_both(
        any_route,
        "INVITE; < 100; < 200; ACK; INVITE; < 100; < 200; ACK; BYE; < 200",
        "< INVITE; 200; < ACK; < INVITE; 200; < ACK; < BYE; 200",
    )
    assert len(upstream.received("INVITE")) == 2
