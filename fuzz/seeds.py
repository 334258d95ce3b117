"""What the fuzzer begins with: torture messages, SIPp's scenarios, good calls, good answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.fuzz_case import Case, made
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
ANSWERS = (
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
    """Give them all."""
    messages = [USUAL, ANSWER, *TORTURE.values(), *_scenarios()]
    for one in messages:
        yield made("message", [one])
        yield made("trunks", [one])
        yield made("conversation", [b"a" + one, b"y", b"b" + one])
    yield made("stream", [messages[0], b"\r\n\r\n", *messages[2:5]])
    yield made("stream", messages[:2])
    yield from (made("answer", [one]) for one in ANSWERS)
    yield from (made("http", [one[:20], one[20:]]) for one in HTTP)
    yield from calls()


def calls() -> Iterator[Case]:
    """Give calls as they go well, and as they go."""
    invite, cancel, ack = (b"a" + bytes(request(method)) for method in ("INVITE", "CANCEL", "ACK"))
    begun = [invite, b"y"]
    yield made("conversation", [*begun, _said(180), _said(200), *_inside("ACK"), *_inside("BYE")])
    yield made("conversation", [*begun, _said(183), *_inside("PRACK"), _said(200, "two"), b"t320"])
    yield made("conversation", [*begun, _said(200), *_inside("INVITE"), *_inside("UPDATE")])
    yield made("conversation", [*begun, _said(180), cancel, _said(200, method="CANCEL"),
                                _said(487), ack])  # fmt: skip
    yield made("conversation", [invite, cancel, ack, b"t10", invite])
    yield made("conversation", [*begun, _said(302), ack, b"t50", _said(503), ack])
    yield made("conversation", [invite, b"n", ack, b"t400"])
    yield made("conversation", [*begun, b"t30", _said(100), b"t2000", _said(486)])
    whole = bytes(request(body=BODY, extra=("Supported: 100rel", "Route: <sip:198.51.100.1;lr>")))
    yield made("conversation", [b"A" + whole, b"a" + bytes(request("OPTIONS")), b"s" + whole])


def _said(status: int, tag: str = "bob", method: str = "INVITE") -> bytes:
    return b"b" + (RESPONSE % (status, tag, 1, method)).encode()


def _inside(method: str) -> list[bytes]:
    """Give a request of alice's in her dialog, and bob's answer."""
    cseq = 1 if method == "ACK" else 2
    asked = request(method, "sip:bob@192.0.2.2", branch=f"z9hG4bK-{method}", cseq=cseq,
                    to_tag="bob", extra=("Route: LIVE-ROUTE",))  # fmt: skip
    answer = RESPONSE.replace("z9hG4bK-alice-1", f"z9hG4bK-{method}") % (200, "bob", 2, method)
    return [b"a" + bytes(asked), b"b" + answer.encode()]


def _scenarios() -> Iterator[bytes]:
    """Give what SIPp's scenarios send, with something in the place of their keywords."""
    for path in sorted(_SCENARIOS.glob("*.xml")):
        for text in _SENT.findall(path.read_text("utf-8")):
            lines = "\r\n".join(line.strip() for line in text.strip().split("\n"))
            filled = re.sub(r"\[(\w+)[^\]]*\]", lambda key: _KEYWORDS.get(key[1], ""), lines)
            yield filled.encode() + b"\r\n\r\n"
