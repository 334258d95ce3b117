"""Datagrams and streams agree on where a header ends, and on which line breaks it may have."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sip_stager.model.flow import Flow
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.framing import Framer
from sip_stager.sip.parser import check_request, parse, parse_request
from sip_stager.sip.unparsed import is_new_invite, read_invite
from tests.support.messages import request

SOURCE = Flow("UDP", "192.0.2.1", 5060)
LINES = bytes(request(body="a\n\nb\r\n\r\nc")).partition(b"\r\n\r\n")[0].split(b"\r\n")
BODY = b"a\n\nb\r\n\r\nc"
AFTER = bytes(request("OPTIONS", branch="z9hG4bK-after"))
BREAKS = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\n\t"])


def header_with(breaks: list[bytes]) -> bytes:
    """Return a header whose lines end with these; nothing is folded into the blank line."""
    *inner, last, blank = breaks
    lines = b"".join(line + each for line, each in zip(LINES, inner, strict=False))
    return lines + LINES[-1] + last.strip(b" \t") + blank.strip(b" \t")


NUMBER = len(LINES) + 1
ANY = st.lists(BREAKS, min_size=NUMBER, max_size=NUMBER)
NEARLY_RIGHT = st.sampled_from([b"\r\n", b"\n"]).flatmap(
    lambda usual: st.lists(
        st.sampled_from([usual] * 9 + [b"\n", b"\r", b"\r\n"]), min_size=NUMBER, max_size=NUMBER
    )
)
headers = st.one_of(ANY, NEARLY_RIGHT).map(header_with)
"""Headers with any line breaks, most of them nearly right."""


def read(data: bytes) -> str:
    """Return what a message is read as, or the fault."""
    try:
        return repr(bytes(parse(data)))
    except Malformed as fault:
        return str(fault)


def first_on_a_stream(data: bytes) -> tuple[bytes, bool]:
    """Return the first message of a stream, and whether the stream goes on."""
    found = []
    try:
        for message in Framer().feed(data):
            found.append(message)  # noqa: PERF402  what came before the fault counts
    except Malformed:
        return (found or [b""])[0], False
    return (found or [b""])[0], found[1:] == [AFTER]


@given(headers)
@example(b"\r\n".join(LINES) + b"\r\n\r\n")
@example(b"\n".join(LINES) + b"\n\n")
@example(b"\r\n".join(LINES) + b"\r\n\n")
def test_a_stream_and_a_datagram_are_read_alike(header: bytes) -> None:
    """RFC 3261 7, 18.3: and the stream goes on behind a message that is taken."""
    alone = read(header + BODY)
    message, goes_on = first_on_a_stream(header + BODY + AFTER)
    if alone.startswith("b'") and b"content-length" in parse(header).names:
        assert (message, goes_on) == (header + BODY, True)
        assert alone == read(message)
    elif message:
        assert not read(message).startswith("b'")


@given(headers)
def test_whatever_is_taken_has_one_kind_of_line_break(header: bytes) -> None:
    """RFC 3261 7: so that every reader finds the same fields and the same end."""
    written = read(header + BODY)
    taken = written.startswith("b'")
    head = re.split(rb"\r\n\r\n|\n\n", header)[0]
    is_folded_first = header[len(LINES[0]) :].lstrip(b"\r\n")[:1].isspace()
    assert taken == (not _lone(head, header) and not is_folded_first)


def _lone(head: bytes, header: bytes) -> bool:
    """Return True if a header mixes line breaks, or its blank line is of another kind."""
    kind = b"\r\n" if b"\r\n" in head else b"\n"
    rest = head.replace(kind, b"")
    # What is behind the blank line is the body's.
    return b"\r" in rest or b"\n" in rest or not header[len(head) :].startswith(2 * kind)


@given(headers)
def test_overload_reads_an_invite_as_the_parser_does(header: bytes) -> None:
    """RFC 3261 8.2.7: the stateless refusal is for the same messages."""
    data = header + BODY
    head = read_invite(data, SOURCE)
    if head is None:
        with pytest.raises(Malformed):  # by the parser, or for a CSeq with the next line in it
            check_request(parse_request(data))
    else:
        assert read(data).startswith("b'")
        assert head.call_id == b"call-1@192.0.2.1"
        assert is_new_invite(data)


@pytest.mark.parametrize(
    "hidden",
    [
        b"Subject: a\nContent-Length: 5\r\nContent-Length: 0",
        b"Subject: a\rl: 5\r\nContent-Length: 0",
        b"Subject: a\n\nContent-Length: 0",
        b"Subject: a\n\r\nContent-Length: 0",
        b"Subject: a\r\rContent-Length: 0",
        b"Content-Length: 0\n 5",
    ],
)
def test_a_stream_ends_where_readers_may_disagree_on_the_end_of_a_message(hidden: bytes) -> None:
    """RFC 4475 3.1.2.3: no part of a body, or of a header, is read as a message."""
    header = b"\r\n".join([*LINES[:-1], hidden]) + b"\r\n\r\n"
    message, goes_on = first_on_a_stream(header + AFTER)
    assert not goes_on
    assert not read(message).startswith("b'")


@pytest.mark.parametrize("odd", [b"Subject: a\nb: c", b"Subject: a\rb", b"Subject: a\n b"])
def test_a_stream_goes_on_where_all_readers_agree_on_the_end(odd: bytes) -> None:
    """RFC 3261 18.3: one odd byte does not cost a trunk the connection of its other calls."""
    header = b"\r\n".join([*LINES[:-1], odd, LINES[-1]]) + b"\r\n\r\n"
    message, goes_on = first_on_a_stream(header + BODY + AFTER)
    assert goes_on
    assert not read(message).startswith("b'")


@given(st.binary(max_size=40), st.sampled_from([b"\r\n", b"\n"]))
def test_a_body_is_never_changed(body: bytes, kind: bytes) -> None:
    """RFC 3261 7.4: whatever line breaks the header has."""
    lines = [*LINES[:-1], b"Content-Length: %d" % len(body)]
    assert parse(kind.join(lines) + 2 * kind + body).body == body
