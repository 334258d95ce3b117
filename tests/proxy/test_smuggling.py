"""No spelling carries an X-Rounded-Call-Id of the caller to the upstream.

A caller with one could reach an agent that was staged for another call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.conversation import ALICE, BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.proxy.target_set import RequestUri
    from sip_stager.sip.message import Request

EVIL = b"evil-agent"
SPELLINGS = {
    "plain": b"X-Rounded-Call-Id: evil-agent",
    "lower case": b"x-rounded-call-id: evil-agent",
    "upper case": b"X-ROUNDED-CALL-ID:evil-agent",
    "a blank ahead of the colon": b"X-Rounded-Call-Id : evil-agent",
    "a tab ahead of the colon": b"X-Rounded-Call-Id\t: evil-agent",
    "blanks and tabs": b"X-Rounded-Call-Id \t \t:\tevil-agent",
    "a folded value": b"X-Rounded-Call-Id:\r\n evil-agent",
    "a value folded twice": b"X-Rounded-Call-Id:\r\n\t\r\n evil-agent",
    "twice": b"X-Rounded-Call-Id: evil-agent\r\nx-rounded-call-id: evil-agent",
    "a list": b"X-Rounded-Call-Id: a, evil-agent",
}
REFUSED = {
    "behind a bare line feed": b"Subject: a\nX-Rounded-Call-Id: evil-agent",
    "behind a bare carriage return": b"Subject: a\rX-Rounded-Call-Id: evil-agent",
}
TAKEN_OFF = {
    "a folded name": b"X-Rounded-Call-Id\r\n : evil-agent",
    "a name folded inside": b"X-Rounded\r\n -Call-Id: evil-agent",
    "a NUL in the name": b"X-Rounded-Call-Id\x00: evil-agent",
    "a vertical tab": b"X-Rounded-Call-Id\x0b: evil-agent",
    "a form feed": b"X-Rounded-Call-Id\x0c: evil-agent",
    "a blank inside": b"X-Rounded-Call -Id: evil-agent",
    "a next line": b"X-Rounded-Call-Id\xc2\x85: evil-agent",
    "no-break space": b"X-Rounded-Call-Id\xc2\xa0: evil-agent",
    "no colon": b"X-Rounded-Call-Id = evil-agent",
    "quotes": b'"X-Rounded-Call-Id": evil-agent',
}
# Spellings that a careless parser might accept: half a line break, any blanks, any case.
LENIENT = re.compile(rb"(?i)(?:^|[\r\n])[^\w:]*x-rounded-call-id[^\w:]*:\s*([^\r\n]*)")


def seen(data: bytes) -> list[bytes]:
    """Return the values that such a parser finds in the header."""
    return LENIENT.findall(data.partition(b"\r\n\r\n")[0])


def placed(message: Request, field: bytes, place: int) -> bytes:
    """Return a request with one more header field."""
    lines = bytes(message).partition(b"\r\n\r\n")[0].split(b"\r\n")
    lines.insert(1 + place % len(lines), field)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def sent_to_bob(edge: Conversation) -> list[bytes]:
    return [data for data, flow in edge.transport.sent if flow.host == BOB.host]


@pytest.mark.parametrize("place", [0, 3, 99])
@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_reaches_the_upstream(name: str, place: int) -> None:
    """RFC 3261 7.3.1: an inbound X-Rounded-Call-Id reaches the upstream in no spelling."""
    edge = Conversation(delay=0.1)
    edge.receive(placed(request(), SPELLINGS[name], place))
    edge.clock.advance(0.2)
    (invite,) = sent_to_bob(edge)
    assert seen(invite) == [b"call-1"]
    assert EVIL not in invite


@pytest.mark.parametrize("name", TAKEN_OFF)
def test_a_field_that_a_lenient_reader_might_take_for_ours_is_removed(name: str) -> None:
    """RFC 3261 16.3: an odd line decides over no message, but none may name a staged call."""
    edge = Conversation(delay=0.1)
    edge.receive(placed(request(), TAKEN_OFF[name], 3))
    edge.clock.advance(0.2)
    (invite,) = sent_to_bob(edge)
    assert seen(invite) == [b"call-1"]
    assert EVIL not in invite
    assert edge.dropped == []


@pytest.mark.parametrize("name", REFUSED)
def test_an_ambiguous_header_is_not_forwarded(name: str) -> None:
    """RFC 3261 7."""
    edge = Conversation(delay=0.1)
    edge.receive(placed(request(), REFUSED[name], 3))
    edge.clock.advance(0.2)
    assert edge.take() == ["alice 400 INVITE"]
    assert EVIL not in edge.transport.sent[0][0]
    assert edge.dropped == ["malformed"]


@given(
    st.lists(
        st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"\r\n", b"\n", b"\r", b":", b"\x00"])
        | st.sampled_from(
            [b"X-Rounded-Call-Id", b"x-rounded-call-ID", b"Subject", b"a", b",", b"\x0b"]
        ),
        max_size=9,
    ),
    st.integers(0, 9),
)
def test_no_combination_of_its_parts_reaches_the_upstream(parts: list[bytes], place: int) -> None:
    edge = Conversation(delay=0.1)
    edge.receive(placed(request(), b"".join([*parts, b": ", EVIL]), place))
    edge.clock.advance(0.2)
    for data in sent_to_bob(edge):
        head = data.partition(b"\r\n\r\n")[0]
        unfolded = re.sub(rb"\r\n[ \t]+", b" ", head)  # a folded line is part of a value
        assert seen(unfolded) == [b"call-1"]


@pytest.mark.parametrize("mode", ["rewrite", "keep", "e164"])
def test_a_header_in_the_request_uri_is_removed(mode: RequestUri) -> None:
    """RFC 4475 3.1.2.11: "the escaped headers must not appear in the Request-URI of the forwarded
    request (and most certainly must not be translated into the actual header ...)"."""
    edge = Conversation(delay=0.1, request_uri=mode)
    edge.receive(request(uri="sip:+33612345678@198.51.100.1?X-Rounded-Call-Id=evil-agent"))
    edge.clock.advance(0.2)
    (invite,) = sent_to_bob(edge)
    assert EVIL not in invite


