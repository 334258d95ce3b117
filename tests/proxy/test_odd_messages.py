"""Odd messages of carriers: forwarded if they can be routed, else answered, and never met with
silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import MessageDropped
from sip_stager.sip.field_grammar import NAMES, OURS, Malformed
from sip_stager.sip.framing import Framer
from sip_stager.sip.parser import MAX_HEADER_LINES, parse, parse_request
from sip_stager.transaction.layer import TransactionLayer
from tests.support.conversation import ALICE, ALICE_TCP, BOB, ROUTE, STRANGER, Conversation
from tests.support.messages import BODY, request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Message

ODD_LINES = {
    "no colon": b"X-Carrier-Id 42",
    "blanks in the name": b"X Carrier Id: 42",
    "no name": b": 42",
    "a colon alone": b":",
    "brackets": b"X-[Id]: 42",
    "UTF-8": "X-Num\u00e9ro: 42".encode(),
    "Latin-1": b"X-Num\xe9ro: 42",
    "a NUL": b"X-Id\0: 42",
    "an equals sign": b"X-Id=42",
    "quotes": b'"X-Id": 42',
    "bytes that are no text": b"\xff\xfe\x00\x01",
    "a slash": b"X/Y: 42",
    "a name like ours": b"X-Rounded-Call-Ids: 42",
    "folded": b"X Carrier Id: 42\r\n\t43\r\n 44",
    "a folded line without a colon": b"no colon\r\n here either",
    "blanks behind the name": b"X-Carrier-Id \t : 42",
    "a fold of nothing": b"X-Carrier-Id: 42\r\n ",
}
TRANSPORTS = {"UDP": ALICE, "TCP": ALICE_TCP}


def with_line(message: Message, line: bytes, place: int) -> bytes:
    """Return a message with one more line behind so many of its fields."""
    head, _, body = bytes(message).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lines.insert(1 + place % len(lines), line)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def receive(edge: Conversation, data: bytes, source: Flow) -> None:
    """Pass a datagram to the core, or a message as it is cut from a stream."""
    messages = Framer().feed(data) if source.transport == "TCP" else [data]
    for message in messages:
        edge.receive(message, source)


def sent_with(edge: Conversation, line: bytes) -> list[str]:
    """Return the messages sent since the last look that have a line byte for byte."""
    before = edge.transport.sent[edge._taken :]
    return [
        text
        for text, (data, _) in zip(edge.take(), before, strict=True)
        if b"\r\n" + line + b"\r\n" in data
    ]


@pytest.mark.parametrize("place", [0, 1, 4, 99])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ODD_LINES)
def test_an_odd_line_is_forwarded_byte_for_byte_in_both_directions(
    name: str, transport: str, place: int
) -> None:
    """RFC 3261 16.3: "Any other components, well-formed or not, SHOULD be ignored and remain
    unchanged when the message is forwarded."
    """
    line, source = ODD_LINES[name], TRANSPORTS[transport]
    edge = Conversation(delay=0.1)
    receive(edge, with_line(request(body=BODY), line, place), source)
    edge.clock.advance(0.2)
    assert sent_with(edge, line) == ["bob INVITE"]
    invite = edge.last_request("bob")
    for status in (180, 200):
        edge.receive(with_line(response(invite, status), line, place), BOB)
        assert sent_with(edge, line) == [f"alice {status} INVITE"]
    for method, cseq in (("ACK", 1), ("INFO", 2), ("INVITE", 3), ("BYE", 4)):
        later = request(
            method, "sip:bob@192.0.2.2", branch=f"z9hG4bK-{method}", cseq=cseq, to_tag="bob",
            extra=(ROUTE,),
        )  # fmt: skip
        receive(edge, with_line(later, line, place), source)
        edge.clock.advance(0.1)
        assert sent_with(edge, line)[-1:] == [f"bob {method}"]
        if method != "ACK":
            edge.receive(with_line(response(edge.last_request("bob"), 200), line, place), BOB)
            assert sent_with(edge, line) == [f"alice 200 {method}"]
    assert edge.dropped == []


@given(
    st.lists(st.binary(min_size=1, max_size=20).map(lambda raw: raw.translate(None, b"\r\n"))),
    st.integers(0, 20),
)
def test_no_line_that_is_not_used_decides_over_a_call(lines: list[bytes], place: int) -> None:
    """RFC 3261 16.3: whatever bytes a line has, as long as it is no field that a proxy reads."""
    odd = [b"\xff" + line for line in lines]  # no name of a field
    edge = Conversation(delay=0.1)
    edge.receive(with_line(request(), b"\r\n".join([*odd, b"X: 1"]), place))
    edge.clock.advance(0.2)
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    forwarded = bytes(edge.last_request("bob"))
    kept = [line for line in odd if NAMES[line[: line.find(b":") + 1] or line] != OURS]
    assert [line for line in kept if b"\r\n" + line + b"\r\n" not in forwarded] == []


# Line breaks


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("body", ["", BODY, "a\n\nb\r\n\r\nc\n", "a\nX-Rounded-Call-Id: evil\n\n"])
def test_a_header_of_lf_alone_is_taken_and_forwarded_with_cr_lf(transport: str, body: str) -> None:
    """RFC 3261 7: the header leaves as the RFC wants it, and the body as it came."""
    source = TRANSPORTS[transport]
    edge = Conversation(delay=0.1)
    whole = bytes(request(body=body, extra=("Subject: a\r\n folded", "X Odd: 1")))
    head, _, rest = whole.partition(b"\r\n\r\n")
    receive(edge, head.replace(b"\r\n", b"\n") + b"\n\n" + rest, source)
    edge.clock.advance(0.2)
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    usual = Conversation(delay=0.1)
    receive(usual, whole, source)
    usual.clock.advance(0.2)
    assert edge.transport.sent == usual.transport.sent
    assert edge.transport.sent[1][0].endswith(b"\r\n\r\n" + rest)


def test_a_response_with_lf_alone_is_forwarded_with_cr_lf() -> None:
    """RFC 3261 7: the header leaves as the RFC wants it, and the body as it came."""
    edge = Conversation(delay=0.1)
    edge.receive(request())
    edge.clock.advance(0.2)
    whole = bytes(response(edge.last_request("bob"), 200, body=BODY))
    head, _, body = whole.partition(b"\r\n\r\n")
    edge.receive(head.replace(b"\r\n", b"\n") + b"\n\n" + body, BOB)
    assert edge.transport.sent[-1][1] == ALICE
    assert bytes(edge.last_response("alice")).endswith(b"\r\n\r\n" + BODY.encode())
    assert b"\n" not in edge.transport.sent[-1][0].partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")


INVITE = bytes(request(body=BODY, extra=("Subject: a", "User-Agent: x")))
HEAD = INVITE.partition(b"\r\n\r\n")[0]
MIXED = {
    "one LF": INVITE.replace(b"Subject: a\r\n", b"Subject: a\n"),
    "one CR": INVITE.replace(b"Subject: a\r\n", b"Subject: a\r"),
    "a CR inside": INVITE.replace(b"Subject: a", b"Subject: a\rb"),
    "all LF but one": INVITE.replace(b"\r\n", b"\n").replace(b"Subject: a\n", b"Subject: a\r\n"),
    "all LF but the start line": INVITE.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n", 1),
    "all LF but the blank line": HEAD.replace(b"\r\n", b"\n") + b"\r\n\r\n" + BODY.encode(),
    "a blank line of LF": INVITE.replace(b"Subject: a\r\n", b"Subject: a\n\n"),
    "a blank line of LF and CR LF": INVITE.replace(b"Subject: a\r\n", b"Subject: a\n\r\n"),
    "a blank line of CR": INVITE.replace(b"Subject: a\r\n", b"Subject: a\r\r"),
    "all CR": INVITE.replace(b"\r\n", b"\r"),
    "no blank line": HEAD + b"\r\n",
    "cut off": INVITE.partition(b"User-Agent")[0],
}


@pytest.mark.parametrize("source", [ALICE, BOB], ids=["trunk", "upstream"])
@pytest.mark.parametrize("name", MIXED)
def test_mixed_line_breaks_are_answered_400(name: str, source: Flow) -> None:
    """RFC 3261 7: such a header means different things to different readers."""
    edge = Conversation(delay=0.1)
    edge.receive(MIXED[name], source)
    edge.clock.advance(0.2)
    assert [text.split()[1] for text in edge.take()] == ["400"]
    assert edge.alive == 0
    [dropped] = edge.of(MessageDropped)
    assert (dropped.cause, dropped.call_id) == ("malformed", "call-1@192.0.2.1")


@pytest.mark.parametrize("name", sorted(MIXED.keys() - {"no blank line", "cut off"}))
def test_mixed_line_breaks_are_answered_400_on_a_stream(name: str) -> None:
    """RFC 3261 7: whether the connection lives depends on whether the end is certain."""
    edge, framer = Conversation(delay=0.1), Framer()
    data = MIXED[name] + (b"\n" if MIXED[name].endswith(b"\r") else b"")
    edge.receive(next(framer.feed(data)), ALICE_TCP)
    edge.clock.advance(0.2)
    assert edge.take() == ["alice 400 INVITE"]
    assert edge.alive == 0


# Requests that cannot be routed

CUT_START_LINES = (
    b"INVITE sip:a@b",
    b"INVITE",
    b"INVITE sip:a@b SIP",
    b"INVITE sip:a@b HTTP/1.1",
    b"IN(VITE sip:a@b SIP/2.0",
    b"\xff\xfe sip:a@b SIP/2.0",
    b"\tINVITE sip:a@b SIP/2.0",
)


def replaced(old: bytes, new: bytes) -> bytes:
    assert INVITE.count(old) == 1
    return INVITE.replace(old, new)


START_LINE = INVITE.partition(b"\r\n")[0]
NO_ROUTE = {
    **{line.decode("latin-1"): replaced(START_LINE, line) for line in CUT_START_LINES},
    "no From": replaced(b"From:", b"X-From:"),
    "no To": replaced(b"\r\nTo:", b"\r\nX-To:"),
    "no Call-ID": replaced(b"Call-ID:", b"X-Call-ID:"),
    "no CSeq": replaced(b"CSeq:", b"X-CSeq:"),
    "From without a colon": replaced(b"From:", b"From"),
    "two Call-ID": replaced(b"Subject: a", b"Call-ID: other"),
    "From and f": replaced(b"Subject: a", b"f: <sip:x@y>;tag=other"),
    "CSeq of words": replaced(b"CSeq: 1", b"CSeq: one"),
    "CSeq with a sign": replaced(b"CSeq: 1", b"CSeq: +1"),
    "CSeq with an underscore": replaced(b"CSeq: 1", b"CSeq: 1_0"),
    "a fold ahead of all fields": replaced(b"Via:", b" X: 1\r\nVia:"),
    "a second Via with blanks in its name": replaced(b"CSeq:", b"C Seq:"),
    "Content-Length with a sign": replaced(b"Content-Length: ", b"Content-Length: +"),
    "Max-Forwards with an underscore": replaced(b"Max-Forwards: 70", b"Max-Forwards: 7_0"),
}


@pytest.mark.parametrize("source", [ALICE, BOB, ALICE_TCP], ids=["trunk", "upstream", "TCP"])
@pytest.mark.parametrize("name", NO_ROUTE)
def test_a_request_that_cannot_be_routed_is_answered_400(name: str, source: Flow) -> None:
    """RFC 3261 8.2.6.2, 16.3: with the fields that could be read, and without state."""
    edge = Conversation(delay=0.1)
    edge.receive(NO_ROUTE[name], source)
    edge.clock.advance(0.2)
    [(data, flow)] = edge.transport.sent
    assert data.startswith(b"SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=")
    assert flow.host == source.host
    assert b"z9hG4bK-alice-1" in data
    assert edge.alive == 0
    call_ids = [event.call_id for event in edge.of(MessageDropped)]
    if name != "no Call-ID":
        assert call_ids in (["call-1@192.0.2.1"], [])
    edge.receive(NO_ROUTE[name], source)
    assert [each for each, _ in edge.transport.sent] == [data, data]  # the same tag (8.2.7)


@pytest.mark.parametrize("name", NO_ROUTE)
def test_no_ack_and_no_response_is_answered(name: str) -> None:
    """RFC 3261 17.1.1.3: nor can two servers answer each other for ever."""
    edge = Conversation(delay=0.1)
    data = NO_ROUTE[name]
    edge.receive(data.replace(b"INVITE", b"ACK"))
    edge.receive(b"SIP/2.0 200" + data[data.index(b"\r\n") :])
    edge.receive(b" SIP/2.0 200 OK" + data[data.index(b"\r\n") :])
    edge.receive(b"xSIP/2.0 200 OK" + data[data.index(b"\r\n") :].replace(b"\r\nX", b"\nX"))
    assert edge.take() == []


@pytest.mark.parametrize(
    "via",
    [
        b"X-Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-alice-1",
        b"Via: 192.0.2.1;branch=z9hG4bK-alice-1",
        b"Via SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-alice-1",
        b"Via: SIP/2.0/UDP 192.0.2.1:x;branch=z9hG4bK-alice-1",
    ],
)
def test_a_request_without_a_top_via_is_logged_with_its_call_id(via: bytes) -> None:
    """RFC 3261 18.2.2: there is no address to respond to."""
    edge = Conversation()
    edge.receive(replaced(b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1", via))
    assert edge.take() == []
    assert [event.call_id for event in edge.of(MessageDropped)] == ["call-1@192.0.2.1"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Length: 0", b"Content-Length: 9"),
        (b"Content-Length: 0", b"Content-Length: 0\nX: y"),
        (b"CSeq: 1 INVITE", b"CSeq: INVITE"),
        (b"Via:", b"X-Via:"),
        (b"SIP/2.0 200 Whatever", b"SIP/2.0 2000 Whatever"),
    ],
)
def test_a_response_that_cannot_be_read_is_logged_with_its_call_id(old: bytes, new: bytes) -> None:
    """RFC 3261 18.3: it is dropped."""
    edge = Conversation(delay=0.1)
    edge.receive(request())
    edge.clock.advance(0.2)
    edge.take()
    edge.receive(bytes(response(edge.last_request("bob"), 200)).replace(old, new), BOB)
    assert edge.take() == []
    assert [event.call_id for event in edge.of(MessageDropped)] == ["call-1@192.0.2.1"]


def test_a_stranger_gets_no_more_than_a_400() -> None:
    """Beyond the RFCs: an odd request of a stranger leaves no state."""
    edge = Conversation()
    for data in (*NO_ROUTE.values(), *MIXED.values()):
        edge.receive(data, STRANGER)
    assert {data[:11] for data, _ in edge.transport.sent} == {b"SIP/2.0 400"}
    assert (edge.alive, edge.clock.waiting) == (0, 0)


# Limits


def test_the_header_may_have_as_many_lines_as_the_settings_allow() -> None:
    """Beyond the RFCs: `[limits] header_lines`; past it a request gets 513."""
    edge = Conversation(delay=0.1)
    layer = TransactionLayer(edge.layer._context, 64)
    layer.attach(edge.proxy)
    many = request(extra=("A: 1",) * 56)
    layer.receive_message(bytes(many).replace(b"A: 1", b"A: 1\r\nB: 2", 1), ALICE)
    assert edge.take() == ["alice 513 INVITE"]
    edge.receive(request(extra=("A: 1",) * 500))
    assert edge.take() == ["alice 100 INVITE"]


def test_a_body_over_the_limit_is_answered_513_and_other_calls_go_on() -> None:
    """RFC 3261 21.5.7: on the connection of a trunk with other calls on it."""
    edge, framer = Conversation(delay=0.1), Framer()
    large = request(body="x" * 70_000)
    other = request(branch="z9hG4bK-alice-2", body=BODY)
    stream = bytes(large) + bytes(other)
    for start in range(0, len(stream), 1000):
        for message in framer.feed(stream[start : start + 1000]):
            edge.receive(message, ALICE_TCP)
    edge.clock.advance(0.2)
    assert edge.take() == ["alice 513 INVITE", "alice 100 INVITE", "bob INVITE"]


def test_a_request_without_content_length_is_answered_400_on_a_stream() -> None:
    """RFC 3261 18.3: and it is never taken for one without a body."""
    edge, framer = Conversation(delay=0.1), Framer()
    data = INVITE.replace(b"Content-Length", b"X-Length")
    messages = framer.feed(data)
    edge.receive(next(messages), ALICE_TCP)
    with pytest.raises(Malformed, match="no Content-Length"):
        next(messages)
    assert edge.take() == ["alice 400 INVITE"]


@given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r"]), min_size=9, max_size=9))
def test_a_header_is_taken_only_if_all_its_line_breaks_are_of_one_kind(breaks: list[bytes]) -> None:
    """RFC 3261 7: and the forwarded copy has CR LF alone."""
    lines = bytes(request(extra=("X-Rounded-Call-Id: evil",))).split(b"\r\n")[:-2]
    pairs = zip(lines, [*breaks, breaks[-1]], strict=True)
    edge = Conversation(delay=0.1)
    edge.receive(b"".join(line + each for line, each in pairs) + breaks[-1])
    edge.clock.advance(0.2)
    same = len(set(breaks)) == 1 and breaks[0] != b"\r"
    assert edge.take() == (["alice 100 INVITE", "bob INVITE"] if same else ["alice 400 INVITE"])
    for data, _ in edge.transport.sent:
        parse(data)
        assert b"evil" not in data


@pytest.mark.parametrize("status", [486, 180])
def test_a_header_of_as_many_lines_as_allowed_is_forwarded_and_ended(status: int) -> None:
    """The copy has more lines than the limit, and its ACK and CANCEL are made from it."""
    edge = Conversation()
    room = MAX_HEADER_LINES - len(request().fields)
    invite = request(extra=("X-Line: 1",) * room)
    assert len(invite.fields) == MAX_HEADER_LINES
    edge.receive(invite)
    edge.stager.stagings[-1].succeed()
    edge.clock.advance(0.1)
    edge.take()
    data = next(data for data, _ in reversed(edge.transport.sent) if data[:6] == b"INVITE")
    edge.receive(response(parse_request(data), status), BOB)
    if status < 200:
        edge.take()
        edge.receive(bytes(invite).replace(b"INVITE", b"CANCEL"))
        assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]
    else:
        assert edge.take() == ["bob ACK", "alice 486 INVITE"]
