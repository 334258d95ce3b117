"""The rules of RFC 3261 for the syntax of messages: 7, 8.1.1, 16.3 step 1, 18.3."""

from __future__ import annotations

import pytest
from hypothesis import example, given

from sip_stager.sip.field_grammar import MAX_VALUES, UNREADABLE, Malformed
from sip_stager.sip.message import Request
from sip_stager.sip.parser import MAX_HEADER_LINES, check_body, check_request, parse
from sip_stager.sip.uri import MAX_URI_BYTES
from tests.support.reading import answered, parsed, status_of, with_fields
from tests.support.torture import ANSWER, ANY_BYTES, INVALID, TORTURE, USUAL


def changed(*edits: tuple[bytes, bytes]) -> bytes:
    """Return the usual INVITE with replacements, each of which must occur."""
    data = USUAL
    for found, written in edits:
        assert data.count(found) == 1, found
        data = data.replace(found, written)
    return data


@given(ANY_BYTES)
@example(USUAL)
@example(ANSWER)
def test_any_bytes_are_malformed_or_parse_and_serialize_unchanged(data: bytes) -> None:
    """RFC 3261 7: any bytes are malformed, or a message that serializes as it was received."""
    try:
        message = parse(data)
    except Malformed:
        return
    wire = data.lstrip(b"\r\n")
    written = bytes(message)
    line = len(message.start_line)
    assert written[:line].upper() == wire[:line].upper()  # the version is written in upper case
    assert wire[line:].startswith(written[line:])
    if len(written) != len(wire):  # only bytes after Content-Length may be dropped
        assert int(message.value(b"content-length") or b"") == len(message.body)


@pytest.mark.parametrize("name", TORTURE)
def test_a_torture_message_that_parses_serializes_unchanged(name: str) -> None:
    try:
        message = parse(TORTURE[name])
    except Malformed:
        assert name in INVALID
        return
    assert TORTURE[name].startswith(bytes(message))


# 7, 7.1, 7.2: start lines


@pytest.mark.parametrize(
    "data",
    [
        b"INVITE sip:a@b SIP/2.0\nVia: x\r\n\n",
        b"INVITE sip:a@b SIP/2.0\nVia: x\n\r\n",
        b"INVITE sip:a@b SIP/2.0\rVia: x\r\r",
        b"INVITE sip:a@b SIP/2.0\nVia: x\n",
        b"INVITE sip:a@b SIP/2.0\r\nSubject: a\nX-Rounded-Call-Id: b\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nSubject: a\rb\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nSubject: a\r\n",
        b"",
        b"\r\n\r\n",
    ],
)
def test_each_line_ends_with_cr_lf_and_an_empty_one_ends_the_header(data: bytes) -> None:
    """7: "... each message-header line, and the empty line MUST be terminated by a
    carriage-return line-feed sequence (CRLF)."

    A message that mixes line breaks is rejected: the end of its fields is ambiguous.
    """
    with pytest.raises(Malformed):
        parse(data)


@pytest.mark.parametrize(
    "line",
    [
        b"INVITE sip:a@b",
        b"INVITE SIP/2.0",
        b"INVITE",
        b"IN(VITE sip:a@b SIP/2.0",
        b"INVITE sip:a@b SIP/2",
        b"INVITE sip:a@b HTTP/1.1",
        b"SIP/2.0 99 Low",
        b"SIP/2.0 700 High",
        b"SIP/2.0 2000 Long",
        b"SIP/2.0 200",
        b"SIP/3.0 200 OK",
    ],
)
def test_a_start_line_is_a_request_line_or_a_status_line(line: bytes) -> None:
    """7: "start-line = Request-Line / Status-Line"."""
    with pytest.raises(Malformed):
        parse(USUAL.replace(USUAL.partition(b"\r\n")[0], line))


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (b"INVITE sip:", b"INVITE  sip:"),
        (b"INVITE sip:", b"INVITE\tsip:"),
        (b" SIP/2.0\r\nVia", b"  SIP/2.0\r\nVia"),
        (b" SIP/2.0\r\nVia", b" SIP/2.0 \r\nVia"),
        (b"user=phone", b"user =phone"),
    ],
)
def test_a_request_line_has_exactly_two_spaces(found: bytes, written: bytes) -> None:
    """RFC 3261 7.1: "No linear whitespace (LWS) is allowed in any of the elements." """
    assert status_of(changed((found, written))) == 400


