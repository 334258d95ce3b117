"""Messages that nobody should send."""

from __future__ import annotations

import re


def _without(name: bytes, message: bytes) -> bytes:
    return re.sub(rb"\r\n%b:[^\r]*" % name, b"", message, count=1)


def _with(name: bytes, value: bytes, message: bytes) -> bytes:
    return re.sub(rb"\r\n%b: [^\r]*" % name, b"\r\n%b: %b" % (name, value), message, count=1)


def malformed_invite(invite: bytes, variant: int) -> bytes:
    """Spoil an INVITE in one of some ways; none of them may be forwarded."""
    ways = (
        _without(b"CSeq", invite),
        _without(b"From", invite),
        _without(b"To", invite),
        _without(b"Via", invite),
        _without(b"Call-ID", invite),
        _with(b"CSeq", b"one INVITE", invite),
        _with(b"CSeq", b"1 BYE", invite),
        _with(b"CSeq", b"99999999999 INVITE", invite),
        _with(b"Content-Length", b"99999", invite),
        _with(b"Content-Length", b"-1", invite),
        _with(b"From", b'"unclosed <sip:a@b>;tag=1', invite),
        invite.replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n", 1),
        invite.replace(b"INVITE sip:", b"INVITE <sip:>", 1),
        invite.replace(b"INVITE ", b"INVITE\0 ", 1),
        invite[: len(invite) // 3],
        invite.replace(b"\r\n", b"\0\xff", 2),
    )
    return ways[variant % len(ways)]


def malformed_response(good: bytes, variant: int, *, framed: bool) -> bytes:
    """Spoil a response in one of some ways; none of them may be passed back.

    ``framed`` leaves its length alone: on a stream all other calls would end with it.
    """
    one_via = re.sub(rb"(\r\nVia: [^\r]*)(\r\nVia: [^\r]*)+", rb"\1", good, count=1)
    sound = (
        _without(b"CSeq", good),
        _without(b"Via", good),
        _with(b"CSeq", b"1 OPTIONS", good),
        _with(b"CSeq", b"\xff\xfe", good),
        good.replace(b"SIP/2.0 1", b"SIP/2.0 x1", 1),
        good.replace(b"SIP/2.0 1", b"SIP/2.0 1e9", 1),
        good.replace(b"branch=z9hG4bK", b"branch=z9hG4bKnone", 1),
        one_via,
    )
    unsound = (_with(b"Content-Length", b"99999", good), good[: len(good) // 3], b"\0" * 100)
    ways = sound if framed else sound + unsound
    return ways[variant % len(ways)]
