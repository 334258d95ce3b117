"""A whole call as a conversation: alice calls, bob answers, either hangs up."""

from __future__ import annotations

import pytest

from sip_stager.events import CallRefused, InviteForwarded
from tests.support.conversation import (
    ALICE,
    BOB,
    ROUTE,
    STRANGER,
    Conversation,
)
from tests.support.messages import BODY, request, response

WITHOUT_CALL_ID = (
    b"INVITE sip:a@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCSeq: 1 INVITE\r\n\r\n"
)


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def staged(edge: Conversation, **parts: object) -> None:
    """Stage a call and forward its INVITE to bob."""
    edge.receive(request(body=BODY, **parts))  # type: ignore[arg-type]
    edge.stager.stagings[-1].succeed()
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]


def answered(edge: Conversation) -> str:
    """Place a call that bob answers and alice acknowledges; return the route of alice's side."""
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    route = edge.last_response("alice").values(b"record-route")
    edge.receive(
        request(
            "ACK",
            "sip:bob@192.0.2.2",
            branch="z9hG4bK-ack",
            to_tag="bob",
            extra=(f"Route: {route[0].decode()}",),
        )
    )
    assert edge.take() == ["alice 200 INVITE", "bob ACK"]
    return route[0].decode()


def test_an_invite_gets_a_100_at_once_and_is_held_until_staged(
    edge: Conversation,
) -> None:
    """RFC 3261 17.2.1: "The server transaction MUST generate a 100 (Trying) response unless it
    knows that the TU will generate a provisional or final response within 200 ms": the proxy sends
    it at once.
    """
    edge.receive(request())
    assert edge.take() == ["alice 100 INVITE"]
    assert edge.stager.stagings[0].call.to_number == "+33612345678"


def test_a_staged_invite_is_forwarded_with_its_staged_id(edge: Conversation) -> None:
    staged(edge)
    invite = edge.last_request("bob")
    assert invite.values(b"x-rounded-call-id") == [b"call-1"]
    assert invite.uri_text == b"sip:+33612345678@192.0.2.2:5060"
    assert invite.value(b"max-forwards") == b"69"
    assert invite.body == BODY.encode()
    assert [type(event) for event in edge.of(InviteForwarded)] == [InviteForwarded]


def test_an_invite_repeated_while_staging_is_staged_once_and_forwarded_once(
    edge: Conversation,
) -> None:
    for _ in range(4):
        edge.receive(request())
    assert edge.take() == ["alice 100 INVITE"] * 4
    assert len(edge.stager.stagings) == 1
    edge.stager.stagings[0].succeed()
    edge.receive(request())
    assert edge.take() == ["bob INVITE", "alice 100 INVITE"]


def test_bye_goes_through_record_route_in_both_directions(edge: Conversation) -> None:
    route = answered(edge)
    edge.receive(
        request(
            "BYE",
            "sip:bob@192.0.2.2",
            branch="z9hG4bK-bye",
            to_tag="bob",
            cseq=2,
            extra=(f"Route: {route}",),
        )
    )
    bye = edge.last_request("bob")
    assert bye.uri_text == b"sip:bob@192.0.2.2"
    assert b"route" not in bye.names
    edge.receive(response(bye, 200), BOB)
    assert edge.take() == ["bob BYE", "alice 200 BYE"]
    edge.receive(
        request(
            "BYE",
            "sip:alice@192.0.2.1",
            via="SIP/2.0/UDP 192.0.2.2:5060",
            branch="z9hG4bK-bob",
            to_tag="alice",
            extra=(f"Route: {route}",),
        ),
        BOB,
    )
    assert edge.take() == ["alice BYE"]


@pytest.mark.parametrize("method", ["BYE", "UPDATE", "PRACK", "INFO", "REFER", "INVITE", "NOTIFY"])
def test_a_dialog_survives_a_restart(method: str) -> None:
    fresh = Conversation()
    fresh.receive(
        request(
            method,
            "sip:bob@192.0.2.2",
            to_tag="bob",
            cseq=2,
            extra=(ROUTE,),
        )
    )
    fresh.receive(response(fresh.last_request("bob"), 200), BOB)
    sent = fresh.take()
    assert sent[-2:] == [f"bob {method}", f"alice 200 {method}"]
    assert not fresh.stager.stagings


