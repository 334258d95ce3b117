"""Response processing, step by step (RFC 3261 16.7); test_serial_targets.py has the steps with
several targets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.events import CallEnded, CallRinging
from tests.support.calls import answer, called, ended, without_requester
from tests.support.conversation import ALICE_TCP, BOB, ROUTE, Conversation
from tests.support.messages import BODY, request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Response


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def passed(edge: Conversation, status: int, **parts: Any) -> Response:
    """Answer alice's call by bob; return the response that she gets."""
    answer(edge, called(edge), status, **parts)
    return edge.last_response("alice")


# Step 1 is held by tests/transaction/test_matching.py, step 2 by test_timer_c.py.


@pytest.mark.parametrize("status", [180, 200, 486])
def test_our_via_is_removed(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 3: "The proxy removes the topmost Via header field value from the
    response."

    RFC 3261 16.7 step 9: "In particular, the proxy MUST NOT remove any "received" parameter it may
    have added to the next Via header field value while processing the request associated with this
    response."
    """
    edge.receive(request(via="SIP/2.0/UDP pbx.example:5060;rport"))
    edge.stager.stagings[0].succeed()
    answer(edge, edge.last_request("bob"), status)
    assert edge.last_response("alice").values(b"via") == [
        b"SIP/2.0/UDP pbx.example:5060;rport=5060;branch=z9hG4bK-alice-1;received=192.0.2.1"
    ]


def test_our_via_is_removed_if_all_are_in_one_line(edge: Conversation) -> None:
    """RFC 3261 7.3.1: several values of one field may be in one line."""
    came = response(called(edge), 180)
    line = b"Via: " + b", ".join(came.values(b"via"))
    edge.receive(came.without(b"via").with_first(b"via", line), BOB)
    assert edge.last_response("alice").values(b"via") == [
        b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1"
    ]


@pytest.mark.parametrize("other", [b"", b"Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK-another"])
@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_response_without_a_via_behind_ours_is_not_forwarded(
    edge: Conversation, status: int, other: bytes
) -> None:
    """RFC 3261 16.7 step 3: "If no Via header field values remain in the response, the response was
    meant for this element and MUST NOT be forwarded."

    A call that was refused does not hang: it gets a response of our own. For one that was answered
    see test_misdirected_answers.py.
    """
    came = without_requester(response(called(edge), status), other)
    edge.receive(came, BOB)
    own_answer = ["alice 500 INVITE"] if status == 486 else []
    assert [sent for sent in edge.take() if sent.startswith("alice")] == own_answer


def test_a_response_to_our_cancel_is_not_forwarded(edge: Conversation) -> None:
    """RFC 3261 16.7 step 3: "This will happen, for instance, when the element generates CANCEL
    requests"
    """
    answer(edge, called(edge), 180)
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]
    assert answer(edge, edge.last_request("bob"), 200) == []
    assert answer(edge, edge.last_request("bob"), 481) == []


def test_100_is_never_forwarded(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "a stateful proxy MUST NOT forward any 100 (Trying) response." """
    invite = called(edge)
    for _ in range(3):
        assert answer(edge, invite, 100, tag="") == []
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", branch="z9hG4bK-re", to_tag="bob",
                         cseq=2, extra=(ROUTE,)))  # fmt: skip
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    assert answer(edge, edge.last_request("bob"), 100, tag="") == []


