"""Messages of the peers alice and bob."""

from __future__ import annotations

from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse

BODY = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"


def request(
    method: str = "INVITE",
    uri: str = "sip:+33612345678@198.51.100.1",
    *,
    branch: str = "z9hG4bK-alice-1",
    via: str = "SIP/2.0/UDP 192.0.2.1:5060",
    cseq: int = 1,
    to_tag: str = "",
    extra: tuple[str, ...] = (),
    body: str = "",
    max_forwards: str | None = "70",
) -> Request:
    """Return a request of alice."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via};branch={branch}",
        'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice',
        "To: <sip:+33612345678@198.51.100.1>" + (f";tag={to_tag}" if to_tag else ""),
        "Call-ID: call-1@192.0.2.1",
        f"CSeq: {cseq} {method}",
        *([f"Max-Forwards: {max_forwards}"] if max_forwards is not None else []),
        "Contact: <sip:alice@192.0.2.1>",
        *extra,
        f"Content-Length: {len(body)}",
    ]
    message = parse(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    assert isinstance(message, Request)
    return message


def response(
    to: Request, status: int, *, tag: str = "bob", extra: tuple[str, ...] = (), body: str = ""
) -> Response:
    """Return a response of bob."""
    lines = [f"SIP/2.0 {status} Whatever"]
    for name, field in zip(to.names, to.fields, strict=True):
        text = field.decode("utf-8", "surrogateescape")
        if name in {b"via", b"from", b"call-id", b"cseq", b"record-route"}:
            lines.append(text)
        elif name == b"to":
            lines.append(text if ";tag=" in text or not tag else f"{text};tag={tag}")
    lines += ["Contact: <sip:bob@192.0.2.2>", *extra, f"Content-Length: {len(body)}"]
    data = ("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape")
    message = parse(data)
    assert isinstance(message, Response)
    return message
