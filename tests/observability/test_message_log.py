"""At level debug the messages of calls are shown, and no secret is."""

from __future__ import annotations

import logging

import pytest

from sip_stager.sip.parser import parse
from tests.observability.test_call_ended import CALLED, CALLER, Logged, later
from tests.support.calls import answer, called
from tests.support.conversation import ALICE, USER
from tests.support.messages import request, response

SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\na=crypto:1 AES inline:SECRET\r\nm=audio 4000 RTP\r\n"
)


def shown(logged: Logged, event: str = "message_received") -> str:
    """Return all messages in one text."""
    return "\n".join(line["message"] for line in logged.lines(event))


def debugging(numbers: str = "masked") -> Logged:
    return Logged(numbers=numbers, level=logging.DEBUG)  # type: ignore[arg-type]


def test_the_messages_of_a_call_are_shown_in_both_directions() -> None:
    logged = debugging()
    invite = called(logged.edge)
    answer(logged.edge, invite, 486)
    starts = [line["message"].split("\r\n")[0] for line in logged.lines("message_")]
    assert starts == [
        "INVITE sip:+336******78@198.51.100.1 SIP/2.0",
        "SIP/2.0 100 Trying",
        "INVITE sip:+336******78@192.0.2.2:5060 SIP/2.0",
        "SIP/2.0 486 Whatever",
        "ACK sip:+336******78@192.0.2.2:5060 SIP/2.0",
        "SIP/2.0 486 Whatever",
    ]
    lines = logged.lines("message_")
    assert {line["call_id"] for line in lines} == {"call-1@192.0.2.1"}
    assert lines[0]["peer"] == "udp:192.0.2.1:5060"


def test_no_message_is_shown_at_level_info() -> None:
    logged = Logged()
    called(logged.edge)
    assert logged.lines("message_") == []


def test_keepalives_are_no_messages_of_calls() -> None:
    logged = debugging()
    logged.edge.receive(request("OPTIONS", "sip:198.51.100.1"))
    assert logged.lines("message_") == []


@pytest.mark.parametrize("numbers", ["masked", "plain"])
def test_no_secret_is_shown(numbers: str) -> None:
    logged = debugging(numbers)
    extra = (
        "Proxy-Authorization: Digest response=SECRET",
        "Authorization: Digest response=SECRET",
        "Identity: SECRET",
        "Content-Type: application/sdp",
    )
    logged.edge.receive(request(extra=extra, body=SDP))
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(0.1)
    answer(logged.edge, logged.edge.last_request("bob"), 200)
    logged.edge.receive(later("BYE"))
    text = shown(logged, "message_")
    assert "SECRET" not in text
    assert "m=audio 4000 RTP" in text
    assert "a=crypto:***" in text
    assert USER not in text
    assert "X-Rounded-Call-Id: call-1" in text


def test_numbers_are_masked_wherever_they_are() -> None:
    logged = debugging()
    extra = (
        "P-Asserted-Identity: <tel:+33-9-12-34-56-78>",
        'Diversion: "0912345678" <sip:0912345678@192.0.2.1>',
        "X-Caller: 0912345678",
    )
    logged.edge.receive(request(extra=extra))
    text = shown(logged)
    for digits in (CALLER[1:], CALLED[1:], "0912345678", "12-34-56"):
        assert digits not in text
    assert "Via: SIP/2.0/UDP 192.0.2.1:5060" in text
    assert "Contact: <sip:alice@192.0.2.1>" in text


def test_plain_numbers_are_shown() -> None:
    logged = debugging("plain")
    logged.edge.receive(request())
    assert f'From: "Alice" <sip:{CALLER}@192.0.2.1>;tag=alice' in shown(logged)


@pytest.mark.parametrize("numbers", ["masked", "plain"])
def test_a_caller_who_requests_privacy_is_shown_in_no_message_of_the_call(numbers: str) -> None:
    logged = debugging(numbers)
    extra = ("Privacy: id", f"P-Asserted-Identity: <sip:{CALLER}@192.0.2.1>")
    logged.edge.receive(request(extra=extra))
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(0.1)
    answer(logged.edge, logged.edge.last_request("bob"), 200)
    logged.edge.receive(later("BYE", 2, f"P-Asserted-Identity: <sip:{CALLER}@192.0.2.1>"))
    text = shown(logged, "message_")
    assert CALLER[1:] not in text
    assert "+339" not in text
    assert "Alice" not in text
    assert "P-Asserted-Identity: ***" in text


def test_a_body_that_is_not_sdp_is_not_shown() -> None:
    logged = debugging()
    extra = ("Content-Type: application/pidf+xml",)
    logged.edge.receive(request(extra=extra, body="<position/>"))
    assert "(11 bytes that are not SDP)" in shown(logged)
    assert "position" not in shown(logged)


def test_a_long_message_is_cut() -> None:
    logged = debugging()
    logged.edge.receive(request(extra=tuple(f"X-{n}: {'y' * 90}" for n in range(100))))
    assert len(shown(logged)) < 5000


def test_a_retransmission_is_shown_as_one() -> None:
    logged = debugging()
    called(logged.edge)
    logged.edge.clock.advance(1)
    assert "INVITE" in shown(logged, "message_retransmitted")


def test_an_unreadable_response_is_no_reason_to_stop() -> None:
    logged = debugging()
    odd = bytes(response(request(), 180)).replace(b"CSeq: 1 INVITE", b"CSeq: what")
    logged.edge.receive(odd, ALICE)
    assert parse(odd) is not None
