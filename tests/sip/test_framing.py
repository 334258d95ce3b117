from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.framing import (
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    MAX_SKIPPED_BYTES,
    Framer,
)
from sip_stager.sip.parser import check_body, parse
from tests.support.reading import status_of
from tests.support.torture import ANSWER, ANY_BYTES, USUAL

SPACED = b"A: b\r\nCONTENT-length \t: \t 3\t\r\n\r\n\r\n\n"
STREAM = b"\r\n\r\n" + USUAL + ANSWER + b"\r\n" + SPACED + b"\r\n\r\n\r\n\r\n" + USUAL


def split(*segments: bytes) -> tuple[list[bytes], int]:
    framer = Framer()
    return [message for segment in segments for message in framer.feed(segment)], framer.pings


def split_to_the_end(segments: list[bytes]) -> tuple[list[bytes], str]:
    """Return the messages, and the reason why the stream ended, or an empty text."""
    framer, messages = Framer(), []
    try:
        for segment in segments:
            for message in framer.feed(segment):
                messages.append(message)  # noqa: PERF402  what came before the fault counts
    except Malformed as fault:
        return messages, str(fault)
    return messages, ""


def split_at(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(marks)]


def head(length: int) -> bytes:
    """Return the start of a message, up to the blank line, with a length in bytes."""
    fixed = b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\nX: "
    return fixed + b"x" * (length - len(fixed))


def test_several_messages_in_one_segment_are_split() -> None:
    assert split(STREAM) == ([USUAL, ANSWER, SPACED, USUAL], 3)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_segmentation_does_not_change_the_messages(places: list[int]) -> None:
    """RFC 3261 18.3."""
    assert split(*split_at(STREAM, places))[0] == [USUAL, ANSWER, SPACED, USUAL]


def test_a_stream_read_byte_by_byte_has_the_same_messages_and_keepalives() -> None:
    assert split(*(bytes([byte]) for byte in STREAM)) == split(STREAM)


@given(st.lists(ANY_BYTES, max_size=4), st.lists(st.integers(0, 5000), max_size=6))
@example([USUAL, b"BYE sip:a@b SIP/2.0\r\n\r\n"], [])
def test_segmentation_does_not_change_the_result_for_any_bytes(
    parts: list[bytes], places: list[int]
) -> None:
    stream = b"".join(parts)
    assert split_to_the_end(split_at(stream, places)) == split_to_the_end([stream])


def test_half_a_keepalive_waits_for_its_other_half() -> None:
    assert split(b"\r\n\r\n\r\n", b"\r\n") == split(b"\r\n" * 4) == ([], 2)


@pytest.mark.parametrize(
    ("segments", "pings"),
    [
        ([b"\r\n\r\n"], 1),
        ([b"\r\n", b"\r\n"], 1),
        ([b"\r", b"\n\r", b"\n"], 1),
        ([b"\r\n\r\n\r", b"\n\r\n"], 2),
        ([b"\r\n"], 0),
        ([b"\r\n", USUAL], 0),
        ([USUAL + b"\r\n", b"\r\n" + USUAL], 1),
        ([b"\n\n\n\n\r\n\r\n", b"\r\n\r\n"], 2),
    ],
)
def test_a_double_line_break_between_messages_is_a_keepalive(
    segments: list[bytes], pings: int
) -> None:
    assert split(*segments)[1] == pings


def test_endless_line_breaks_are_not_buffered() -> None:
    """RFC 3261 7.5: "Implementations processing SIP messages over stream-oriented transports MUST
    ignore any CRLF appearing before the start-line".
    """
    framer = Framer()
    for _ in range(10):
        assert list(framer.feed(b"\n" * MAX_HEADER_BYTES)) == []
    assert list(framer.feed(USUAL)) == [USUAL]


@pytest.mark.parametrize(
    "field",
    [b"X: 1", b"X-Content-Length: 1", b"Subject: a\r\n l: 1", b"Content-Length 1"],
)
def test_a_message_without_content_length_ends_the_stream(field: bytes) -> None:
    """RFC 3261 18.3: "The Content-Length header field MUST be used with stream oriented
    transports."
    """
    messages, why = split_to_the_end(
        [USUAL + b"BYE sip:a@b SIP/2.0\r\n" + field + b"\r\n\r\n" + USUAL]
    )
    assert messages == [USUAL]
    assert why


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: ",
        b"Content-Length: x",
        b"Content-Length: -1",
        b"Content-Length: 1 2",
        b"l: 99999999999",
        b"l: 5\r\nContent-Length: 5",
        b"l: 0\r\nX: y\r\nL : 5",
        b"l: 5\r\nl: x",
        b"l:\r\n 5\r\nl:\r\n 0",
    ],
)
def test_an_invalid_content_length_yields_the_header_and_ends_the_stream(
    field: bytes,
) -> None:
    """RFC 4475 3.1.2.3, 3.3.9: the request is rejected, and as "the framing error is not
    recoverable" the connection is closed, so that no part of a body is read as a message.
    """
    message = USUAL.replace(b"l: 5", field).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    messages, why = split_to_the_end([USUAL + message + USUAL])
    assert messages == [USUAL, message]
    assert why == "Content-Length is not one valid number"
    assert status_of(message) == 400