@pytest.mark.parametrize("uri", [b"<sip:a@b>", b"sip:a\x01@b", b"sip:a\x7f@b", b"sip:a\x00@b"])
def test_a_request_uri_has_no_brackets_and_no_control_characters(uri: bytes) -> None:
    """RFC 3261 7.1: "The Request-URI MUST NOT contain unescaped spaces or control characters and
    MUST NOT be enclosed in "<>"."
    """
    line = USUAL.partition(b"\r\n")[0]
    assert status_of(USUAL.replace(line, b"INVITE " + uri + b" SIP/2.0")) == 400


def test_the_version_is_read_in_any_case_and_written_in_upper_case() -> None:
    """RFC 3261 7.1: "The SIP-Version string is case-insensitive, but implementations MUST send
    upper-case."
    """
    request = parsed(changed((b" SIP/2.0\r\nVia", b" sIp/2.0\r\nVia")))
    check_request(request)
    assert bytes(request) == USUAL
    assert bytes(answered(b"sip" + ANSWER[3:])) == ANSWER


def test_another_version_gets_505_whatever_its_via() -> None:
    """RFC 3261 21.5.6: "The server does not support, or refuses to support, the SIP protocol
    version that was used in the request."
    """
    assert status_of(changed((b" SIP/2.0\r\nVia", b" SIP/7.0\r\nVia"))) == 505
    assert status_of(INVALID["badvers"]) == 505


def test_methods_are_case_sensitive() -> None:
    """RFC 3261 7.1 and 25.1: method names are tokens that are compared by case."""
    request = parsed(changed((b"INVITE sip:", b"iNVITE sip:"), (b" INVITE\r\n", b" iNVITE\r\n")))
    check_request(request)
    assert request.method == b"iNVITE"


@pytest.mark.parametrize("phrase", [b"", b"= 2**3", "Größe".encode(), b"\xff\x00"])
def test_a_reason_phrase_is_any_text(phrase: bytes) -> None:
    """RFC 3261 7.2: "A client is not required to examine or display the Reason-Phrase." """
    data = ANSWER.replace(b"200 OK", b"200 " + phrase)
    assert (answered(data).reason, bytes(answered(data))) == (phrase, data)


# 7.3: header fields


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        (b"CALL-id\t ", b"call-id"),
        (b"x-Rounded-call-ID", b"x-rounded-call-id"),
        (b"X-Rounded-Call-Id \t ", b"x-rounded-call-id"),
        (b"C%6Fntact", b"c%6fntact"),
        *((compact, long) for compact, long in [(b"v", b"via"), (b"V", b"via"), (b"f", b"from")]),
        *((compact, long) for compact, long in [(b"i", b"call-id"), (b"l ", b"content-length")]),
        *((compact, long) for compact, long in [(b"t", b"to"), (b"m", b"contact")]),
    ],
)
def test_a_field_name_is_read_in_every_spelling(spelled: bytes, name: bytes) -> None:
    """RFC 3261 7.3.1: "When comparing header fields, field names are always case-insensitive."
    7.3.3: "Implementations MUST accept both the long and short forms of each header name."
    """
    message = with_fields(spelled + b": 1")
    assert message.names == (name,)
    assert message.value(name) == b"1"


@pytest.mark.parametrize("field", [b" folded: x", b"\tfolded: x"])
def test_a_header_cannot_begin_with_a_fold(field: bytes) -> None:
    """RFC 3261 7.3.1: a folded line belongs to the one ahead of it, and there is none."""
    with pytest.raises(Malformed):
        with_fields(field, b"To: <sip:a@b>")


@pytest.mark.parametrize(
    "field",
    [
        *(b"a b: x", b": x", b"no colon", b"Via\r\n : x", b"Via", b"To\x00: <sip:c@d>"),
        *(b"a\x00: x", b"a\x0b: x", b"a\x85: x", b"\xc3\xa4: x", b'"a": x', b"a(b): x", b"@: x"),
    ],
)
def test_a_line_without_a_readable_name_is_no_field_and_passes_as_it_came(field: bytes) -> None:
    """RFC 3261 16.3: what a proxy does not need decides over no message."""
    message = with_fields(field, b"To: <sip:a@b>")
    assert message.names == (UNREADABLE, b"to")
    assert message.value(b"to") == b"<sip:a@b>"
    assert message.value(b"via") is None
    assert field in bytes(message)


