"""Malformed messages, made from correct ones."""

from __future__ import annotations

import re


def _without(name: bytes, message: bytes) -> bytes:
    return re.sub(rb"\r\n%b:[^\r]*" % name, b"", message, count=1)


def _with(name: bytes, value: bytes, message: bytes) -> bytes:
    return re.sub(rb"\r\n%b: [^\r]*" % name, b"\r\n%b: %b" % (name, value), message, count=1)


def malformed_invite(invite: bytes, variant: int) -> bytes:
    """Return an INVITE damaged in one of several ways; none of them may be forwarded."""
    variants = (
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
        _with(b"From", b"<sip:a@b>;tag=1, <sip:c@d>;tag=2", invite),
        invite.replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n", 1),
        invite.replace(b"INVITE sip:", b"INVITE <sip:>", 1),
        invite.replace(b"INVITE ", b"INVITE\0 ", 1),
        invite[: len(invite) // 3],
        invite.replace(b"\r\n", b"\0\xff", 2),
    )
    return variants[variant % len(variants)]


def malformed_response(good: bytes, variant: int, *, framed: bool) -> bytes:
    """Return a response damaged in one of several ways; none of them may be forwarded.

    ``framed`` keeps its length correct: on a stream a wrong length would end all other calls.
    """
    one_via = re.sub(rb"(\r\nVia: [^\r]*)(\r\nVia: [^\r]*)+", rb"\1", good, count=1)
    with_correct_length = (
        _without(b"CSeq", good),
        _without(b"Via", good),
        _with(b"CSeq", b"1 OPTIONS", good),
        _with(b"CSeq", b"\xff\xfe", good),
        good.replace(b"SIP/2.0 1", b"SIP/2.0 x1", 1),
        good.replace(b"SIP/2.0 1", b"SIP/2.0 1e9", 1),
        good.replace(b"branch=z9hG4bK", b"branch=z9hG4bKnone", 1),
        one_via,
    )
    with_wrong_length = (
        _with(b"Content-Length", b"99999", good),
        good[: len(good) // 3],
        b"\0" * 100,
    )
    variants = with_correct_length if framed else with_correct_length + with_wrong_length
    return variants[variant % len(variants)]
