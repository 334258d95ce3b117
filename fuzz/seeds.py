"""The first inputs of the fuzzer: torture messages, SIPp's scenarios, good calls, good replies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.fuzz_case import Case, make_case
from tests.support.messages import BODY, request
from tests.support.torture import ANSWER, TORTURE, USUAL

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCENARIOS = Path(__file__).parents[1] / "tests" / "interop" / "scenarios"
_SENT = re.compile(r"<send[^>]*>\s*<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_KEYWORDS = {"call_id": "call-1@192.0.2.1", "branch": "z9hG4bK-alice-1", "transport": "UDP",
             "service": "+33612345678", "local_ip": "192.0.2.1", "local_port": "5060",
             "remote_ip": "198.51.100.1", "remote_port": "5060", "len": "0"}  # fmt: skip

RESPONSE = (
    "SIP/2.0 %d Whatever\r\n"
    "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=LIVE-BRANCH\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1\r\n"
    "Record-Route: LIVE-ROUTE\r\n"
    'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice\r\n'
    "To: <sip:+33612345678@198.51.100.1>;tag=%s\r\n"
    "Call-ID: call-1@192.0.2.1\r\nCSeq: %d %s\r\nContact: <sip:bob@192.0.2.2>\r\n"
    "Content-Length: 0\r\n\r\n"
)
REPLIES = (
    b'{"callId": "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", "status": "queued"}',
    b'{"message":"outer","error":{"details":[{"field":"a","message":"b"}],"message":"c"}}',
    b"Wed, 21 Oct 2026 07:28:00 GMT",
    b"120",
)
HTTP = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 503 No\r\nRetry-After: 5\r\nContent-Length:0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{}",
)


def seeds() -> Iterator[Case]:
    """Yield all seeds."""
    messages = [USUAL, ANSWER, *TORTURE.values(), *_scenarios(), *_with_other_line_breaks()]
    for one in messages:
        yield make_case("message", [one])
        yield make_case("trunks", [one])
        yield make_case("conversation", [b"a" + one, b"y", b"b" + one])
    yield make_case("stream", [messages[0], b"\r\n\r\n", *messages[2:5]])
    yield make_case("stream", messages[:2])
    yield make_case("stream", [*_with_other_line_breaks(), USUAL])
    yield make_case("stream", [USUAL.replace(b"l: 5", b"l: 70000"), b"x" * 69_995, ANSWER])
    yield from (make_case("api_reply", [one]) for one in REPLIES)
    yield from (make_case("http_connection", [one[:20], one[20:]]) for one in HTTP)
    yield from calls()


def calls() -> Iterator[Case]:
    """Yield conversations: successful, cancelled and refused calls."""
    invite, cancel, ack = (b"a" + bytes(request(method)) for method in ("INVITE", "CANCEL", "ACK"))
    staged = [invite, b"y"]
    yield _conversation(
        *staged, _response(180), _response(200), *_exchange("ACK"), *_exchange("BYE")
    )
    yield _conversation(
        *staged, _response(183), *_exchange("PRACK"), _response(200, "two"), b"t320"
    )
    yield _conversation(*staged, _response(200), *_exchange("INVITE"), *_exchange("UPDATE"))
    yield _conversation(
        *staged, _response(180), cancel, _response(200, method="CANCEL"), _response(487), ack
    )
    yield _conversation(invite, cancel, ack, b"t10", invite)
    yield _conversation(*staged, _response(302), ack, b"t50", _response(503), ack)
    yield _conversation(invite, b"n", ack, b"t400")
    yield _conversation(*staged, b"t30", _response(100), b"t2000", _response(486))
    whole = bytes(request(body=BODY, extra=("Supported: 100rel", "Route: <sip:198.51.100.1;lr>")))
    yield _conversation(b"A" + whole, b"a" + bytes(request("OPTIONS")), b"s" + whole)


def _with_other_line_breaks() -> Iterator[bytes]:
    """Yield messages with LF alone, with one LF, and with one CR."""
    plain = bytes(request(body=BODY))
    head, _, body = plain.partition(b"\r\n\r\n")
    yield head.replace(b"\r\n", b"\n") + b"\n\n" + body
    yield plain.replace(b"\r\nContact", b"\nContact")
    yield plain.replace(b"\r\nContact", b"\rContact")


def _conversation(*pieces: bytes) -> Case:
    return make_case("conversation", pieces)


def _response(status: int, tag: str = "bob", method: str = "INVITE") -> bytes:
    return b"b" + (RESPONSE % (status, tag, 1, method)).encode()


def _exchange(method: str) -> list[bytes]:
    """Return a request of Alice within the dialog, and Bob's response."""
    cseq = 1 if method == "ACK" else 2
    asked = request(method, "sip:bob@192.0.2.2", branch=f"z9hG4bK-{method}", cseq=cseq,
                    to_tag="bob", extra=("Route: LIVE-ROUTE",))  # fmt: skip
    answer = RESPONSE.replace("z9hG4bK-alice-1", f"z9hG4bK-{method}") % (200, "bob", 2, method)
    return [b"a" + bytes(asked), b"b" + answer.encode()]


def _scenarios() -> Iterator[bytes]:
    """Yield the messages of SIPp's scenarios, with their keywords replaced."""
    for path in sorted(_SCENARIOS.glob("*.xml")):
        for text in _SENT.findall(path.read_text("utf-8")):
            lines = "\r\n".join(line.strip() for line in text.strip().split("\n"))
            filled = re.sub(r"\[(\w+)[^\]]*\]", lambda key: _KEYWORDS.get(key[1], ""), lines)
            yield filled.encode() + b"\r\n\r\n"
