"""A whole call as a conversation: alice calls, bob answers, either hangs up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.events import CallEnded, CallRefused, CallRinging, InviteForwarded
from sip_stager.sip.parser import parse
from tests.support.conversation import (
    ALICE,
    ALICE_TCP,
    BOB,
    ROUTE,
    STRANGER,
    USER,
    Conversation,
)
from tests.support.messages import BODY, request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

WITHOUT_CALL_ID = (
    b"INVITE sip:a@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCSeq: 1 INVITE\r\n\r\n"
)


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def staged(edge: Conversation, **parts: object) -> None:
    """Bring a call to where bob has the INVITE."""
    edge.receive(request(body=BODY, **parts))  # type: ignore[arg-type]
    edge.stager.stagings[-1].succeed()
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]


def answered(edge: Conversation) -> str:
    """Bring a call to where it is answered and acknowledged; give the route of alice's side."""
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


def test_an_invite_is_answered_100_at_once_and_nothing_goes_on_before_it_is_staged(
    edge: Conversation,
) -> None:
    edge.receive(request())
    assert edge.take() == ["alice 100 INVITE"]
    assert edge.stager.stagings[0].call.to_number == "+33612345678"


def test_a_staged_invite_goes_on_with_its_call_id(edge: Conversation) -> None:
    staged(edge)
    invite = edge.last_request("bob")
    assert invite.values(b"x-rounded-call-id") == [b"call-1"]
    assert invite.uri_text == b"sip:+33612345678@192.0.2.2:5060"
    assert invite.value(b"max-forwards") == b"69"
    assert invite.body == BODY.encode()
    assert [type(event) for event in edge.of(InviteForwarded)] == [InviteForwarded]


