from __future__ import annotations

import pytest
from hypothesis import example, given

from sip_stager.model.flow import Flow
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Response
from sip_stager.sip.parser import parse
from tests.support.messages import request
from tests.support.reading import outcomes, parsed, with_fields
from tests.support.torture import ANSWER, ANY_BYTES, USUAL


@given(ANY_BYTES)
@example(USUAL)
@example(ANSWER)
def test_every_accessor_returns_a_value_or_raises_malformed(data: bytes) -> None:
    try:
        message = parse(data)
    except Malformed:
        return
    assert outcomes(message) <= {"value", "malformed"}


def test_commas_in_quotes_and_angle_brackets_do_not_split_values() -> None:
    field = b'Contact: "a,\\"b" <sip:a,b@c>;x="1,2" ,<sip:d@e>\r\n ,sip:f@g'
    assert with_fields(field, b"m: *").values(b"contact") == [
        b'"a,\\"b" <sip:a,b@c>;x="1,2"',
        b"<sip:d@e>",
        b"sip:f@g",
        b"*",
    ]


@pytest.mark.parametrize("to", [b'"a <sip:a@b>', b"<sip:a@b", b'"a\\" <sip:a@b>,'])
def test_unclosed_quotes_and_angle_brackets_of_a_route_are_malformed(to: bytes) -> None:
    message = with_fields(b"To: " + to, b"Route: <sip:a@b>, " + to)
    with pytest.raises(Malformed):
        message.values(b"route")


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (b"<sip:a@b>;tag=1", b"1"),
        (b"sip:a@b;tag=1", b"1"),
        (b"<sip:a@b;tag=uri>", b""),
        (b'";tag=name" <sip:a@b>', b""),
        (b'";tag=name" <sip:a@b;tag=uri> ; x="tag=9" ; TAG = 2', b"2"),
        (b"tag=name <sip:a@b>", b""),
        (b"<sip:a@b>;xtag=1", b""),
    ],
)
def test_the_tag_is_the_parameter_and_not_text_that_looks_like_it(value: bytes, tag: bytes) -> None:
    assert with_fields(b"To: " + value).to_tag == tag


def test_an_edit_keeps_every_other_byte() -> None:
    message = parsed(USUAL)
    assert bytes(message.without(b"subject")) == USUAL.replace(b"Subject:\r\n", b"")
    assert message.without(b"absent") is message
    assert bytes(message.with_first(b"x", b"X: 1")) == USUAL.replace(b"Via:", b"X: 1\r\nVia:", 1)
    assert bytes(message.with_last(b"x", b"X: 1")) == USUAL.replace(b"l: 5", b"l: 5\r\nX: 1")
    index = message.names.index(b"max-forwards")
    changed = message.with_field(index, b"Max-Forwards: 69")
    assert bytes(changed) == USUAL.replace(b": 70", b": 69")
    line = USUAL.partition(b"\r\n")[0]
    assert bytes(message.with_uri(b"sip:b@c")) == USUAL.replace(line, b"INVITE sip:b@c SIP/2.0")
    assert bytes(message) == USUAL


def test_without_removes_a_field_in_every_spelling() -> None:
    message = with_fields(b"v: a", b"X-y: 1", b"VIA : b", b"x-Y : 2")
    assert message.without(b"via").fields == [b"X-y: 1", b"x-Y : 2"]
    assert message.without(b"x-y").fields == [b"v: a", b"VIA : b"]


def test_removing_the_first_value_leaves_its_neighbours_unchanged() -> None:
    message = with_fields(b"Route:<sip:a,b;lr> ,\r\n <sip:c> , <sip:d>", b"rOUTE : <sip:e>")
    message = message.without_first(b"route")
    assert message.fields == [b"Route: <sip:c> , <sip:d>", b"rOUTE : <sip:e>"]
    message = message.without_first(b"route").without_first(b"route")
    assert message.fields == [b"rOUTE : <sip:e>"]
    message = message.without_first(b"route")
    assert (message.names, message.fields) == ((), [])
    with pytest.raises(KeyError):
        message.without_first(b"route")


def test_the_source_is_added_to_the_top_via_only() -> None:
    noted = parsed(USUAL)
    noted.note_source(Flow("UDP", "203.0.113.9", 1024))
    expected = USUAL.replace(b";rport;", b";rport=1024;").replace(
        b'"a,b" ,', b'"a,b";received=203.0.113.9,'
    )
    assert bytes(noted) == expected


def test_adding_the_source_to_a_request_without_a_via_is_malformed() -> None:
    with pytest.raises(Malformed):
        with_fields(b"To: <sip:a@b>").note_source(Flow("UDP", "192.0.2.1", 5060))


def test_an_edited_response_keeps_its_own_bytes() -> None:
    message = parse(ANSWER).without_first(b"via")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (200, b"OK")
    first = b" SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK-3,"
    assert bytes(message) == ANSWER.replace(first, b"")


def test_the_method_and_the_request_uri_are_kept_as_received() -> None:
    message = request("INVITE", "SIP:A@B.example")
    assert message.uri_text == b"SIP:A@B.example"
    assert message.uri.host == "b.example"