@pytest.mark.parametrize("method", ["INVITE", "BYE", "ACK"])
@pytest.mark.parametrize("behind", ["", ", <sip:192.0.2.2?X-Rounded-Call-Id=evil-agent>"])
def test_a_header_in_the_request_uri_is_removed_inside_a_dialog(method: str, behind: str) -> None:
    """RFC 3261 16.6 steps 2 and 6: the Request-URI may also come from the Route of a strict
    router.
    """
    edge = Conversation()
    uri = "sip:bob@192.0.2.2?X-Rounded-Call-Id=evil-agent"
    edge.receive(request(method, uri, branch="z9hG4bK-2", to_tag="bob", extra=(ROUTE + behind,)))
    edge.clock.advance(0.1)
    assert [EVIL in data for data in sent_to_bob(edge)] == [False]


def test_bytes_behind_the_body_are_not_a_message() -> None:
    """RFC 3261 18.3: an inbound X-Rounded-Call-Id does not pass behind a body either."""
    edge = Conversation(delay=0.1)
    edge.receive(bytes(request()) + placed(request(branch="z9hG4bK-2"), SPELLINGS["plain"], 3))
    edge.clock.advance(0.2)
    (invite,) = sent_to_bob(edge)
    assert seen(invite) == [b"call-1"]
    assert EVIL not in invite


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "BYE", "REFER", "ACK"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_no_spelling_reaches_the_upstream_inside_a_dialog(method: str, name: str) -> None:
    """RFC 3261 7.3.1: an inbound X-Rounded-Call-Id does not pass in a request of a dialog
    either.
    """
    edge = Conversation()
    later = request(
        method, "sip:bob@192.0.2.2", branch="z9hG4bK-2", cseq=2, to_tag="bob", extra=(ROUTE,)
    )
    edge.receive(placed(later, SPELLINGS[name], 3))
    edge.clock.advance(0.1)
    assert [EVIL in data for data in sent_to_bob(edge)] == [False]


def test_no_spelling_reaches_the_upstream_in_a_cancel() -> None:
    """RFC 3261 7.3.1: an inbound X-Rounded-Call-Id does not pass in a CANCEL either."""
    edge = Conversation(delay=0.1)
    edge.receive(request())
    edge.clock.advance(0.2)
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    reason = b"Reason: SIP\r\n ;cause=200\r\n"
    edge.receive(placed(request("CANCEL"), reason + SPELLINGS["plain"], 3))
    cancel = edge.last_request("bob")
    assert cancel.method == b"CANCEL"
    assert EVIL not in bytes(cancel)
    assert edge.transport.sent[-1][1] in {ALICE, BOB}


# Our own field makes the message larger (RFC 3261 18.1.1)

BOUND = 1300


@pytest.mark.parametrize("size", range(1290, 1311))
def test_a_copy_above_1300_bytes_is_sent_over_tcp_and_reported(size: int) -> None:
    """RFC 3261 18.1.1: "If a request is within 200 bytes of the path MTU, or if it is larger than
    1300 bytes and the path MTU is unknown, the request MUST be sent using an RFC 2914 congestion
    controlled transport protocol, such as TCP."
    """
    edge = Conversation(delay=0.1)
    plain = len(bytes(request(body="x" * 500)))
    edge.receive(request(body="x" * (size - plain + 500)))
    edge.clock.advance(0.2)
    data, flow = edge.transport.sent[-1]
    added = len(data) - size
    assert flow.host == BOB.host
    assert flow.transport == ("TCP" if len(data) > BOUND else "UDP")
    assert data.split(b"\r\n")[1].startswith(b"Via: SIP/2.0/" + flow.transport.encode() + b" ")
    assert added > 0