def test_a_folded_value_is_read_on_one_line_and_written_as_received() -> None:
    """RFC 3261 7.3.1: "The line break and the whitespace at the beginning of the next line are
    treated as a single SP character."
    """
    message = with_fields(b"Subject: I\r\n \t know\r\n\tyou")
    assert message.value(b"subject") == b"I know you"
    assert b"Subject: I\r\n \t know\r\n\tyou\r\n" in bytes(message)


@pytest.mark.parametrize(
    "field", [b"Subject:lunch", b"Subject : lunch", b"Subject:\t lunch  ", b"Subject:\r\n lunch"]
)
def test_white_space_around_a_value_is_not_part_of_it(field: bytes) -> None:
    """RFC 3261 7.3.1: "The formal grammar for a message-header specified in Section 25 allows for
    an arbitrary amount of whitespace on either side of the colon".
    """
    assert with_fields(field).value(b"subject") == b"lunch"


@pytest.mark.parametrize(
    "fields",
    [
        (b"Route: <sip:a>", b"Subject: x", b"Route: <sip:b>", b"Route: <sip:c>"),
        (b"Route: <sip:a>, <sip:b>", b"Subject: x", b"Route: <sip:c>"),
        (b"Subject: x", b"Route: <sip:a>", b"ROUTE :<sip:b>,\r\n <sip:c>"),
    ],
)
def test_rows_of_one_name_are_one_list(fields: tuple[bytes, ...]) -> None:
    """RFC 3261 7.3.1: "It MUST be possible to combine the multiple header field rows into one
    "field-name: field-value" pair, without changing the semantics of the message, by appending each
    subsequent field-value to the first, each separated by a comma."
    """
    message = with_fields(*fields)
    assert message.values(b"route") == [b"<sip:a>", b"<sip:b>", b"<sip:c>"]
    assert message.first(b"route") == b"<sip:a>"
    assert message.without_first(b"route").values(b"route") == [b"<sip:b>", b"<sip:c>"]


def test_unknown_fields_are_kept() -> None:
    """RFC 3261 16.3 step 1: "Any other components, well-formed or not, SHOULD be ignored and remain
    unchanged when the message is forwarded."
    """
    strange = b"Date: never\r\nNew!: ;;,,\xff\r\nX-\xe2\x82: 1\r\nno colon\r\n"
    data = changed((b"Subject:\r\n", strange))
    assert not status_of(data)
    assert bytes(parse(data)) == data


# 7.4, 18.3: bodies, and the end of a message


def test_a_body_is_opaque_bytes() -> None:
    """RFC 3261 7.4: "All responses MAY include a body", and a request; it is not parsed."""
    body = bytes(range(256)) + b"\r\n\r\nINVITE sip:a@b SIP/2.0\r\n"
    data = USUAL.replace(b"l: 5", b"l: %d" % len(body)).replace(
        b"\r\n\r\nv=0\r\n", b"\r\n\r\n" + body
    )
    assert parsed(data).body == body
    assert bytes(parsed(data)) == data


def test_line_breaks_ahead_of_the_start_line_are_ignored() -> None:
    """RFC 3261 7.5: "Implementations processing SIP messages over stream-oriented transports MUST
    ignore any CRLF appearing before the start-line"; so also over UDP.
    """
    assert bytes(parse(b"\r\n\r\n" + USUAL)) == USUAL


def test_bytes_after_the_body_are_discarded() -> None:
    """RFC 3261 18.3: "If there are additional bytes in the transport packet beyond the end of the
    body, they MUST be discarded."
    """
    assert bytes(parse(USUAL + b"BYE sip:a@b SIP/2.0\r\n\r\n")) == USUAL
    assert parse(changed((b"l: 5", b"l: 0"))).body == b""


def test_a_request_with_a_short_body_gets_400_and_a_response_is_dropped() -> None:
    """RFC 3261 18.3: "If the transport packet ends before the end of the message body, this is
    considered an error. If the message is a response, it MUST be discarded. If the message is a
    request, the element SHOULD generate a 400 (Bad Request) response."
    """
    assert status_of(changed((b"l: 5", b"l: 6"))) == 400
    with pytest.raises(Malformed):
        check_body(answered(ANSWER.replace(b"Content-Length: 0", b"Content-Length: 1")))


def test_without_content_length_the_datagram_is_the_body() -> None:
    """RFC 3261 18.3: "If the message has no Content-Length header field, the message body is
    assumed to end at the end of the transport packet."
    """
    data = changed((b"l: 5\r\n", b"")) + b"s=-\r\n"
    assert parsed(data).body == b"v=0\r\ns=-\r\n"
    assert not status_of(data)


