from __future__ import annotations

import pytest

from sip_stager.model.flow import Flow
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from sip_stager.sip.responses import make_response, quoted_string, response_flow
from sip_stager.sip.via import parse_via
from tests.support.messages import request
from tests.support.torture import USUAL, VALID

UDP = Flow("UDP", "203.0.113.9", 1024, 2)
TCP = Flow("TCP", "203.0.113.9", 40000, 1, 7)


def read(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def flow_to(via: bytes, source: Flow = UDP) -> Flow:
    return response_flow(parse_via(via), source)


def test_a_response_copies_its_fields_as_received() -> None:
    answer = make_response(read(USUAL), 486, b"t", ((b"Retry-After", b"5"),), b"Busy")
    assert bytes(answer) == (
        b"SIP/2.0 486 Busy\r\n"
        b'Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK-1;x="a,b" , SIP/2.0/TCP [::1]\r\n'
        b"v: SIP/2.0/UDP h;branch=z9hG4bK-2;received=192.0.2.9\r\n"
        b'f: "A., \\"Lice\\"" <sip:+33912345678@192.0.2.1>;tag=alice\r\n'
        b"To : <tel:+33612345678;phone-context=x>;tag=t\r\n"
        b"i: call-1@192.0.2.1\r\n"
        b"CSeq: 1\r\n\t INVITE\r\n"
        b"Retry-After: 5\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("to", "tagged"),
    [
        (b"To: <sip:a@b>", True),
        (b"To: sip:a@b", True),
        (b"To: <sip:a@b;tag=uri>", True),
        (b'To: "tag=;tag=name" <sip:a@b>', True),
        (b"To: tag=name <sip:a@b>", True),
        (b"To: <sip:a@b>;xtag=1", True),
        (b"To: <sip:a@b>;tag=theirs", False),
        (b"To: sip:a@b ;\r\n TAG   = theirs", False),
        (b'To: "x" <sip:a@b>;tag=theirs', False),
    ],
)
def test_a_tag_is_added_to_a_to_without_one(to: bytes, tagged: bool) -> None:  # noqa: FBT001
    line = b"To: <sip:+33612345678@198.51.100.1>"
    invite = read(bytes(request()).replace(line, to))
    answer = make_response(invite, 404, b"ours")
    written = answer.fields[answer.names.index(b"to")]
    assert written == (to + b";tag=ours" if tagged else to)
    assert make_response(invite, 100).fields[answer.names.index(b"to")] == to


def test_an_almost_empty_request_gets_a_valid_response() -> None:
    poor = read(b'INVITE sip:a@b SIP/2.0\r\nTo: "\r\nVia: SIP/2.0/UDP h\r\n\r\n')
    answer = parse(bytes(make_response(poor, 400, b"t")))
    assert isinstance(answer, Response)
    assert answer.names == (b"via", b"to", b"content-length")


def test_a_response_copies_every_via_of_a_torture_message() -> None:
    message = read(VALID["wsinv"])
    assert make_response(message, 200).values(b"via") == message.values(b"via")


def test_quoted_text_cannot_end_early_or_break_the_line() -> None:
    assert quoted_string('a"b\\c\r\nd\u00e9\x00') == b'"a\\"b\\\\c??d??"'


@pytest.mark.parametrize(
    ("via", "host", "port"),
    [  # RFC 3261 18.2.2 for unreliable transports
        (b"SIP/2.0/UDP h:5070;received=203.0.113.9", "203.0.113.9", 5070),
        (b"SIP/2.0/UDP h", "203.0.113.9", 5060),
        (b"SIP/2.0/UDP 203.0.113.9:5070", "203.0.113.9", 5070),
        # decided against: with maddr, a stranger could direct our responses to any host
        (b"SIP/2.0/UDP h:5070;maddr=192.0.2.7", "203.0.113.9", 5070),
        (b"SIP/2.0/UDP h:5070;rport=1024;received=203.0.113.9", "203.0.113.9", 1024),
        (b"SIP/2.0/UDP h:5070;rport=1024;maddr=192.0.2.7", "203.0.113.9", 1024),
        (b"SIP/2.0/UDP h;maddr=\xff\xfe;rport=1024", "203.0.113.9", 1024),
    ],
)
def test_a_response_over_udp_goes_where_the_via_says(via: bytes, host: str, port: int) -> None:
    assert flow_to(via) == Flow("UDP", host, port, 2)


def test_a_response_over_a_stream_uses_its_connection_or_one_to_the_port_of_sent_by() -> None:
    assert flow_to(b"SIP/2.0/TCP h:5070;rport", TCP) == TCP._replace(port=5070)
    assert flow_to(b"SIP/2.0/TCP h;maddr=192.0.2.7", TCP) == TCP._replace(port=5060)
