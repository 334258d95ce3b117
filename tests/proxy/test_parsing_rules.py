"""The responses of the core to messages that the parsing rules reject or accept (RFC 3261 7, 16.3,
18.3).
"""

from __future__ import annotations

import pytest

from sip_stager.sip.field_grammar import MAX_VALUES
from sip_stager.sip.framing import Framer
from sip_stager.sip.parser import MAX_HEADER_LINES
from sip_stager.sip.uri import MAX_URI_BYTES
from tests.support.conversation import ALICE, ALICE_TCP, BOB, ROUTE, Conversation
from tests.support.messages import BODY, request, response
from tests.support.reading import parsed

FORWARDED = ["alice 100 INVITE", "bob INVITE"]


def outcome(*edits: tuple[bytes, bytes]) -> list[str]:
    """Send alice's INVITE with edits, each of which must apply; return the messages sent."""
    edge = Conversation(delay=0.1, request_uri="keep")
    data = bytes(request(body=BODY))
    for found, written in edits:
        assert data.count(found) == 1, found
        data = data.replace(found, written)
    edge.receive(data)
    edge.clock.advance(0.2)
    sent = edge.take()
    edge.clock.advance(400)
    assert (edge.alive, edge.clock.waiting) == (0, 0)
    return sent


CONTACT = b"Contact: <sip:alice@192.0.2.1>"
URI = b"INVITE sip:+33612345678@198.51.100.1 "
TOO_LARGE = ["alice 513 INVITE"]
LIMITS = {
    "lines": (
        CONTACT,
        b"\r\n".join([b"A: 1"] * (MAX_HEADER_LINES - 12)),
        b"\r\nA: 1" * 6,
        TOO_LARGE,
    ),
    "folds": (CONTACT, b"A: 1" + b"\r\n 1" * (MAX_HEADER_LINES - 13), b"\r\n 1" * 6, TOO_LARGE),
    "values of Route": (
        *(CONTACT, b"Route: " + b",".join([b"<sip:a;lr>"] * (MAX_VALUES + 1)), b",<sip:a;lr>"),
        ["alice 400 INVITE"],
    ),
    "values of Via": (
        *(CONTACT, b"A: " + b"," * 5000, b"\r\nVia: " + b"," * 5000),
        ["alice 100 INVITE", "bob INVITE"],
    ),
    "values of the top Via": (
        *(b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1", b"Via: SIP/2.0/UDP h"),
        *(b"," * (MAX_VALUES + 1), []),
    ),
    "parameters of the top Via": (
        *(b";branch=z9hG4bK-alice-1", b";branch=z9hG4bK-alice-1" + b";a" * (MAX_VALUES - 1)),
        *(b";a", ["alice 400 INVITE"]),
    ),
    "parameters of From": (
        *(b";tag=alice", b";tag=alice" + b";a" * (MAX_VALUES - 1)),
        *(b";a", ["alice 400 INVITE"]),
    ),
    "the Request-URI": (
        *(URI, b"INVITE sip:+33612345678@198.51.100.1;" + b"a" * (MAX_URI_BYTES - 30)),
        *(b"a", ["alice 414 INVITE"]),
    ),
    "the URI of From": (
        *(b'"Alice" <sip:+33912345678@192.0.2.1', b"<sip:h;" + b"a" * (MAX_URI_BYTES - 6)),
        *(b"a", ["alice 400 INVITE"]),
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_message_beyond_the_limits_is_answered_or_dropped(name: str) -> None:
    """Beyond the RFCs: a message above the limits is answered, or dropped if finding the address of
    the response would be too costly.
    """
    found, longest, more, answer = LIMITS[name]
    blank = b" " if found is URI else b""
    if name != "values of the top Via":
        assert outcome((found, longest + blank)) == FORWARDED
    assert outcome((found, longest + more + blank)) == answer


def test_field_names_match_in_any_case_and_in_compact_form() -> None:
    """RFC 3261 7.3.1: "When comparing header fields, field names are always case-insensitive";
    7.3.3.
    """
    short = [(b"Via:", b"V :"), (b"From:", b"f\t:"), (b"To:", b"T:"), (b"Call-ID:", b"I:")]
    rest = [(b"CSeq:", b"cSEQ:"), (b"Contact:", b"m:"), (b"Content-Length:", b"l:")]
    assert outcome(*short, *rest, (b"Max-Forwards:", b"mAX-forwardS:")) == FORWARDED


def test_the_order_of_header_fields_does_not_matter() -> None:
    """RFC 3261 7.3.1: "The relative order of header fields with different field names is not
    significant."
    """
    line, *fields = bytes(request()).removesuffix(b"\r\n\r\n").split(b"\r\n")
    edge = Conversation(delay=0.1)
    edge.receive(b"\r\n".join([line, *reversed(fields), b"", b""]))
    edge.clock.advance(0.2)
    assert edge.take() == FORWARDED
    copy = edge.last_request("bob")
    assert [name for name in copy.names if name in {b"contact", b"cseq", b"call-id", b"from"}] == [
        *(b"contact", b"cseq", b"call-id", b"from")
    ]


@pytest.mark.parametrize(("written", "left"), [("0068", 67), ("255", 254), ("300", 254)])
def test_max_forwards_is_at_most_255(written: str, left: int) -> None:
    """RFC 3261 20.22: "The Max-Forwards value is an integer in the range 0-255"."""
    edge = Conversation(delay=0.1)
    edge.receive(request(max_forwards=written))
    edge.clock.advance(0.2)
    copy = edge.last_request("bob")
    assert [int(value) for value in copy.values(b"max-forwards")] == [left]


@pytest.mark.parametrize("written", [b"-1", b"many", b"", b"7 0", b"70, 70", b"9" * 11])
def test_an_invalid_max_forwards_is_answered_400(written: bytes) -> None:
    """RFC 3261 16.3 step 1: "Any components involved in the remainder of these Request Validation
    steps or the Request Forwarding section MUST be well-formed."
    """
    assert outcome((b"Max-Forwards: 70", b"Max-Forwards: " + written)) == ["alice 400 INVITE"]


def test_fields_of_another_kind_of_message_are_ignored() -> None:
    """RFC 3261 7.3.2: "If a header field appears in a message not matching its category (such as a
    request header field in a response), it MUST be ignored."
    """
    edge = Conversation(delay=0.1)
    edge.receive(request(extra=("Retry-After: 5", "Proxy-Authenticate: x", "Unsupported: y")))
    edge.clock.advance(0.2)
    assert edge.take() == FORWARDED
    strange = ("Max-Forwards: 0", "Route: <sip:203.0.113.9>", "Proxy-Require: x", "Max-Breadth: 0")
    edge.receive(response(edge.last_request("bob"), 180, extra=strange), BOB)
    assert edge.transport.sent[-1][1] == ALICE
    assert all(field.encode() in bytes(edge.last_response("alice")) for field in strange)


def test_a_truncated_response_is_dropped() -> None:
    """RFC 3261 18.3: "If the message is a response, it MUST be discarded." """
    edge = Conversation(delay=0.1)
    edge.receive(request())
    edge.clock.advance(0.2)
    edge.take()
    data = bytes(response(edge.last_request("bob"), 200))
    edge.receive(data.replace(b"Content-Length: 0", b"Content-Length: 1"), BOB)
    assert (edge.take(), edge.dropped) == ([], ["malformed"])


def test_an_unreadable_ack_is_dropped() -> None:
    """RFC 3261 17.1.1.3: an ACK has no response."""
    edge = Conversation()
    ack = request("ACK", "sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,))
    edge.receive(bytes(ack).replace(b"CSeq: 1 ACK", b"CSeq: 1 BYE"))
    assert (edge.take(), edge.dropped) == ([], ["malformed"])


def test_an_unreadable_request_leaves_no_state() -> None:
    """RFC 3261 8.2.7: the response is stateless, so that a flood leaves no state."""
    edge = Conversation()
    for number in range(50):
        data = bytes(request(branch=f"z9hG4bK-{number}"))
        edge.receive(data.replace(b"CSeq: 1 ", b"CSeq: 9999999999 "))
    assert [status for status in edge.transport.sent if b" 400 " in status[0]]
    assert (edge.alive, edge.clock.waiting) == (0, 0)


def test_a_call_over_a_stream_byte_by_byte_is_the_same() -> None:
    """RFC 3261 18.3: on a stream only Content-Length marks the end of a message."""
    edge, framer = Conversation(delay=0.1), Framer()
    data = b"\r\n\r\n" + bytes(request(body=BODY + "\r\nINVITE sip:a@b SIP/2.0\r\n\r\n"))
    for byte in data:
        for message in framer.feed(bytes([byte])):
            edge.receive(message, ALICE_TCP)
    edge.clock.advance(0.2)
    assert edge.take() == FORWARDED
    assert parsed(edge.transport.sent[-1][0]).body.endswith(b"\r\nINVITE sip:a@b SIP/2.0\r\n\r\n")