@pytest.mark.parametrize(
    "length", [b"-1", b"five", b"", b"+5", b"5.0", b"5, 5", b"5;x", b"0x5", b"5 5", b"\xb2"]
)
def test_a_content_length_is_digits(length: bytes) -> None:
    """RFC 3261 20.14: "Any Content-Length greater than or equal to zero is a valid value." """
    assert status_of(changed((b"l: 5", b"l: " + length))) == 400
    assert not status_of(changed((b"l: 5", b"l: 0005")))


# 8.1.1: the fields of every request


@pytest.mark.parametrize("name", [b"f", b"To ", b"i", b"CSeq"])
def test_a_request_has_to_from_cseq_and_call_id_once_each(name: bytes) -> None:
    """RFC 3261 8.1.1: "A valid SIP request formulated by a UAC MUST, at a minimum, contain the
    following header fields: To, From, CSeq, Call-ID, Max-Forwards, and Via".
    """
    lost = changed((b"\r\n" + name + b":", b"\r\nX:"))
    assert status_of(lost) == 400
    twice = changed((b"l: 5", b"l: 5\r\n" + name + b": <sip:x@y>"))
    assert status_of(twice) == 400


@pytest.mark.parametrize("field", [b"MAX-forwards: 70", b"Content-Length: 5"])
def test_a_single_value_field_occurs_once(field: bytes) -> None:
    """RFC 3261 7.3.1: "Multiple header field rows with the same field-name MAY be present in a
    message if and only if the entire field-value for that header field is defined as a
    comma-separated list."
    """
    assert status_of(changed((b"Subject:", field + b"\r\nSubject:"))) == 400


@pytest.mark.parametrize(
    "field",
    [b"<sip:x@y>, <sip:z@y>", b"sip:x@y, sip:z@y", b"A, B <sip:x@y>, C <sip:z@y>", b"A, B", b'"'],
)
def test_from_and_to_are_one_address_each(field: bytes) -> None:
    """RFC 3261 20.10: a comma outside of quotes and brackets makes a list."""
    assert status_of(changed((b"To : <tel:+33612345678;phone-context=x>", b"To: " + field))) == 400
    assert status_of(changed((b"f: ", b"f: <sip:x@y>;tag=1, "))) == 400


def test_display_names_do_not_make_a_request_invalid() -> None:
    """Beyond RFC 3261 25.1: commas and open quotes of a name are read by the last brackets."""
    for field in (
        b'"a <sip:x@y>',
        b"a, b <sip:x@y>",
        b'""a, b"" <sip:x@y>',
        b"a; <b>, c <sip:x@y>",
    ):
        given = (b"To : <tel:+33612345678;phone-context=x>", b"To: " + field)
        assert not status_of(changed(given)), field
    assert not status_of(changed((b'Lice\\""', b'Lice\\"')))
    assert not status_of(changed((b"To : <tel:+33612345678;phone-context=x>", b"To: <sip:a,b@c>")))


def test_a_request_without_max_forwards_is_valid() -> None:
    """RFC 3261 16.6 step 3: "If the copy does not contain a Max-Forwards header field, the proxy
    MUST add one", so its absence is valid.
    """
    assert not status_of(changed((b"Max-Forwards: 70\r\n", b"")))


@pytest.mark.parametrize(
    "cseq",
    [
        *(b"1", b"INVITE", b"1INVITE", b"-1 INVITE", b"2147483648 INVITE", b"1 IN VITE", b""),
        *(b"1.0 INVITE", b"00000000001 INVITE", b"1 INVITE, 2 INVITE", b"\xb2 INVITE"),
    ],
)
def test_a_cseq_is_a_number_below_two_to_the_31_and_a_method(cseq: bytes) -> None:
    """RFC 3261 8.1.1.5: "The sequence number value MUST be expressible as a 32-bit unsigned integer
    and MUST be less than 2**31."
    """
    with pytest.raises(Malformed):
        _ = with_fields(b"CSeq: " + cseq).cseq
    assert with_fields(b"CSeq: 2147483647\t INVITE").cseq == (2147483647, b"INVITE")
    assert status_of(changed((b"CSeq: 1\r\n\t INVITE", b"CSeq: " + cseq))) == 400


def test_the_cseq_method_is_that_of_the_request() -> None:
    """RFC 3261 8.1.1.5: "The method MUST match that of the request." An unregistered method
    gets 501 instead (RFC 4475 3.1.2.18).
    """
    assert status_of(changed((b"\t INVITE", b"\t invite"))) == 400
    assert status_of(changed((b"INVITE sip:", b"invite sip:"))) == 501


