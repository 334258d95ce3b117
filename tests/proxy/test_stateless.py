"""Stateless forwarding of ACKs, and stray responses (RFC 3261 16.11 and RFC 6026)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.calls import answer, called
from tests.support.conversation import BOB, ROUTE, Conversation
from tests.support.messages import BODY, request, response


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def ack(branch: str = "z9hG4bK-ack", **parts: Any) -> bytes:
    """Return the ACK of a 2xx."""
    parts = {"branch": branch, "to_tag": "bob", "extra": (ROUTE,), **parts}
    return bytes(request("ACK", "sip:bob@192.0.2.2", **parts))


@pytest.mark.parametrize("status", [100, 180, 200, 299, 302, 486, 603])
@pytest.mark.parametrize("method", ["INVITE", "BYE", "CANCEL"])
def test_a_stray_response_is_not_forwarded(edge: Conversation, status: int, method: str) -> None:
    """RFC 6026 7.3: "When receiving any SIP response, a transaction-stateful proxy MUST compare the
    transaction identifier in that response against its existing transaction state machines. The
    proxy MUST NOT forward the response if there is no matching transaction state machine."
    """
    edge.receive(response(request(method), status), BOB)
    through_us = response(request(method), status).with_first(
        b"via", b"Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-of-another-life"
    )
    edge.receive(through_us, BOB)
    assert edge.take() == []
    assert edge.dropped == ["stray_response"] * 2


def test_a_2xx_after_the_end_of_its_transaction_is_not_forwarded(edge: Conversation) -> None:
    """RFC 6026 7.3: the caller does not wait for it any more."""
    invite = called(edge)
    answer(edge, invite, 200)
    edge.clock.advance(33)
    assert answer(edge, invite, 200) == []
    assert edge.dropped == ["stray_response"]


def test_the_ack_of_a_2xx_is_forwarded_without_state(edge: Conversation) -> None:
    """RFC 3261 16.11: "As a result, stateless proxies do not retransmit messages on their own. They
    do, however, forward all retransmissions they receive".
    """
    for _ in range(3):
        edge.receive(ack())
        assert edge.take() == ["bob ACK"]
    assert edge.alive == 0
    edge.clock.advance(60)
    assert edge.take() == []


def test_a_repeated_ack_is_the_same_message(edge: Conversation) -> None:
    """RFC 3261 16.11: "Thus for a stateless proxy, the branch parameter MUST be computed as a
    combinatoric function of message parameters which are invariant on retransmission."

    RFC 3261 16.11: "In particular, a retransmitted request MUST be forwarded to the same
    destination each time it is processed."
    """
    for branch in ("z9hG4bK-ack", "no-cookie"):
        edge.receive(ack(branch))
        edge.receive(ack(branch))
        assert edge.transport.sent[-1] == edge.transport.sent[-2]


def test_the_branches_of_two_acks_differ(edge: Conversation) -> None:
    """RFC 3261 16.11: "The requirement for unique branch IDs across space and time applies to
    stateless proxies as well."
    """
    for one in (ack("z9hG4bK-one"), ack("z9hG4bK-two"), ack(via="SIP/2.0/UDP 192.0.2.9"),
                ack("no-cookie"), ack("no-cookie", via="SIP/2.0/UDP 192.0.2.9")):  # fmt: skip
        edge.receive(one)
    branches = [message.branch for _, message in edge.messages()]
    assert len(set(branches)) == 5
    assert all(branch.startswith(b"z9hG4bK") for branch in branches)


def test_an_ack_is_forwarded_in_the_steps_of_16_6(edge: Conversation) -> None:
    """RFC 3261 16.11: "A stateless proxy MUST follow the request processing steps described in
    Section 16.6" with some exceptions: hops counted, our Via ahead, our Route popped, the body
    kept.
    """
    edge.receive(ack(body=BODY))
    sent = edge.last_request("bob")
    assert sent.value(b"max-forwards") == b"69"
    assert len(sent.values(b"via")) == 2
    assert b"route" not in sent.names
    assert b"record-route" not in sent.names
    assert sent.body == BODY.encode()


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ((b"Max-Forwards: 70", b"Max-Forwards: 0"), "stray_ack"),
        ((b"call-1@", b"call-2@"), "stray_ack"),
        ((ROUTE.encode() + b"\r\n", b""), "stray_ack"),
        ((ROUTE.encode(), b'Route: "<sip:a'), "malformed"),
    ],
)
def test_an_invalid_ack_is_dropped_and_never_answered(
    edge: Conversation, fault: tuple[bytes, bytes], cause: str
) -> None:
    """RFC 3261 16.11: "A stateless proxy MUST validate a request as described in Section 16.3"; an
    ACK has no response (17).
    """
    assert fault[0] in ack()
    edge.receive(ack().replace(*fault))
    assert edge.take() == []
    assert edge.dropped == [cause]


def test_the_ack_of_a_refusal_is_not_forwarded(edge: Conversation) -> None:
    """RFC 3261 17: the ACK of a refusal is hop by hop; RFC 6026: that of a 2xx is forwarded."""
    answer(edge, called(edge), 486)
    edge.receive(request("ACK", to_tag="bob"))
    edge.receive(request("ACK", to_tag="bob"))
    assert edge.take() == []


def test_an_invite_is_never_forwarded_without_state(edge: Conversation) -> None:
    """RFC 3261 16.11: "when handling a request statelessly, an element MUST NOT generate its own
    100 (Trying) or any other provisional response." An INVITE gets its 100 and so has its state.
    """
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    assert edge.alive == 2
