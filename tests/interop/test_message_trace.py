"""The reader of SIPp's message trace, without SIPp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.message_trace import TracedMessage, read_trace

if TYPE_CHECKING:
    from pathlib import Path

RULE = b"-" * 47 + b" 2026-01-01 00:00:00.000000\n"
OK = b"SIP/2.0 200 OK\r\nVia: one\r\nSubject: a\r\n b\r\nv : two\r\n\r\nbody\r\n"
BYE = b"BYE sip:a SIP/2.0\r\n\r\n"


def test_messages_are_read_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(
        RULE
        + b"UDP message received [%d] bytes :\n\n" % len(OK)
        + OK
        + b"\n"
        # SIPp writes no newline after a simulated loss.
        + b"UDP message lost (recv)."
        + RULE
        + b"TCP message sent (%d bytes):\n\n" % len(BYE)
        + BYE
    )
    assert read_trace(path) == [
        TracedMessage(sent=False, data=OK),
        TracedMessage(sent=True, data=BYE),
    ]


def test_the_parts_of_a_message_are_unchanged() -> None:
    message = TracedMessage(sent=False, data=OK)
    assert (message.method, message.body) == ("200", b"body\r\n")
    assert message.head == [b"Via: one", b"Subject: a\r\n b", b"v : two"]
    assert message.values("via", "V") == ["one", "two"]
    assert message.values("Subject") == ["a b"]


def test_a_missing_trace_has_no_messages(tmp_path: Path) -> None:
    assert read_trace(tmp_path / "none") == []
