"""Requests that cannot be sent (RFC 3261 16.9, 18.4 and 18.1.1)."""

from __future__ import annotations

import pytest

from sip_stager.events import CallEnded, InviteForwarded
from sip_stager.model.call import Policy
from tests.support.calls import answer, called, ended
from tests.support.conversation import BOB, CAROL, ROUTE, Conversation
from tests.support.messages import BODY, request

THREE = ("sip:192.0.2.3", "sip:192.0.2.4")
LARGE = "a" * 1300


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def placed(edge: Conversation, body: str = BODY) -> list[str]:
    """Place a call and stage it; return the messages sent in the same moment."""
    edge.receive(request(body=body))
    edge.stager.stagings[-1].succeed()
    edge.clock.advance(0.02)
    return edge.take()


def outcomes(edge: Conversation) -> list[tuple[str, int]]:
    return [(event.outcome, event.status) for event in edge.of(CallEnded)]


def test_an_invite_that_cannot_be_sent_is_a_503(edge: Conversation) -> None:
    """RFC 3261 16.9: "If the transport layer notifies a proxy of an error when it tries to forward
    a request (see Section 18.4), the proxy MUST behave as if the forwarded request received a 503
    (Service Unavailable) response."

    Our own 503 says that we can serve no call now: the carrier may try elsewhere.
    """
    edge.transport.failing.add("192.0.2.2")
    assert placed(edge) == ["alice 100 INVITE", "alice 503 INVITE"]
    assert outcomes(edge) == [("upstream_unreachable", 503)]
    assert ended(edge)


def test_an_unreachable_upstream_is_refused_with_the_status_of_the_policy() -> None:
    """Some carriers try no other route after a 503; the Warning holds the cause (RFC 3261
    20.43).
    """
    edge = Conversation()
    edge.admission.policy = Policy(refusal=480)
    edge.transport.failing.add("192.0.2.2")
    assert placed(edge) == ["alice 100 INVITE", "alice 480 INVITE"]
    warned = edge.last_response("alice").value(b"warning")
    assert warned == b'399 sip-stager "upstream_unreachable: no upstream can be reached"'
    assert outcomes(edge) == [("upstream_unreachable", 480)]


def test_a_name_without_an_address_is_a_503() -> None:
    """RFC 3261 16.9: there is no address to send it to."""
    edge = Conversation("sip:nowhere.example")
    assert placed(edge) == ["alice 100 INVITE", "alice 503 INVITE"]
    assert outcomes(edge) == [("upstream_unreachable", 503)]
    assert ended(edge)


def test_a_next_hop_without_a_matching_interface_is_a_503() -> None:
    """RFC 3261 16.9."""
    edge = Conversation("sip:[2001:db8::2];transport=tcp")
    assert placed(edge) == ["alice 100 INVITE", "alice 503 INVITE"]


def test_the_next_target_is_tried_at_once_if_one_cannot_be_reached() -> None:
    """RFC 3261 16.6 step 7: "If the client transaction reports failure to send the request or a
    timeout from its state machine, the proxy continues to the next address in that ordered set."
    """
    edge = Conversation("sip:nowhere.example", backups=THREE)
    edge.transport.failing.add("192.0.2.3")
    assert placed(edge) == ["alice 100 INVITE", "dave INVITE"]


def test_503_is_sent_if_no_target_can_be_reached() -> None:
    """RFC 3261 16.7 step 6: "forwarding a 503 means that the proxy knows it cannot service any
    requests".
    """
    edge = Conversation(backups=("sip:nowhere.example", "sip:[2001:db8::2];transport=tcp"))
    edge.transport.failing.add("192.0.2.2")
    assert placed(edge) == ["alice 100 INVITE", "alice 503 INVITE"]
    assert outcomes(edge) == [("upstream_unreachable", 503)]
    assert ended(edge)


def test_a_response_is_preferred_to_unreachable_targets() -> None:
    """RFC 3261 16.7 step 6: "the proxy SHOULD choose from the lowest response class" """
    edge = Conversation(backups=THREE)
    edge.transport.failing |= {"192.0.2.3", "192.0.2.4"}
    invite = called(edge)
    answer(edge, invite, 404)
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 404 INVITE"]