def test_responses_go_back_without_our_via(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 100), BOB)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.receive(response(edge.last_request("bob"), 200, body=BODY), BOB)
    (_, ringing), (_, ok) = edge.messages()
    assert (
        ringing.values(b"via")
        == ok.values(b"via")
        == [b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1"]
    )
    assert ok.body == BODY.encode()
    assert len(edge.of(CallRinging)) == 1
    assert [event.outcome for event in edge.of(CallEnded)] == ["answered"]


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


def test_cancel_while_staging_stops_it_and_nothing_goes_upstream(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]
    assert edge.stager.stagings[0].cancelled
    edge.receive(request("ACK"))
    edge.clock.advance(40)
    assert edge.take() == []
    assert edge.alive == 0


def test_a_repeated_cancel_gets_the_same_answer(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(request("CANCEL"))
    first = bytes(edge.transport.sent[1][0])
    edge.take()
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL"]
    assert edge.transport.sent[-1][0] == first


def test_cancel_of_a_ringing_call_goes_on_and_its_487_comes_back(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    invite = edge.last_request("bob")
    edge.receive(request("CANCEL", extra=('Reason: SIP;cause=200;text="elsewhere"',)))
    assert edge.take() == ["alice 180 INVITE", "alice 200 CANCEL", "bob CANCEL"]
    cancel = edge.last_request("bob")
    assert cancel.top_via == invite.top_via
    assert cancel.uri_text == invite.uri_text
    assert cancel.value(b"reason") == b'SIP;cause=200;text="elsewhere"'
    edge.receive(response(cancel, 200), BOB)
    edge.receive(response(invite, 487), BOB)
    assert edge.take() == ["bob ACK", "alice 487 INVITE"]
    assert [event.outcome for event in edge.of(CallEnded)] == ["cancelled"]


def test_cancel_waits_for_the_first_provisional_response(edge: Conversation) -> None:
    staged(edge)
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL"]
    edge.receive(response(edge.last_request("bob"), 100, tag=""), BOB)
    assert edge.take() == ["bob CANCEL"]


def test_a_cancelled_call_that_never_ends_is_given_up(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.receive(request("CANCEL"))
    edge.clock.advance(33)
    assert "alice 487 INVITE" in edge.take()
    edge.clock.advance(40)
    assert edge.alive == 0


def test_a_200_that_crosses_the_cancel_wins(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    invite = edge.last_request("bob")
    edge.receive(request("CANCEL"))
    edge.receive(response(invite, 200), BOB)
    assert edge.take() == [
        "alice 180 INVITE", "alice 200 CANCEL", "bob CANCEL", "alice 200 INVITE",
    ]  # fmt: skip


def test_cancel_after_the_answer_is_answered_and_goes_no_further(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 INVITE", "alice 200 CANCEL"]


def test_cancel_of_nothing_is_answered_481(edge: Conversation) -> None:
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 481 CANCEL"]


def test_a_refusal_is_acknowledged_hop_by_hop(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 486), BOB)
    assert edge.take() == ["bob ACK", "alice 486 INVITE"]
    edge.receive(request("ACK", to_tag="bob"))
    assert edge.take() == []


def test_a_repeated_200_is_passed_back_each_time(edge: Conversation) -> None:
    staged(edge)
    invite = edge.last_request("bob")
    for _ in range(3):
        edge.receive(response(invite, 200), BOB)
    assert edge.take() == ["alice 200 INVITE"] * 3


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
def test_a_process_that_never_saw_the_dialog_serves_it(method: str) -> None:
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


def test_a_call_id_in_a_request_of_a_dialog_is_removed_too(edge: Conversation) -> None:
    extra = (ROUTE, "X-Rounded-Call-Id: forged")
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", extra=extra))
    assert b"forged" not in edge.transport.sent[-1][0]


def test_tcp_in_and_udp_out_are_both_recorded_and_popped_together(edge: Conversation) -> None:
    edge.receive(request(via="SIP/2.0/TCP 192.0.2.1:5060"), ALICE_TCP)
    edge.stager.stagings[0].succeed()
    routes = edge.last_request("bob").values(b"record-route")
    assert routes == [
        f"<sip:{USER}@198.51.100.1:5060;lr>".encode(),
        f"<sip:{USER}@198.51.100.1:5060;transport=tcp;lr>".encode(),
    ]
    both = b", ".join(routes).decode()
    edge.receive(
        request(
            "BYE",
            "sip:alice@192.0.2.1;transport=tcp",
            branch="z9hG4bK-bob",
            via="SIP/2.0/UDP 192.0.2.2:5060",
            to_tag="alice",
            extra=(f"Route: {both}",),
        ),
        BOB,
    )
    data, flow = edge.transport.sent[-1]
    assert data.startswith(b"BYE")
    assert b"\r\nRoute:" not in data
    assert (flow.transport, flow.host, flow.interface) == ("TCP", "192.0.2.1", 1)


@pytest.mark.parametrize(
    "spelled",
    ["X-Rounded-Call-Id: forged", "x-rounded-call-id : forged", "X-ROUNDED-CALL-ID:\r\n forged",
     "X-Rounded-Call-Id:forged\r\nX-Rounded-Call-Id:\tagain"],
)  # fmt: skip
def test_an_inbound_call_id_is_removed_however_it_is_spelled(
    edge: Conversation, spelled: str
) -> None:
    staged(edge, extra=(spelled,))
    data = edge.transport.sent[-1][0]
    assert data.lower().count(b"x-rounded-call-id") == 1
    assert b"forged" not in data


def test_a_call_that_could_not_be_staged_is_refused_with_its_reason(edge: Conversation) -> None:
    edge.receive(request())
    edge.stager.stagings[0].fail()
    assert edge.take() == ["alice 100 INVITE", "alice 503 INVITE"]
    refusal = edge.last_response("alice")
    assert refusal.value(b"retry-after") == b"5"
    assert refusal.value(b"warning") == b'399 sip-stager "over_time: too \\"slow\\""'
    assert refusal.to.tag
    assert [event.cause for event in edge.of(CallRefused)] == ["over_time"]


def test_max_forwards_is_begun_where_it_is_missing(edge: Conversation) -> None:
    staged(edge, max_forwards=None)
    assert edge.last_request("bob").value(b"max-forwards") == b"70"


def test_an_upstream_that_can_not_be_reached_is_answered_503(edge: Conversation) -> None:
    edge.transport.failing.add("192.0.2.2")
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 100 INVITE", "alice 503 INVITE"]
    assert [event.outcome for event in edge.of(CallEnded)] == ["unreachable"]


def test_an_upstream_that_never_answers_is_answered_408_and_nothing_stays(
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


def test_an_upstream_with_a_name_is_looked_up() -> None:
    edge = Conversation("sip:upstream.example:5070")
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    edge.clock.advance(0.1)
    data, flow = edge.transport.sent[-1]
    assert (flow.host, flow.port) == ("192.0.2.2", 5070)
    assert data.startswith(b"INVITE sip:+33612345678@upstream.example:5070 SIP/2.0\r\n")


def test_a_name_without_an_address_is_answered_503() -> None:
    edge = Conversation("sip:nowhere.example")
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    edge.clock.advance(0.1)
    assert edge.take() == ["alice 100 INVITE", "alice 503 INVITE"]


def test_cancel_during_the_look_up_ends_the_call() -> None:
    edge = Conversation("sip:upstream.example")
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    edge.receive(request("CANCEL"))
    edge.clock.advance(0.4)
    assert edge.take() == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]


def test_the_request_uri_stays_where_the_operator_wants_it() -> None:
    edge = Conversation(rewrite=False)
    staged(edge)
    assert edge.last_request("bob").uri_text == b"sip:+33612345678@198.51.100.1"


def test_what_is_not_ours_goes_through_byte_for_byte(edge: Conversation) -> None:
    odd = (
        "sUbJeCt:   several   spaces\t",
        "X-Folded: one\r\n\ttwo\r\n   three",
        "k: timer,100rel",
        "Identity: abc;info=<https://example.com>",
        'P-Asserted-Identity: "\u00e9t\u00e9" <tel:+33>',
    )
    staged(edge, extra=odd)
    data = edge.transport.sent[-1][0]
    assert "\r\n".join(odd).encode() in data


def test_received_and_rport_say_where_a_request_came_from(edge: Conversation) -> None:
    edge.receive(request(via="SIP/2.0/UDP pbx.example:5062;rport"), ALICE._replace(port=6666))
    data, flow = edge.transport.sent[0]
    assert flow.port == 6666
    assert (
        b"Via: SIP/2.0/UDP pbx.example:5062;rport=6666;branch=z9hG4bK-alice-1;received=192.0.2.1"
        in data
    )


def test_without_rport_a_response_goes_to_the_port_of_sent_by(edge: Conversation) -> None:
    edge.receive(request(via="SIP/2.0/UDP pbx.example:5062"), ALICE._replace(port=6666))
    data, flow = edge.transport.sent[0]
    assert (flow.host, flow.port) == ("192.0.2.1", 5062)
    assert b";received=192.0.2.1\r\n" in data


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
def test_a_keepalive_over_udp_is_no_malformed_message(edge: Conversation, data: bytes) -> None:
    edge.receive(data)
    assert edge.take() == []
    assert edge.dropped == ["keepalive"]


def test_a_response_to_nothing_is_dropped(edge: Conversation) -> None:
    edge.receive(response(request(), 200), BOB)
    assert edge.take() == []
    assert edge.dropped == ["stray_response"]


def test_timer_c_ends_what_rings_for_ever(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(100)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(180)
    assert "alice 408 INVITE" not in edge.take()
    edge.clock.advance(2)
    assert edge.take()[0] == "bob CANCEL"
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    edge.clock.advance(33)
    assert "alice 408 INVITE" in edge.take()
    edge.clock.advance(80)
    assert edge.alive == 0


def rung_out(edge: Conversation) -> Request:
    """Bring a call to where timer C has ended it; give the INVITE that bob has."""
    staged(edge)
    invite = edge.last_request("bob")
    edge.receive(response(invite, 180), BOB)
    edge.clock.advance(182)
    assert edge.take()[-1] == "bob CANCEL"
    return invite


def test_the_487_to_timer_cs_cancel_is_a_408_to_the_caller(edge: Conversation) -> None:
    edge.receive(response(rung_out(edge), 487), BOB)
    assert edge.take() == ["bob ACK", "alice 408 INVITE"]


def test_a_200_that_crosses_timer_cs_cancel_wins(edge: Conversation) -> None:
    edge.receive(response(rung_out(edge), 200), BOB)
    assert edge.take() == ["alice 200 INVITE"]


def test_a_header_that_can_not_be_read_leaves_nothing_behind(edge: Conversation) -> None:
    edge.receive(request("OPTIONS", extra=('Proxy-Require: "a,b',)), STRANGER)
    assert edge.take() == ["stranger 400 OPTIONS"]
    edge.clock.advance(40)
    assert edge.alive == 0


def test_a_mistake_of_ours_is_answered_500_and_leaves_nothing_behind(
    edge: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.stager, "start", lambda call, done: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        edge.receive(request())
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]
    edge.clock.advance(40)
    assert edge.alive == 0


def test_an_ack_without_a_branch_is_forwarded(edge: Conversation) -> None:
    ack = request("ACK", "sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,))
    edge.receive(bytes(ack).replace(b";branch=z9hG4bK-alice-1", b""))
    assert edge.take() == ["bob ACK"]


def test_a_request_uri_that_is_kept_carries_no_headers_upstream() -> None:
    edge = Conversation(rewrite=False)
    staged(edge, uri="sip:+33612345678@198.51.100.1?X-Rounded-Call-Id=forged")
    assert edge.last_request("bob").uri_text == b"sip:+33612345678@198.51.100.1"


def test_a_refusal_without_to_is_acknowledged_with_the_invites(edge: Conversation) -> None:
    staged(edge)
    edge.receive(response(edge.last_request("bob"), 486).without(b"to"), BOB)
    assert edge.take()[0] == "bob ACK"
    ack = next(parse(data) for data, _ in edge.transport.sent if data.startswith(b"ACK"))
    assert ack.value(b"to") == b"<sip:+33612345678@198.51.100.1>"


def test_a_to_that_can_not_be_read_is_answered_400(edge: Conversation) -> None:
    edge.receive(bytes(request()).replace(b"To: <sip", b'To: "open <sip'))
    assert edge.take() == ["alice 400 INVITE"]


def test_a_mistake_of_ours_about_a_cancel_leaves_nothing_behind(
    edge: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.proxy, "_answer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 500 CANCEL"]
    edge.clock.advance(40)
    assert edge.alive == 0
