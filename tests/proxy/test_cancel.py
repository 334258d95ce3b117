"""RFC 3261 9.1, 9.2 and 16.10: a caller's CANCEL, and those that we send for it."""

from __future__ import annotations

import pytest

from sip_stager.events import CallEnded
from tests.support.calls import answer, called, cancelled, ended
from tests.support.conversation import BOB, CAROL, ROUTE, Conversation
from tests.support.messages import request, response


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def outcomes(edge: Conversation) -> list[str]:
    return [event.outcome for event in edge.of(CallEnded)]


# 9.1: the CANCEL that is forwarded; tests/transaction/test_hop_by_hop.py has its contents.


def test_a_ringing_call_is_cancelled_and_ends_with_the_487_of_the_upstream(
    edge: Conversation,
) -> None:
    """RFC 3261 16.10: "A proxy MUST cancel any pending client transactions associated with a
    response context when it receives a matching CANCEL request."

    RFC 3261 16.10: "the element MUST generate CANCEL requests for all pending client transactions
    in the context as described in Section 16.7 step 10."
    """
    invite = called(edge)
    answer(edge, invite, 180)
    assert cancelled(edge) == ["alice 200 CANCEL", "bob CANCEL"]
    cancel = edge.last_request("bob")
    assert cancel.values(b"via") == [invite.values(b"via")[0]]
    assert cancel.uri_text == invite.uri_text
    assert answer(edge, cancel, 200) == []
    assert answer(edge, invite, 487) == ["bob ACK", "alice 487 INVITE"]
    assert outcomes(edge) == ["cancelled"]
    assert ended(edge)


@pytest.mark.parametrize("status", [100, 180])
def test_a_cancel_waits_for_the_first_provisional_response(edge: Conversation, status: int) -> None:
    """RFC 3261 9.1: "If no provisional response has been received, the CANCEL request MUST NOT be
    sent; rather, the client MUST wait for the arrival of a provisional response before sending the
    request."
    """
    invite = called(edge)
    assert cancelled(edge) == ["alice 200 CANCEL"]
    edge.clock.advance(10)
    assert set(edge.take()) == {"bob INVITE"}
    tag = "" if status == 100 else "bob"
    assert answer(edge, invite, status, tag=tag)[0] == "bob CANCEL"
    assert answer(edge, invite, 487) == ["bob ACK", "alice 487 INVITE"]


@pytest.mark.parametrize("status", [200, 404, 487, 603])
def test_an_invite_with_a_final_response_is_not_cancelled(edge: Conversation, status: int) -> None:
    """RFC 3261 9.1: "If the original request has generated a final response, the CANCEL SHOULD NOT
    be sent, as it is an effective no-op"
    """
    invite = called(edge)
    cancelled(edge)
    assert "bob CANCEL" not in answer(edge, invite, status)
    edge.clock.advance(1)
    assert edge.last_response("alice").status == status


def test_a_cancel_goes_where_the_invite_went() -> None:
    """RFC 3261 9.1: "The destination address, port, and transport for the CANCEL MUST be identical
    to those used to send the original request."
    """
    edge = Conversation("sip:192.0.2.2:5070;transport=tcp")
    invite = called(edge)
    where = edge.transport.sent[-1][1]
    answer(edge, invite, 180)
    assert cancelled(edge) == ["alice 200 CANCEL", "bob CANCEL"]
    assert edge.transport.sent[-1][1] == where
    assert (where.transport, where.port) == ("TCP", 5070)


def test_the_reason_of_a_cancel_is_forwarded_once(edge: Conversation) -> None:
    """RFC 3326 2: a Reason in a CANCEL gives the callee the cause, such as an answer elsewhere."""
    answer(edge, called(edge), 180)
    reasons = ('Reason: SIP;cause=200;text="elsewhere"', "Reason: Q.850 ;cause=16")
    edge.receive(request("CANCEL", extra=reasons))
    assert tuple(row.decode() for row in edge.last_request("bob").rows(b"reason")) == reasons
    edge.take()
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL"]


def test_a_cancelled_invite_without_an_end_is_abandoned_after_64_t1(edge: Conversation) -> None:
    """RFC 3261 9.1: "If there is no final response for the original request in 64*T1 seconds
    [...], the client SHOULD then consider the original transaction cancelled and SHOULD destroy
    the client transaction handling the original request."
    """
    invite = called(edge)
    answer(edge, invite, 180)
    cancelled(edge)
    edge.clock.advance(31)
    assert set(edge.take()) == {"bob CANCEL"}
    assert answer(edge, invite, 183) == ["alice 183 INVITE"]
    edge.clock.advance(2)
    assert "alice 487 INVITE" in edge.take()
    assert answer(edge, invite, 200) == []
    assert outcomes(edge) == ["cancelled"]
    assert ended(edge)


