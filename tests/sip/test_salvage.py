"""The fields that are read of a message that cannot be parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from sip_stager.sip.field_grammar import MAX_VALUES
from sip_stager.sip.responses import make_response
from sip_stager.sip.salvage import salvage_call_id, salvage_request
from tests.support.messages import request
from tests.support.torture import ANY_BYTES

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

INVITE = bytes(request())


def salvaged(data: bytes) -> Request:
    found = salvage_request(data)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [b"\r\n", b"\n", b"\r", b"\r\n ", b"\n\t "])
def test_the_fields_of_a_response_are_found_with_any_line_breaks(kind: bytes) -> None:
    """RFC 3261 8.2.6.2."""
    first, break_, rest = INVITE.partition(b"\r\nCall-ID:")
    data = first + kind + b"x" + break_ + rest
    found = salvaged(data)
    assert found.method == b"INVITE"
    assert found.top_via.branch == b"z9hG4bK-alice-1"
    assert (found.call_id, found.cseq) == (b"call-1@192.0.2.1", (1, b"INVITE"))
    assert salvage_call_id(data) == "call-1@192.0.2.1"


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_any_of_them_may_be_missing(name: bytes) -> None:
    """RFC 3261 8.2.6.2: the response then lacks it as well."""
    found = salvaged(INVITE.replace(name + b":", b"X-" + name + b":"))
    assert name.lower() not in found.names
    assert len(make_response(found, 400).names) == 5


def test_compact_names_folds_and_blanks_are_read() -> None:
    """RFC 3261 7.3.1, 7.3.3."""
    data = b"?\nv \t:\r\n SIP/2.0/UDP\n\t h\r\nF: a\rI:x\nT: b\rcseq:1\n OPTIONS"
    found = salvaged(data)
    assert found.fields == [b"v: SIP/2.0/UDP h", b"F: a", b"I:x", b"T: b", b"cseq:1 OPTIONS"]
    assert found.names == (b"via", b"from", b"call-id", b"to", b"cseq")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        b"sip/2.0\nVia: SIP/2.0/UDP h\n\n",
        b" \tSIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        b"\0SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        b"HTTP/1.1SIP/ 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n",
    ],
)
def test_a_message_that_may_be_a_response_is_no_request(data: bytes) -> None:
    """RFC 3261 8.2.7: two servers would answer each other for ever."""
    assert salvage_request(data) is None


def test_nothing_is_read_behind_the_header() -> None:
    """RFC 3261 7: a body may hold a whole message."""
    assert salvaged(b"?\r\nX: y\r\n\r\n" + INVITE).fields == []
    assert salvage_call_id(b"?\nX: y\n\n" + INVITE) == ""


def test_what_is_salvaged_is_bounded() -> None:
    """Beyond the RFCs: a stranger chooses the number of fields, and the length of a Call-ID."""
    assert len(salvaged(b"?" + b"\nv:x" * 10_000).fields) == MAX_VALUES
    assert len(salvage_call_id(b"?\ni: " + b"x" * 10_000)) == 256
    assert salvage_call_id(b"?\ni: \xe9\0") == "\\xe9\x00"


@given(ANY_BYTES)
def test_a_response_to_any_bytes_has_no_line_break_of_theirs(data: bytes) -> None:
    """RFC 3261 7: the header of our response is ours, whatever was copied into it."""
    found = salvage_request(data)
    if found is None:
        return
    response = bytes(make_response(found, 400, b"tag"))
    lines = response.split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert b"" not in lines[:-2]
    assert not any(b"\r" in line or b"\n" in line for line in lines)