def test_an_inbound_staged_id_is_removed_within_a_dialog_too(edge: Conversation) -> None:
    extra = (ROUTE, "X-Rounded-Call-Id: forged")
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", extra=extra))
    assert b"forged" not in edge.transport.sent[-1][0]


@pytest.mark.parametrize(
    "spelled",
    ["X-Rounded-Call-Id: forged", "x-rounded-call-id : forged", "X-ROUNDED-CALL-ID:\r\n forged",
     "X-Rounded-Call-Id:forged\r\nX-Rounded-Call-Id:\tagain"],
)  # fmt: skip
def test_an_inbound_staged_id_is_removed_in_every_spelling(
    edge: Conversation, spelled: str
) -> None:
    staged(edge, extra=(spelled,))
    data = edge.transport.sent[-1][0]
    assert data.lower().count(b"x-rounded-call-id") == 1
    assert b"forged" not in data


PAI = "P-Asserted-Identity: <sip:+33912345678@carrier>"


def test_an_anonymous_caller_is_identified_to_no_upstream(edge: Conversation) -> None:
    """RFC 3325 7: in the INVITE that begins a call and in later requests of its dialog."""
    edge.admission.anonymous.add(ALICE.host)
    staged(edge, extra=(PAI,))
    assert b"p-asserted-identity" not in edge.last_request("bob").names
    for method in ("INVITE", "UPDATE"):
        edge.receive(request(method, "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE, PAI)))
        relayed = edge.last_request("bob")
        assert relayed.method == method.encode()
        assert b"p-asserted-identity" not in relayed.names


def test_a_call_that_could_not_be_staged_is_refused_with_its_reason(edge: Conversation) -> None:
    edge.receive(request())
    edge.clock.advance(1.96)
    edge.stager.stagings[0].fail()
    assert edge.take() == ["alice 100 INVITE", "alice 480 INVITE"]
    refusal = edge.last_response("alice")
    assert b"retry-after" not in refusal.names
    said = b"timeout: the agent could not be staged, 2.0 s"
    assert refusal.value(b"warning") == b'399 sip-stager "%b"' % said
    assert refusal.to.tag
    assert [event.cause for event in edge.of(CallRefused)] == ["timeout"]


def test_a_silent_upstream_is_a_408_and_leaves_no_state(
    edge: Conversation,
) -> None:
    staged(edge)
    edge.clock.advance(33)
    sent = edge.take()
    assert sent.count("bob INVITE") == 6
    assert "alice 408 INVITE" in sent
    edge.clock.advance(200)
    assert edge.alive == 0
    assert edge.clock.waiting == 0


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (WITHOUT_CALL_ID, ["alice 400 INVITE"]),
        (b"\x00\x01\x02", []),
        (b"GARBAGE\r\n\r\n", []),
        (b"INVITE sip:a@b SIP/2.0\r\nVia: nonsense\r\n\r\n", []),
    ],
)  # fmt: skip
def test_malformed_input_is_dropped_or_answered_400(
    edge: Conversation, data: bytes, answer: list[str]
) -> None:
    edge.receive(data)
    assert edge.take() == answer
    assert edge.dropped == ["malformed"]
    assert edge.alive == 0


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\0\0\0\0", b"\r\n"])
def test_a_keepalive_over_udp_is_not_counted_as_malformed(edge: Conversation, data: bytes) -> None:
    edge.receive(data)
    assert edge.take() == []
    assert edge.dropped == ["keepalive"]


def test_an_unreadable_header_field_leaves_no_state(edge: Conversation) -> None:
    edge.receive(request("OPTIONS", extra=('Proxy-Require: "a,b',)), STRANGER)
    assert edge.take() == ["stranger 400 OPTIONS"]
    edge.clock.advance(40)
    assert edge.alive == 0


def test_an_unreadable_to_is_answered_400(edge: Conversation) -> None:
    edge.receive(bytes(request()).replace(b"To: <sip", b"To: <sip:b@c>, <sip"))
    assert edge.take() == ["alice 400 INVITE"]