def test_every_other_provisional_response_is_forwarded_at_once(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "Until a final response has been sent on the server transaction, the
    following responses MUST be forwarded immediately: Any provisional response other than 100
    (Trying)"

    Those of several forks, of other To tags, are among them, and so are repeated ones (RFC 3262).
    """
    invite = called(edge)
    for status in (101, 180, 181, 182, 183, 199):
        for tag in ("one", "two", "one"):
            assert answer(edge, invite, status, tag=tag) == [f"alice {status} INVITE"]
            assert edge.last_response("alice").to_tag == tag.encode()
    assert [event.status for event in edge.of(CallRinging)] == [180]


def test_a_reliable_provisional_response_and_its_prack_are_forwarded(edge: Conversation) -> None:
    """RFC 3262 1: "PRACK is a normal SIP message, like BYE." Proxies pass it as they pass all, and
    the fields of the reliable response with it.
    """
    reliable = ("Require: 100rel", "RSeq: 813520")
    ringing = passed(edge, 183, extra=reliable, body=BODY)
    assert ringing.value(b"rseq") == b"813520"
    assert ringing.value(b"require") == b"100rel"
    edge.receive(request("PRACK", "sip:bob@192.0.2.2", branch="z9hG4bK-prack", to_tag="bob", cseq=2,
                         extra=(ROUTE, "RAck: 813520 1 INVITE")))  # fmt: skip
    prack = edge.last_request("bob")
    assert prack.value(b"rack") == b"813520 1 INVITE"
    assert edge.take() == ["bob PRACK"]
    assert answer(edge, prack, 200) == ["alice 200 PRACK"]


def test_a_2xx_is_forwarded_at_once(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "Any 2xx response" of those that are to be forwarded immediately."""
    for status in (200, 202, 299):
        edge = Conversation()
        assert answer(edge, called(edge), status) == [f"alice {status} INVITE"]
        assert [event.outcome for event in edge.of(CallEnded)] == ["answered"]
        assert ended(edge)


def test_every_2xx_is_forwarded_of_several_forks_too(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "After a final response has been sent on the server transaction, the
    following responses MUST be forwarded immediately: Any 2xx response to an INVITE request"

    RFC 6026 4: a repeated 2xx is one more of them.
    """
    invite = called(edge)
    for tag in ("one", "one", "two", "one", "three", "two"):
        assert answer(edge, invite, 200, tag=tag) == ["alice 200 INVITE"]
        assert edge.last_response("alice").to_tag == tag.encode()
        edge.clock.advance(5)
    assert len(edge.of(CallEnded)) == 1


@pytest.mark.parametrize("first", [200, 302, 486, 503, 603])
@pytest.mark.parametrize("second", [100, 180, 302, 404, 486, 487, 503, 600])
def test_one_final_response_is_forwarded(edge: Conversation, first: int, second: int) -> None:
    """RFC 3261 16.7 step 5: "a stateful proxy will forward exactly one final response to a
    non-INVITE request, and either exactly one non-2xx response or one or more 2xx responses to an
    INVITE request."
    """
    invite = called(edge)
    answer(edge, invite, first)
    assert [sent for sent in answer(edge, invite, second, tag="two") if "alice" in sent] == []


def test_a_2xx_does_not_follow_another_final_response(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: the caller "could receive a 6xx response followed by a 2xx response,
    which should never be allowed to happen."
    """
    invite = called(edge)
    answer(edge, invite, 603)
    assert answer(edge, invite, 200) == []


@pytest.mark.parametrize("status", [300, 404, 486, 500, 600])
def test_the_only_final_response_is_forwarded(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 6: "A stateful proxy MUST send a final response to a response context's
    server transaction if no final responses have been immediately forwarded by the above rules and
    all client transactions in this response context have been terminated."
    """
    assert answer(edge, called(edge), status) == ["bob ACK", f"alice {status} INVITE"]
    assert edge.last_response("alice").reason == b"Whatever"
    assert [event.outcome for event in edge.of(CallEnded)] == ["rejected"]
    assert ended(edge)


def test_408_is_sent_if_no_target_answers(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "If there are no final responses in the context, the proxy MUST send a
    408 (Request Timeout) response to the server transaction."
    """
    called(edge)
    edge.clock.advance(33)
    assert "alice 408 INVITE" in edge.take()
    assert [event.outcome for event in edge.of(CallEnded)] == ["timeout"]


def test_a_503_of_the_upstream_is_a_500_to_the_caller(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "If the only response that was received is a 503, the proxy SHOULD
    generate a 500 response and forward that upstream."
    """
    assert answer(edge, called(edge), 503, extra=("Retry-After: 60",)) == [
        "bob ACK", "alice 500 INVITE",
    ]  # fmt: skip
    assert edge.last_response("alice").value(b"retry-after") is None
    assert [event.status for event in edge.of(CallEnded)] == [500]


def test_a_503_of_the_upstream_is_passed_if_the_trunk_wants_it(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "A proxy which receives a 503 (Service Unavailable) response SHOULD NOT
    forward it upstream unless it can determine that any subsequent requests it might proxy will
    also generate a 503." The operator may know.
    """
    edge.admission.pass_503 = True
    answer(edge, called(edge), 503, extra=("Retry-After: 60",))
    assert edge.last_response("alice").status == 503
    assert edge.last_response("alice").value(b"retry-after") == b"60"


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_503_in_a_dialog_is_always_a_500(edge: Conversation, method: str) -> None:
    """RFC 3261 16.7 step 6: the settings of trunks do not apply to requests of a dialog."""
    edge.admission.pass_503 = True
    edge.receive(request(method, "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    assert f"alice 500 {method}" in answer(edge, edge.last_request("bob"), 503)


@pytest.mark.parametrize("status", [180, 183, 200])
@pytest.mark.parametrize("tag", ["", "bob"])
def test_to_tags_are_neither_added_nor_changed(edge: Conversation, status: int, tag: str) -> None:
    """RFC 3261 16.7 step 6: "A proxy MUST NOT insert a tag into the To header field of a 1xx or 2xx
    response if the request did not contain one. A proxy MUST NOT modify the tag in the To header
    field of a 1xx or 2xx response."
    """
    assert passed(edge, status, tag=tag).to_tag == tag.encode()


@pytest.mark.parametrize("status", [302, 407, 500, 603])
def test_the_tag_of_a_refusal_is_kept(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 6: "An element SHOULD preserve the To tag when simply forwarding a 3-6xx
    response to a request that did not contain a To tag."
    """
    assert passed(edge, status, tag="bobs-own").to_tag == b"bobs-own"


@pytest.mark.parametrize("status", [180, 200, 486, 503])
def test_a_to_tag_of_the_request_is_in_every_response(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 6: "A proxy MUST NOT modify the To tag in any forwarded response to a
    request that contains a To tag."
    """
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    answer(edge, edge.last_request("bob"), status)
    assert edge.last_response("alice").to_tag == b"bob"


def test_record_route_is_passed_back_unchanged() -> None:
    """RFC 3261 16.7 step 8: "the proxy MAY choose to rewrite the value before forwarding the
    response." It does not: both recorded values are right (RFC 5658).
    """
    edge = Conversation()
    edge.receive(request(via="SIP/2.0/TCP 192.0.2.1:5060"), ALICE_TCP)
    edge.stager.stagings[0].succeed()
    invite = edge.last_request("bob")
    answer(edge, invite, 200)
    assert len(invite.values(b"record-route")) == 2
    assert edge.last_response("alice").values(b"record-route") == invite.values(b"record-route")


@pytest.mark.parametrize("status", [183, 200, 488, 606])
def test_only_our_via_is_removed_from_a_response(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 9: "The proxy MUST NOT add to, modify, or remove the message body. Unless
    otherwise specified, the proxy MUST NOT remove any header field values other than the Via header
    field value discussed in Section 16.7 Item 3."
    """
    odd = ("X-Odd :  kept \t", 'Warning: 304 isi.edu "a, b"\r\n\tand more', "k: timer")
    came = response(called(edge), status, extra=odd, body=BODY)
    edge.receive(came, BOB)
    answer_bytes = next(
        data for data, flow in reversed(edge.transport.sent) if flow.host == "192.0.2.1"
    )
    assert answer_bytes == bytes(came.without_first(b"via"))


def test_a_response_goes_to_the_source_of_the_request(edge: Conversation) -> None:
    """RFC 3261 16.7 step 9: "The proxy MUST pass the response to the server transaction associated
    with the response context."
    """
    edge.receive(request(via="SIP/2.0/TCP 192.0.2.1:5060"), ALICE_TCP)
    edge.stager.stagings[0].succeed()
    answer(edge, edge.last_request("bob"), 180)
    assert edge.transport.sent[-1][1] == ALICE_TCP._replace(port=5060)


def test_an_answered_call_releases_its_requests(edge: Conversation) -> None:
    """RFC 3261 16.7 step 9: for 32 s only the state for a repeated 2xx is kept."""
    invite = called(edge)
    (client,) = edge.layer.invite_clients.values()
    branch: Any = client._user
    answer(edge, invite, 200)
    assert branch._routed is None
    assert branch._client is None
    assert branch._context._branch is None
    assert branch._context._search.tried == []
    assert branch._context._search.left == []


def test_the_context_lives_until_its_transactions_have_ended(edge: Conversation) -> None:
    """RFC 3261 16.7 step 9: "The proxy MUST maintain the response context until all of its
    associated transactions have been terminated, even after forwarding a final response."
    """
    invite = called(edge)
    answer(edge, invite, 200)
    edge.clock.advance(31)
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
    edge.clock.advance(2)
    assert answer(edge, invite, 200) == []
    assert edge.dropped == ["stray_response"]
    assert edge.alive == 0