def test_a_call_id_is_any_word_and_compared_byte_by_byte() -> None:
    """RFC 3261 8.1.1.4: "Call-IDs are case-sensitive and are simply compared byte-by-byte." """
    assert with_fields(b'i: wOrd()<>:\\"/[]?{}@X').call_id == b'wOrd()<>:\\"/[]?{}@X'
    assert status_of(changed((b"i: call-1@192.0.2.1", b"i: "))) == 400


def test_a_via_with_invalid_parameters_still_has_an_address_to_respond_to() -> None:
    """RFC 3261 16.3 step 1: "The message MUST be well-formed enough to be handled with a server
    transaction."
    """
    for broken in (b";;branch=1", b';branch=1;x="', b";", b";=1"):
        data = changed((b';rport;branch=z9hG4bK-1;x="a,b" , SIP/2.0/TCP [::1]', broken))
        assert status_of(data) == 400, broken
        via = parsed(data).top_via
        assert (via.host, via.port, via.branch) == ("192.0.2.1", 5060, b"")


# Limits on what a stranger can cost


def test_a_message_with_too_many_lines_is_rejected() -> None:
    """Beyond the RFCs: a message has at most 1,000 lines of header, by setting; past it a request
    gets 513.
    """
    assert with_fields(*[b"A: 1"] * MAX_HEADER_LINES).names
    for fields in ([b"A: 1"] * (MAX_HEADER_LINES + 1), [b"A: 1" + b"\r\n " * MAX_HEADER_LINES]):
        with pytest.raises(Malformed) as raised:
            with_fields(*fields)
        assert raised.value.status == 513


def test_the_limit_on_lines_is_that_of_the_settings() -> None:
    data = b"\r\n".join([b"INVITE sip:a@b SIP/2.0", *[b"A: 1"] * 80, b"", b""])
    assert parse(data, 80).names
    with pytest.raises(Malformed):
        parse(data.replace(b"A: 1", b"A: 1\r\nB: 2", 1), 80)


def test_the_number_of_values_in_a_list_is_limited() -> None:
    """Beyond the RFCs: a list has at most 256 values.

    Beyond the RFCs: a longer Route gets 400; a longer Via is dropped, without an address to
    respond to.
    """
    longest = b"Route: " + b",".join([b"<sip:a>"] * (MAX_VALUES + 1))
    assert len(with_fields(longest).values(b"route")) == MAX_VALUES + 1
    with pytest.raises(Malformed) as fault:
        with_fields(longest + b",<sip:a>").values(b"route")
    assert fault.value.status == 400


def test_the_number_of_parameters_is_limited() -> None:
    """Beyond the RFCs: a value has at most 256 parameters; more get 400."""
    assert not status_of(changed((b";rport;", b";a" * (MAX_VALUES - 4) + b";rport;")))
    assert status_of(changed((b";rport;", b";a" * MAX_VALUES + b";rport;"))) == 400


def test_a_request_uri_above_the_limit_gets_414() -> None:
    """RFC 3261 21.4.12: "The server is refusing to service the request because the Request-URI is
    longer than the server is willing to interpret." Any other URI gets 400.
    """
    line = USUAL.partition(b"\r\n")[0]
    longest = b"sip:" + b"a" * (MAX_URI_BYTES - 4)
    for uri, status in ((longest, 0), (longest + b"a", 414)):
        data = USUAL.replace(line, b"INVITE " + uri + b" SIP/2.0")
        assert status_of(data) == status
    with pytest.raises(Malformed) as fault:
        _ = with_fields(b"From: <" + longest + b"a>").from_
    assert fault.value.status == 400


def test_every_torture_request_gets_its_status() -> None:
    """The responses of the whole core are in tests/proxy/test_rfc4475.py."""
    found = {}
    for name, data in TORTURE.items():
        try:
            message = parse(data)
        except Malformed:
            continue
        if isinstance(message, Request) and (status := status_of(data)):
            found[name] = status
    assert found == {
        **dict.fromkeys(("badinv01", "clerr", "insuf", "ltgtruri", "lwsruri", "lwsstart"), 400),
        **dict.fromkeys(("mcl01", "mismatch01", "multi01", "ncl", "scalar02", "trws"), 400),
        "badvers": 505,
        "mismatch02": 501,
    }