def test_a_cancelled_invite_without_any_response_ends_with_487(edge: Conversation) -> None:
    """RFC 3261 9.1: timer B ends an INVITE for which no CANCEL could be sent."""
    called(edge)
    cancelled(edge)
    edge.clock.advance(33)
    assert edge.take()[-1] == "alice 487 INVITE"
    assert outcomes(edge) == ["cancelled"]
    assert ended(edge)


# 9.2: the responses to a CANCEL.


def test_a_cancel_without_a_match_is_answered_481(edge: Conversation) -> None:
    """RFC 3261 9.2: "If the UAS did not find a matching transaction for the CANCEL according to the
    procedure above, it SHOULD respond to the CANCEL with a 481 (Call Leg/Transaction Does Not
    Exist)."
    """
    assert cancelled(edge) == ["alice 481 CANCEL"]
    called(edge)
    edge.receive(request("CANCEL", branch="z9hG4bK-alice-2"))
    assert edge.take() == ["alice 481 CANCEL"]
    edge.receive(request("CANCEL", via="SIP/2.0/UDP 192.0.2.7:5060"))
    assert edge.take() == ["alice 481 CANCEL"]


@pytest.mark.parametrize("status", [200, 404])
def test_a_cancel_after_the_final_response_has_no_effect(edge: Conversation, status: int) -> None:
    """RFC 3261 9.2: "If it has, the CANCEL request has no effect on the processing of the original
    request, no effect on any session state, and no effect on the responses generated for the
    original request."

    RFC 3261 9.2: "Regardless of the method of the original request, as long as the CANCEL matched
    an existing transaction, the UAS answers the CANCEL request itself with a 200 (OK) response."
    """
    invite = called(edge)
    answer(edge, invite, status)
    assert cancelled(edge) == ["alice 200 CANCEL"]
    again = answer(edge, invite, status)
    assert again == (["alice 200 INVITE"] if status == 200 else ["bob ACK"])
    assert outcomes(edge) == ["answered" if status == 200 else "rejected"]


def test_a_call_that_is_being_staged_ends_at_once_with_487(edge: Conversation) -> None:
    """RFC 3261 9.2: "If the original request was an INVITE, the UAS SHOULD immediately respond to
    the INVITE with a 487 (Request Terminated)."

    No request was forwarded yet, so the proxy is the UAS, and forwards none later.
    """
    edge.receive(request())
    assert cancelled(edge) == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]
    assert edge.stager.stagings[0].cancelled
    edge.receive(request("ACK"))
    assert outcomes(edge) == ["cancelled"]
    assert ended(edge)
    assert edge.take() == []


def test_a_cancel_right_after_staging_reaches_the_upstream(
    edge: Conversation,
) -> None:
    """RFC 3261 9.1, 9.2: whichever came first, the INVITE is followed by its CANCEL."""
    invite = called(edge)
    assert cancelled(edge) == ["alice 200 CANCEL"]
    assert answer(edge, invite, 100, tag="") == ["bob CANCEL"]


def test_a_cancel_is_answered_at_once_whatever_the_upstream_does(edge: Conversation) -> None:
    """RFC 3261 16.10: "If a matching response context is found, the element MUST immediately return
    a 200 (OK) response to the CANCEL request."
    """
    called(edge)
    edge.transport.failing.add("192.0.2.2")
    assert cancelled(edge) == ["alice 200 CANCEL"]


def test_a_repeated_cancel_gets_the_same_200(edge: Conversation) -> None:
    """RFC 3261 16.10: "While a CANCEL request is handled in a stateful proxy by its own server
    transaction, a new response context is not created for it."
    """
    answer(edge, called(edge), 180)
    cancelled(edge)
    first = next(data for data, _ in edge.transport.sent if b"CSeq: 1 CANCEL" in data)
    for _ in range(3):
        assert cancelled(edge) == ["alice 200 CANCEL"]
        assert edge.transport.sent[-1][0] == first


@pytest.mark.parametrize("heard", ["nothing", "staging", "100", "180", "404", "180 after it"])
def test_the_200_and_the_487_have_the_same_to_tag(edge: Conversation, heard: str) -> None:
    """RFC 3261 9.2: "the To tag of the response to the CANCEL and the To tag in the response to the
    original request SHOULD be the same."
    """
    if heard == "staging":
        edge.receive(request())
    else:
        invite = called(edge)
        if heard.isdigit():
            answer(edge, invite, int(heard), tag="" if heard == "100" else "bob")
    cancelled(edge)
    if heard == "180 after it":
        answer(edge, invite, 180)
    edge.clock.advance(40)
    final, ok = (
        next(m for m in to_alice(edge) if m.startswith(line))
        for line in (b"SIP/2.0 4", b"SIP/2.0 200")
    )
    assert to_of(final) == to_of(ok)
    assert b";tag=" in to_of(ok)


def to_alice(edge: Conversation) -> list[bytes]:
    return [data for data, flow in edge.transport.sent if flow.host == "192.0.2.1"]


def to_of(data: bytes) -> bytes:
    return next(line for line in data.split(b"\r\n") if line.startswith(b"To:"))


