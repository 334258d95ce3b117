"""New INVITEs that are read without being parsed, for a stateless response."""

from __future__ import annotations

import pytest

from sip_stager.model.flow import Flow
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from sip_stager.sip.responses import make_response
from sip_stager.sip.unparsed import (
    is_new_invite,
    make_stateless_response,
    read_invite,
    to_tag,
)
from tests.support.messages import request

SOURCE = Flow("UDP", "192.0.2.1", 5060)
ELSEWHERE = Flow("UDP", "203.0.113.9", 6060)
EXTRA = ((b"Warning", b'399 sip-stager "overload"'), (b"Retry-After", b"5"))
INVITE = bytes(request(body="v=0\r\n"))
BEHIND = b"Via: SIP/2.0/TCP proxy.example;branch=z9hG4bK-before\r\n"


def changed(old: bytes, new: bytes) -> bytes:
    assert old in INVITE
    return INVITE.replace(old, new)


USUAL = {
    "as most peers write it": INVITE,
    "rport": changed(b":5060;branch", b":5060;rport;branch"),
    "several Vias": changed(b"From:", BEHIND + b"From:"),
    "compact names": changed(b"Via:", b"v:").replace(b"From:", b"f:").replace(b"To:", b"t:"),
    "other case": changed(b"Via:", b"VIA:").replace(b"Call-ID:", b"call-id:"),
    "blanks": changed(b"Via: ", b"Via :\t ").replace(b"To: ", b"To:"),
    "a line without a colon": changed(b"Contact:", b"nonsense\r\nContact:"),
    "a received of the peer's": changed(b";branch", b";received=192.0.2.99;branch"),
    "a number with zeros": changed(b"CSeq: 1", b"CSeq: 001"),
}
UNUSUAL = {
    "a folded To": changed(b"To: <", b"To:\r\n <"),
    "two values in one Via": changed(b"\r\nFrom", b", SIP/2.0/UDP 192.0.2.8;branch=z9\r\nFrom"),
    "a branch without the cookie": changed(b"z9hG4bK-alice-1", b"7"),
    "blanks in CSeq": changed(b"CSeq: 1 INVITE", b"CSeq:  1  INVITE"),
}


@pytest.mark.parametrize("source", [SOURCE, ELSEWHERE], ids=["same", "other"])
@pytest.mark.parametrize("name", [*USUAL, *UNUSUAL])
def test_the_response_is_that_of_a_parsed_invite(name: str, source: Flow) -> None:
    """RFC 3261 8.2.6.2: "the Via header field values [...] MUST maintain the same ordering", "The
    From field of the response MUST equal the From header field of the request", and so on.
    """
    data = {**USUAL, **UNUSUAL}[name]
    head = read_invite(data, source)
    assert head is not None
    assert (head.request is None) == (name in USUAL)
    parsed = parse(data)
    assert isinstance(parsed, Request)
    parsed.note_source(source)
    expected = bytes(make_response(parsed, 503, b"tag", EXTRA, b"Service Unavailable"))
    assert make_stateless_response(head, 503, b"Service Unavailable", b"tag", EXTRA) == expected
    assert head.via == parsed.top_via
    assert (head.call_id, head.cseq) == (parsed.call_id, b"%d" % parsed.cseq[0])


@pytest.mark.parametrize(
    "data",
    [
        changed(b"\r\n\r\n", b"\r\n"),  # no end of the header
        changed(b"From:", b"X-From:"),
        changed(b"Via:", b"X-Via:"),
        changed(b"CSeq: 1", b"CSeq: one"),
        changed(b"Contact:", b"X: a\nContact:"),  # a lone LF
        changed(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS"),
        changed(b"To: <", b"To:\r\n <").replace(b"198.51.100.1>", b"198.51.100.1>;tag=bob"),
        b"INVITE ",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
    ],
)
def test_an_invite_that_cannot_be_answered_so_is_left_to_the_parser(data: bytes) -> None:
    assert read_invite(data, SOURCE) is None or b"OPTIONS" in data


@pytest.mark.parametrize("name", [*USUAL, *UNUSUAL])
def test_an_invite_without_a_to_tag_is_new(name: str) -> None:
    assert is_new_invite({**USUAL, **UNUSUAL}[name])


@pytest.mark.parametrize(
    "data",
    [
        bytes(request(to_tag="bob")),
        bytes(request(to_tag="bob")).replace(b"To:", b"t :").replace(b";tag=bob", b"; TAG = bob"),
        bytes(request("BYE")),
        bytes(request("ACK")),
        b"SIP/2.0 200 OK\r\nTo: a\r\n\r\n",
        b"",
    ],
)
def test_nothing_else_is_a_new_invite(data: bytes) -> None:
    assert not is_new_invite(data)


@pytest.mark.parametrize(
    "written", [b"To: <sip:a>;tag=bob", b"t : a ; x=1;TAG = bob;y", b"T:;tag=bob"]
)
def test_the_tag_of_the_to_is_read(written: bytes) -> None:
    ack = bytes(request("ACK", to_tag="bob"))
    line = next(line for line in ack.split(b"\r\n") if line.startswith(b"To:"))
    assert to_tag(ack.replace(line, written)) == b"bob"


@pytest.mark.parametrize("name", USUAL)
def test_a_message_without_a_tag_of_the_to_has_an_empty_one(name: str) -> None:
    assert to_tag(USUAL[name]) == b""


def test_reading_takes_linear_time() -> None:
    """Strangers choose the lengths of lines; there is no backtracking over them."""
    long = b" " * 30_000
    is_new_invite(changed(b"To:", b"To:" + b"; tag" * 10_000))
    to_tag(changed(b"To:", b"To:" + long))
    to_tag(changed(b"To:", b"To:" + b";tag = " * 10_000))
    read_invite(changed(b"Via: ", b"Via:" + long), SOURCE)
