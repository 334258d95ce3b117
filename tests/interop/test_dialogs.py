"""What both ends may do in a call, with nobody beside us, and with Kamailio on either side.

Each conversation is written from both ends (``script.py``); SIPp fails when the other end, or a
proxy between them, says anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp
    from tests.interop.trace import Traced

pytestmark = pytest.mark.interop


def play(road: Scene, caller: str, callee: str) -> tuple[Sipp, Sipp]:
    """Play both scripts to their end; the one new call was staged once, and its id came once."""
    before = road.api.stats()["stage_requests"]
    upstream = road.callee(callee)
    trunk = road.caller(caller)
    trunk.finish()
    upstream.finish()
    assert road.api.stats()["stage_requests"] == before + 1
    assert_one_id(upstream)
    assert_same_hops(trunk, upstream)
    return trunk, upstream


def assert_one_id(callee: Sipp) -> None:
    """The INVITE that began the call brought the one id, and nothing else of the call did."""
    requests = [each for each in callee.messages() if not each.sent and each.method.isalpha()]
    ids = [each.values("X-Rounded-Call-Id") for each in requests]
    assert [len(each) for each in ids] == [1] + [0] * (len(ids) - 1)


def assert_same_hops(caller: Sipp, callee: Sipp) -> None:
    """Each proxy put one Via on each request, and took it off the answer."""
    for method in ("PRACK", "UPDATE", "BYE"):
        for request in callee.received(method)[:1]:
            assert len(request.values("Via")) == len(vias(callee.received("INVITE")))
    for answer in caller.received("200"):
        assert len(answer.values("Via")) == 1


def vias(messages: list[Traced]) -> list[str]:
    """Return the Via values of the first message."""
    return messages[0].values("Via") if messages else []


def test_a_call_is_answered_and_ended(road: Scene) -> None:
    play(road, """
        INVITE
        < 100
        < 180
        < 200
        ACK
        BYE
        < 200
        """, """
        < INVITE
        180
        200
        < ACK
        < BYE
        200
        """)  # fmt: skip


def test_early_media_and_ringing_after_it_pass_in_their_order(road: Scene) -> None:
    trunk, _ = play(road, """
        INVITE
        < 100
        < 183
        < 180
        < 183
        < 200
        ACK
        BYE
        < 200
        """, """
        < INVITE
        183
        180
        183
        200
        < ACK
        < BYE
        200
        """)  # fmt: skip
    assert trunk.received("183")[0].body.startswith(b"v=0")


def test_reliable_provisional_responses_are_acknowledged_end_to_end(road: Scene) -> None:
    """RFC 3262: PRACK is an ordinary request to a proxy, in a dialog that is not confirmed yet."""
    trunk, upstream = play(road, """
        INVITE | Supported: 100rel
        < 100
        < 183
        PRACK | RAck: 7 1 INVITE
        < 200
        < 180
        PRACK | RAck: 8 1 INVITE
        < 200
        < 200
        ACK
        BYE
        < 200
        """, """
        < INVITE
        183 | Require: 100rel | RSeq: 7
        < PRACK
        200
        180 INVITE | Require: 100rel | RSeq: 8
        < PRACK
        200
        200 INVITE
        < ACK
        < BYE
        200
        """)  # fmt: skip
    assert [each.values("RSeq") for each in trunk.received("183")] == [["7"]]
    assert [each.values("RAck") for each in upstream.received("PRACK")] == [
        ["7 1 INVITE"],
        ["8 1 INVITE"],
    ]


def test_a_session_is_refreshed_by_update_from_either_end(road: Scene) -> None:
    """RFC 4028 and RFC 3311; a proxy may leave Session-Expires as it is (RFC 4028 8.1)."""
    trunk, upstream = play(road, """
        INVITE | Supported: timer | Session-Expires: 1800;refresher=uac
        < 100
        < 200
        ACK
        UPDATE | Supported: timer | Session-Expires: 1800;refresher=uac
        < 200
        < UPDATE
        200 | Require: timer | Session-Expires: 1800;refresher=uas
        < BYE
        200
        """, """
        < INVITE
        200 | Require: timer | Session-Expires: 1800;refresher=uac
        < ACK
        < UPDATE
        200 | Require: timer | Session-Expires: 1800;refresher=uac
        UPDATE | Supported: timer | Session-Expires: 1800;refresher=uac
        < 200
        BYE
        < 200
        """)  # fmt: skip
    for message in (upstream.received("INVITE")[0], upstream.received("UPDATE")[0]):
        assert message.values("Session-Expires") == ["1800;refresher=uac"]
    assert trunk.received("UPDATE")[0].values("Session-Expires") == ["1800;refresher=uac"]


def test_an_agent_transfers_its_caller_by_refer_and_is_notified(road: Scene) -> None:
    """RFC 3515: REFER in the dialog, and the NOTIFYs of the subscription that it makes."""
    play(road, """
        INVITE
        < 100
        < 200
        ACK
        < REFER
        202
        NOTIFY | Event: refer | Subscription-State: active
        < 200
        NOTIFY | Event: refer | Subscription-State: terminated;reason=noresource
        < 200
        < BYE
        200
        """, """
        < INVITE
        200
        < ACK
        REFER | Refer-To: <sip:+33987654321@192.0.2.1> | Referred-By: <sip:bob@192.0.2.2>
        < 202
        < NOTIFY
        200
        < NOTIFY
        200
        BYE
        < 200
        """)  # fmt: skip


def test_the_callee_changes_the_call_by_a_reinvite(road: Scene) -> None:
    trunk, _ = play(road, """
        INVITE
        < 100
        < 180
        < 200
        ACK
        < INVITE
        180
        200
        < ACK
        < BYE
        200
        """, """
        < INVITE
        180
        200
        < ACK
        INVITE
        < 100
        < 180
        < 200
        ACK
        BYE
        < 200
        """)  # fmt: skip
    assert trunk.received("INVITE")[0].values("X-Rounded-Call-Id") == []


def test_the_caller_changes_the_call_by_a_reinvite(road: Scene) -> None:
    _, upstream = play(road, """
        INVITE
        < 100
        < 200
        ACK
        INVITE
        < 100
        < 200
        ACK
        BYE
        < 200
        """, """
        < INVITE
        200
        < ACK
        < INVITE
        200
        < ACK
        < BYE
        200
        """)  # fmt: skip
    assert len(upstream.received("INVITE")) == 2


def test_a_late_cancel_ends_a_call_that_rings(road: Scene) -> None:
    trunk, upstream = play(road, """
        INVITE
        < 100
        < 180
        CANCEL
        < 200
        < 487
        ACK
        """, """
        < INVITE
        180
        < CANCEL
        200
        487 INVITE
        < ACK
        """)  # fmt: skip
    (cancelled,), (terminated,) = trunk.received("200"), trunk.received("487")
    assert cancelled.values("CSeq") == ["1 CANCEL"]
    assert terminated.values("CSeq") == ["1 INVITE"]
    assert upstream.received("CANCEL")[0].values("Via") == vias(upstream.received("INVITE"))[:1]


def test_a_cancel_that_comes_after_the_200_changes_nothing(road: Scene) -> None:
    """RFC 3261 9.2: the CANCEL is answered 200 and has no effect; none goes upstream."""
    _, upstream = play(road, """
        INVITE
        < 100
        < 180
        < 200
        CANCEL
        < 200
        ACK
        BYE
        < 200
        """, """
        < INVITE
        180
        200
        < ACK
        < BYE
        200
        """)  # fmt: skip
    assert not upstream.received("CANCEL")


def test_a_200_that_crosses_the_cancel_wins(road: Scene) -> None:
    """RFC 3261 16.7: a 2xx is passed on whatever was asked meanwhile; the caller ends the call."""
    play(road, """
        INVITE
        < 100
        < 180
        CANCEL
        < 200
        < 200
        ACK
        BYE
        < 200
        """, """
        < INVITE
        180
        < CANCEL
        200
        200 INVITE
        < ACK
        < BYE
        200
        """)  # fmt: skip


@pytest.mark.parametrize("status", ["486", "603"])
def test_a_callees_refusal_reaches_the_caller_and_is_acknowledged_by_each_hop(
    road: Scene, status: str
) -> None:
    _, upstream = play(road, f"""
        INVITE
        < 100
        < {status}
        ACK
        """, f"""
        < INVITE
        {status}
        < ACK
        """)  # fmt: skip
    assert len(vias(upstream.received("ACK"))) == 1