@pytest.mark.parametrize("length", [MAX_SKIPPED_BYTES + 1, 2**31])
def test_a_body_that_is_too_long_to_skip_ends_the_stream(length: int) -> None:
    """Beyond the RFCs: a body above 16 MiB ends the connection, after the response."""
    message = large(length)
    messages, why = split_to_the_end([USUAL + message + USUAL])
    assert messages == [USUAL, message]
    assert why == "the body is too long"
    assert body_status(message) == 513


@pytest.mark.parametrize("length", [MAX_BODY_BYTES + 1, 70_000, 1_000_000, MAX_SKIPPED_BYTES])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_body_above_the_limit_is_skipped_by_its_length(length: int, end: bytes) -> None:
    """RFC 3261 21.5.7: "The server was unable to process the request since the message length
    exceeded its capabilities."
    """
    message = large(length).replace(b"\r\n", end)
    body = (USUAL * (length // len(USUAL) + 1))[:length]
    framer = Framer()
    assert list(framer.feed(message + body[:70])) == [message]
    began = framer.mid_message
    for start in range(70, length, 500_000):
        assert list(framer.feed(body[start : start + 500_000])) == []
    assert framer.skipped == length
    assert (began, framer.mid_message) == (True, False)
    assert list(framer.feed(b"\r\n\r\n" + USUAL)) == [USUAL]
    assert framer.pings == 1
    assert body_status(message) == 513


def large(length: int) -> bytes:
    return b"BYE sip:a@b SIP/2.0\r\nl: %d\r\n\r\n" % length


def body_status(message: bytes) -> int:
    """Return the status that rejects a message for its body."""
    with pytest.raises(Malformed) as raised:
        check_body(parse(message))
    return raised.value.status


@given(st.lists(st.integers(0, 72_000), max_size=6))
def test_segmentation_does_not_change_what_is_skipped(places: list[int]) -> None:
    """RFC 3261 18.3."""
    stream = USUAL + large(70_000) + b"x" * 70_000 + ANSWER
    assert split(*split_at(stream, places))[0] == [USUAL, large(70_000), ANSWER]


def test_a_header_of_very_many_lines_is_framed_and_rejected_by_the_parser() -> None:
    message = b"A sip:a@b SIP/2.0\r\n" + b"a:\r\n" * 15000 + b"l:0\r\n\r\n"
    assert len(message) < MAX_HEADER_BYTES
    assert split(message + USUAL)[0] == [message, USUAL]
    with pytest.raises(Malformed, match="the header has more than 1000 lines"):
        parse(message)


@pytest.mark.parametrize(
    ("data", "mid_message"),
    [
        (b"", False),
        (b"\r\n", False),
        (b"\r\n\r\n\r", False),
        (USUAL, False),
        (USUAL + b"\r\n", False),
        (b"I", True),
        (USUAL[:-1], True),
        (USUAL + b"\r\nI", True),
    ],
)
def test_line_breaks_do_not_begin_a_message(data: bytes, *, mid_message: bool) -> None:
    framer = Framer()
    list(framer.feed(data))
    assert framer.mid_message is mid_message


def test_a_body_at_the_limit_is_accepted() -> None:
    message = b"A sip:a@b SIP/2.0\r\nl: %d\r\n\r\n" % MAX_BODY_BYTES + b"x" * MAX_BODY_BYTES
    assert split(message, USUAL)[0] == [message, USUAL]


@pytest.mark.parametrize("field", [b"X: 1", b"Content-Length 1"])
def test_a_request_without_content_length_is_yielded_without_its_end(field: bytes) -> None:
    """RFC 3261 18.3: it is rejected, and never taken for one without a body."""
    header = b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n" + field
    messages, why = split_to_the_end([header + b"\r\n\r\n" + USUAL])
    assert messages == [header]
    assert why
    with pytest.raises(Malformed):
        parse(header)


def test_a_request_with_too_long_a_header_is_yielded_cut() -> None:
    """RFC 3261 21.5.7: so that it is answered 513."""
    header = head(70_000).replace(b"l: 0\r\n", b"Via: SIP/2.0/TCP h\r\n")
    (cut,), why = split_to_the_end([header])
    assert header.startswith(cut)
    assert why == "the header is too long"
    with pytest.raises(Malformed) as raised:
        parse(cut)
    assert raised.value.status == 513


def test_the_header_limit_is_exact_in_any_segmentation() -> None:
    longest = head(MAX_HEADER_BYTES) + b"\r\n\r\n"
    for end in range(len(longest) - 5, len(longest)):
        assert split(longest[:end], longest[end:])[0] == [longest]
    too_long = head(MAX_HEADER_BYTES + 1) + b"\r\n\r\n"
    for segments in ([too_long], [too_long[:-4], too_long[-4:]], [too_long[:-1]]):
        with pytest.raises(Malformed):
            split(*segments)


def test_a_header_without_end_is_rejected_at_the_limit() -> None:
    with pytest.raises(Malformed):
        split(*[b"x" * 1000] * 70)


def test_a_folded_content_length_is_read() -> None:
    message = b"A sip:a@b SIP/2.0\r\nContent-Length:\r\n 2\r\n\r\nab"
    assert split(message + USUAL)[0] == [message, USUAL]


def test_a_segment_of_very_many_messages_is_split() -> None:
    message = b"A\r\nl:0\r\n\r\n"
    assert split(message * 20000) == ([message] * 20000, 0)