def test_require_and_proxy_require_in_a_cancel_are_ignored(edge: Conversation) -> None:
    """RFC 3261 8.2.2.3: "Note that Require and Proxy-Require MUST NOT be used in a SIP CANCEL
    request [...]. These header fields MUST be ignored if they are present in these requests."
    """
    called(edge)
    extra = ("Require: 100rel", "Proxy-Require: foo")
    edge.receive(request("CANCEL", extra=extra, max_forwards="0"))
    assert edge.take() == ["alice 200 CANCEL"]


# 16.10, and messages that cross on the way.


def test_a_2xx_that_crosses_the_cancel_wins(edge: Conversation) -> None:
    """RFC 3261 16.7 step 10: "200 (OK) responses on more than one branch may be generated before
    the CANCEL requests can be sent and processed." One may come on the only branch, too.
    """
    invite = called(edge)
    answer(edge, invite, 180)
    cancelled(edge)
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
    assert answer(edge, edge.last_request("bob"), 481) == []
    assert outcomes(edge) == ["answered"]
    assert ended(edge)


@pytest.mark.parametrize(("status", "told"), [(486, 486), (408, 408), (503, 500), (603, 603)])
def test_a_refusal_that_crosses_the_cancel_is_passed_back(
    edge: Conversation, status: int, told: int
) -> None:
    """RFC 3261 16.7 step 6: "Otherwise, the proxy MUST forward a response from the responses stored
    in the response context." A 503 is none that is forwarded, then as ever.
    """
    invite = called(edge)
    answer(edge, invite, 180)
    cancelled(edge)
    assert answer(edge, invite, status) == ["bob ACK", f"alice {told} INVITE"]
    assert outcomes(edge) == ["cancelled"]


def test_provisional_responses_are_passed_back_after_the_cancel(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "Until a final response has been sent [...]: Any provisional response
    other than 100 (Trying)"
    """
    invite = called(edge)
    answer(edge, invite, 180)
    cancelled(edge)
    assert answer(edge, invite, 183) == ["alice 183 INVITE"]
    assert edge.take() == []


def test_no_redirection_is_followed_after_the_cancel() -> None:
    """RFC 3261 16.10: a cancelled call is not tried elsewhere."""
    edge = Conversation(redirects=3)
    invite = called(edge)
    answer(edge, invite, 180)
    cancelled(edge)
    assert answer(edge, invite, 302) == ["bob ACK", "alice 302 INVITE"]


@pytest.mark.parametrize("order", ["cancel first", "timer first"])
def test_no_other_target_is_tried_after_the_cancel(order: str) -> None:
    """RFC 3261 16.10: a cancelled call is not tried elsewhere."""
    edge = Conversation(backups=("sip:192.0.2.3", "sip:192.0.2.4"))
    called(edge)
    if order == "cancel first":
        assert cancelled(edge) == ["alice 200 CANCEL"]
        edge.clock.advance(2)
        assert "carol INVITE" not in edge.take()
    else:
        edge.clock.advance(2)
        assert "carol INVITE" in edge.take()
        assert cancelled(edge) == ["alice 200 CANCEL"]
    edge.clock.advance(40)
    sent = edge.take()
    assert "dave INVITE" not in sent
    assert sent.count("alice 487 INVITE") > 0
    assert outcomes(edge) == ["cancelled"]


def test_a_cancel_while_the_second_target_is_tried_cancels_that() -> None:
    """RFC 3261 16.10: "A proxy MUST cancel any pending client transactions" """
    edge = Conversation(backups=("sip:192.0.2.3", "sip:192.0.2.4"))
    assert answer(edge, called(edge), 404) == ["bob ACK", "carol INVITE"]
    invite = edge.last_request("carol")
    assert answer(edge, invite, 180, CAROL) == ["alice 180 INVITE"]
    assert cancelled(edge) == ["alice 200 CANCEL", "carol CANCEL"]
    assert answer(edge, invite, 487, CAROL) == ["carol ACK", "alice 487 INVITE"]
    assert outcomes(edge) == ["cancelled"]
    assert ended(edge)


def test_a_cancel_during_the_look_up_ends_the_call() -> None:
    """RFC 3261 9.2: no request was forwarded, so the proxy answers 487 as a UAS."""
    edge = Conversation("sip:upstream.example")
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    assert cancelled(edge) == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]
    edge.receive(request("ACK"))
    assert ended(edge)
    assert edge.take() == []


def test_a_re_invite_is_cancelled_too(edge: Conversation) -> None:
    """RFC 3261 14.1, 16.10: a request of a dialog may be cancelled as well, from either side."""
    parts = {"to_tag": "bob", "cseq": 2}
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", extra=(ROUTE,), **parts))  # type: ignore[arg-type]
    invite = edge.last_request("bob")
    edge.take()
    answer(edge, invite, 180)
    edge.receive(request("CANCEL", "sip:bob@192.0.2.2", **parts))  # type: ignore[arg-type]
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]
    edge.receive(response(invite, 487), BOB)
    assert edge.take() == ["bob ACK", "alice 487 INVITE"]