def test_a_re_invite_that_cannot_be_sent_is_a_500(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: a 503 "means that the proxy knows it cannot service any requests, not
    just the one for the Request-URI in the request": here it is one peer that is out of reach.
    """
    edge.transport.failing.add("192.0.2.2")
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]


@pytest.mark.parametrize("gone", ["lost at once", "lost when repeated", "refused later"])
def test_a_later_transport_error_ends_an_unanswered_request(edge: Conversation, gone: str) -> None:
    """RFC 3261 18.4: "If the transport user asks for a message to be sent over an unreliable
    transport, and the result is an ICMP error, the behavior depends on the type of ICMP error.
    Host, network, port or protocol unreachable errors, or parameter problem errors SHOULD cause the
    transport layer to inform the transport user of a failure in sending."
    """
    called(edge)
    if gone == "lost when repeated":
        edge.transport.failing.add("192.0.2.2")
        edge.clock.advance(0.6)
    else:
        edge.clock.advance(3 if gone == "refused later" else 0)
        edge.take()
        edge.layer.flow_lost(BOB, "port unreachable")
    assert edge.take()[-1] == "alice 503 INVITE"
    assert ended(edge)


def test_a_transport_error_of_another_address_ends_nothing(edge: Conversation) -> None:
    """RFC 3261 18.4: only requests to that address have failed."""
    called(edge)
    edge.layer.flow_lost(CAROL, "port unreachable")
    edge.layer.flow_lost(BOB._replace(port=5061), "port unreachable")
    assert edge.take() == []


def test_a_transport_error_ends_no_request_with_a_response(edge: Conversation) -> None:
    """RFC 3261 17.1.1.2, figure 5: a transport error is an input of "Calling" alone."""
    invite = called(edge)
    answer(edge, invite, 180)
    edge.layer.flow_lost(BOB, "port unreachable")
    assert edge.take() == []
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]


def test_a_transport_error_makes_every_call_try_the_next_target() -> None:
    """RFC 3261 16.6 step 7: for all requests that wait for the unreachable target."""
    edge = Conversation(backups=("sip:192.0.2.3",))
    for number in range(3):
        data = bytes(request(branch=f"z9hG4bK-{number}"))
        edge.receive(data.replace(b"call-1@", b"call-%d@" % number))
        edge.stager.stagings[-1].succeed()
    edge.take()
    edge.layer.flow_lost(BOB, "port unreachable")
    assert edge.take() == ["carol INVITE"] * 3
    edge.layer.flow_lost(CAROL, "port unreachable")
    assert edge.take() == []  # a storm of errors costs one search in 50 ms
    edge.clock.advance(0.05)
    assert edge.take() == ["alice 503 INVITE"] * 3


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_response_that_cannot_be_sent_is_dropped_and_cancels_nothing(
    edge: Conversation, status: int
) -> None:
    """RFC 3261 16.9: "If the proxy is notified of an error when forwarding a response, it drops the
    response. The proxy SHOULD NOT cancel any outstanding client transactions associated with this
    response context due to this notification."
    """
    invite = called(edge)
    edge.transport.failing.add("192.0.2.1")
    assert [sent for sent in answer(edge, invite, status) if sent != "bob ACK"] == []
    edge.clock.advance(1)
    edge.layer.flow_lost(edge.transport.sent[0][1], "port unreachable")
    assert edge.take() == []
    edge.transport.failing.clear()
    if status == 180:
        assert answer(edge, invite, 200) == ["alice 200 INVITE"]


# 18.1.1: large requests are sent over TCP if the target accepts it.


def test_a_target_that_refuses_tcp_is_tried_over_udp_at_once(edge: Conversation) -> None:
    """RFC 3261 18.1.1: "If an element sends a request over TCP because of these message size
    constraints, and that request would have otherwise been sent over UDP, if the attempt to
    establish the connection generates either an ICMP Protocol Not Supported, or results in a TCP
    reset, the element SHOULD retry the request, using UDP."
    """
    edge.transport.without_tcp.add("192.0.2.2")
    assert placed(edge, LARGE) == ["alice 100 INVITE", "bob INVITE"]
    assert edge.transport.sent[-1][1].transport == "UDP"
    assert [event.target.transport for event in edge.of(InviteForwarded)] == ["TCP", "UDP"]
    assert answer(edge, edge.last_request("bob"), 200) == ["alice 200 INVITE"]


def test_a_target_that_refused_tcp_is_remembered(edge: Conversation) -> None:
    """RFC 3261 18.1.1: "This is only to provide backwards compatibility with RFC 2543-compliant
    implementations that do not support TCP." They are not asked again for each call.
    """
    edge.transport.without_tcp.add("192.0.2.2")
    placed(edge, LARGE)
    answer(edge, edge.last_request("bob"), 404)
    edge.transport.without_tcp.clear()
    edge.receive(request("BYE", "sip:bob@192.0.2.2", branch="z9hG4bK-bye", to_tag="bob",
                         extra=(ROUTE,), body=LARGE))  # fmt: skip
    assert edge.transport.sent[-1][1].transport == "UDP"
    edge.clock.advance(601)
    edge.receive(request("INFO", "sip:bob@192.0.2.2", branch="z9hG4bK-info", to_tag="bob",
                         extra=(ROUTE,), body=LARGE))  # fmt: skip
    assert edge.transport.sent[-1][1].transport == "TCP"


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_udp_is_tried_once(edge: Conversation, method: str) -> None:
    """RFC 3261 18.1.1: if UDP fails as well, 16.9 applies."""
    edge.transport.failing.add("192.0.2.2")
    if method == "INVITE":
        assert placed(edge, LARGE) == ["alice 100 INVITE", "alice 503 INVITE"]
    else:
        edge.receive(request("BYE", "sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,), body=LARGE))
        edge.clock.advance(0.1)
        assert edge.take() == ["alice 500 BYE"]
    assert ended(edge)


def test_a_target_whose_uri_requires_tcp_is_not_tried_over_udp() -> None:
    """RFC 3261 18.1.1: only what "would have otherwise been sent over UDP" """
    edge = Conversation("sip:192.0.2.2;transport=tcp")
    edge.transport.without_tcp.add("192.0.2.2")
    assert placed(edge) == ["alice 100 INVITE", "alice 503 INVITE"]


def test_a_cancelled_invite_is_not_tried_over_udp(edge: Conversation) -> None:
    """RFC 3261 16.10: a cancelled call is not tried elsewhere."""
    edge.transport.without_tcp.add("192.0.2.2")
    edge.receive(request(body=LARGE))
    edge.stager.stagings[-1].succeed()
    edge.receive(request("CANCEL"))
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]
    assert outcomes(edge) == [("cancelled", 487)]
    assert ended(edge)


def test_a_request_of_a_dialog_that_cannot_be_sent_is_a_500(edge: Conversation) -> None:
    """RFC 3261 16.9 with 16.7 step 6: it counts as a 503, which is passed back as a 500."""
    edge.transport.failing.add("192.0.2.2")
    edge.receive(request("BYE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 500 BYE"]
    edge.receive(request("INFO", "sip:bob@nowhere.example", branch="z9hG4bK-2", to_tag="bob",
                         extra=(ROUTE,)))  # fmt: skip
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 500 INFO"]
    assert ended(edge)
