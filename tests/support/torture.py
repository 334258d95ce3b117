"""The messages of RFC 4475, and ways to damage a message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent.parent / "data" / "rfc4475"
VALID = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("valid/*.dat"))}
INVALID = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("invalid/*.dat"))}
TORTURE = VALID | INVALID

USUAL = (
    b"INVITE sip:+33612345678@198.51.100.1:5060;user=phone?x=y SIP/2.0\r\n"
    b'Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK-1;x="a,b" , SIP/2.0/TCP [::1]\r\n'
    b"v: SIP/2.0/UDP h;branch=z9hG4bK-2;received=192.0.2.9\r\n"
    b'f: "A., \\"Lice\\"" <sip:+33912345678@192.0.2.1>;tag=alice\r\n'
    b"To : <tel:+33612345678;phone-context=x>\r\n"
    b"i: call-1@192.0.2.1\r\n"
    b"CSeq: 1\r\n\t INVITE\r\n"
    b"Max-Forwards: 70\r\n"
    b"Route: <sip:198.51.100.1;lr>,<sip:p2.example;lr>\r\n"
    b"Subject:\r\n"
    b"l: 5\r\n"
    b"\r\n"
    b"v=0\r\n"
)
ANSWER = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK-3, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
    b"Content-Length: 0\r\n\r\n"
)
_SPICE = (
    *(b"\r\n", b"\r", b"\n", b" ", b"\t", b"\r\n ", b"\0", b"\x0b", b"\x85", b"\xff", b",", b";"),
    *(b":", b'"', b"<", b">", b"=", b"@", b"?", b"[", b"]", b"%", b"\\", b"/", b"\r\n\r\n"),
    *(b";tag=", b";rport", b";received=", b"99999999999", b"-1", b"SIP/2.0", b"sip:", b"Via: "),
)


@st.composite
def damage(draw: st.DrawFn, messages: Sequence[bytes]) -> bytes:
    """One of the messages with up to six edits."""
    message = bytearray(draw(st.sampled_from(messages)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(message)))
        end = start + draw(st.sampled_from([0, 0, 1, 2, 10]))
        message[start:end] = draw(st.sampled_from(_SPICE) | st.binary(max_size=4))
    return bytes(message)


ANY_BYTES = st.binary(max_size=300) | damage([USUAL, ANSWER, *TORTURE.values()])
