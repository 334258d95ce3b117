"""The names of a header: read all at once, and kept by their order."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.field_grammar import NAMES, OURS, canonical_names
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from sip_stager.sip.shape import SPELLED

VALUES = {
    b"Via": b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1;rport",
    b"From": b'"Alice" <sip:alice@192.0.2.1>;tag=1',
    b"To": b"<sip:bob@198.51.100.1>",
    b"Call-ID": b"call-1@192.0.2.1",
    b"CSeq": b"1 INVITE",
    b"Max-Forwards": b"70",
    b"Content-Length": b"0",
}
OTHERS = (
    b"Contact Allow Supported Session-Expires Min-SE User-Agent P-Asserted-Identity Privacy "
    b"Diversion Date Subject Accept Content-Type"
).split()
FIELDS = [
    *(name + b": " + value for name, value in VALUES.items()),
    *(b"%b: x" % n for n in OTHERS),
]
"""An INVITE with 20 fields."""


def invite(fields: list[bytes], kind: bytes = b"\r\n") -> bytes:
    lines = [b"INVITE sip:bob@198.51.100.1 SIP/2.0", *fields, b"", b""]
    return b"\r\n".join(lines).replace(b"\r\n", kind)


def test_strangers_do_not_make_the_table_grow() -> None:
    """Beyond the RFCs: two generations of 512 shapes."""
    for number in range(2000):
        parse(invite([*FIELDS, b"X-%d: y" % number]))
    assert len(SPELLED) <= 1024


NAME = st.sampled_from([
    b"Via", b"v", b"V", b"From", b"f", b"x-rounded-call-id", b"X-Rounded-Call-Id", b"X-Rounded",
    b"-Call-Id", b"-", b"a", b" ", b"\t", b"\0", b"\xe9", b"[", b"]", b"=", b'"', b"Id", b"/",
    b"\r\n ", b"\r\n\t", b"x", b"rounded",
])  # fmt: skip
SPELLINGS = st.builds(
    lambda parts, colon: b"".join(parts) + colon,
    st.lists(NAME, max_size=6),
    st.sampled_from([b":", b" :", b"\t :", b""]),
)


def usable(spelled: bytes) -> bool:
    """Return True if a header can have that name: a line neither is empty nor begins a fold."""
    return bool(spelled) and spelled[:1] not in b" \t\r"


@given(st.lists(SPELLINGS.filter(usable), max_size=8).map(tuple))
def test_names_are_read_together_as_they_are_read_alone(spelled: tuple[bytes, ...]) -> None:
    """RFC 3261 7.3.1, 7.3.3."""
    assert canonical_names(spelled) == tuple(map(NAMES.__getitem__, spelled))


@given(st.lists(SPELLINGS.filter(usable), min_size=1, max_size=8))
def test_a_message_has_the_names_of_its_lines(spelled: list[bytes]) -> None:
    """RFC 3261 7.3.1: a fold belongs to the field ahead of it."""
    data = invite([name + b"x" for name in spelled])
    message = parse(data)
    assert bytes(message) == data
    joined = re.split(rb"\r\n(?![ \t])", data)[1:-2]
    names = [line[: line.find(b":") + 1] or line for line in joined]
    assert message.names == tuple(map(NAMES.__getitem__, names))


def test_a_fold_is_joined_in_the_second_message_of_its_kind_as_well() -> None:
    """RFC 3261 7.3.1: a shape that is kept promises that nothing is folded."""
    fields = [*FIELDS, b"X-Rounded-Call-Id: evil\r\n evil2", b"Reason: a\r\n\tb"]
    for _ in range(3):
        message = parse(invite(fields))
        assert message.fields == fields
        assert OURS in message.names
        assert b"evil" not in bytes(message.without(OURS))
        answer = parse(b"\r\n".join([b"SIP/2.0 200 OK", *fields, b"", b""]))
        assert answer.fields == fields


@pytest.mark.parametrize(
    "written", [b"+5", b"1_0", b" 5 6", b"0x5", b"5.0", "\u0665".encode(), b"-5"]
)
def test_numbers_are_written_with_digits_alone(written: bytes) -> None:
    """RFC 3261 25.1: "1*DIGIT", where `int` of Python takes signs and underscores."""
    for name in (b"CSeq", b"Content-Length", b"Max-Forwards"):
        value = written + (b" INVITE" if name == b"CSeq" else b"")
        fields = [name + b": " + value if field.startswith(name) else field for field in FIELDS]
        message = parse(invite(fields))
        assert isinstance(message, Request)
        assert not message.usual or name == b"Max-Forwards"
        assert read(message, name) == "malformed"
    answer = parse(b"\r\n".join([b"SIP/2.0 200 OK", b"CSeq: " + written + b" INVITE", b"", b""]))
    assert isinstance(answer, Response)
    assert read(answer, b"CSeq") == "malformed"


def read(message: Request | Response, name: bytes) -> object:
    """Read a number; return "malformed" if it is none."""
    try:
        if name == b"CSeq":
            return message.cseq
        if isinstance(message, Request) and name == b"Max-Forwards":
            return message.max_forwards
    except ValueError:
        return "malformed"
    return message.length if message.length >= 0 else "malformed"
