from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given

from sip_stager.sip.fields import Malformed
from sip_stager.sip.message import Message, Request, Response
from sip_stager.sip.parser import MOST_LINES, check, check_body, parse
from tests.support.messages import request
from tests.support.torture import ANSWER, ANY_BYTES, INVALID, TORTURE, USUAL, VALID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCESSORS: dict[str, Callable[[Request], object]] = {
    "from_": lambda message: message.from_,
    "to": lambda message: message.to,
    "to_tag": lambda message: message.to_tag,
    "top_via": lambda message: message.top_via,
    "branch": lambda message: message.branch,
    "cseq": lambda message: message.cseq,
    "cseq_method": lambda message: message.cseq_method,
    "call_id": lambda message: message.call_id,
    "values": lambda message: [message.values(name) for name in message.names],
    "value": lambda message: [message.value(name) for name in message.names],
    "check_body": check_body,
    "uri": lambda message: message.uri,
    "check": check,
    "stamped": lambda message: message.stamped("192.0.2.1", 5060).top_via,
}
OF_REQUESTS = {"uri", "check", "stamped"}


def parsed(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def with_fields(*fields: bytes) -> Request:
    return parsed(b"\r\n".join([b"INVITE sip:a@b SIP/2.0", *fields, b"", b""]))


def outcome(access: Callable[[Request], object], message: Message) -> str:
    try:
        access(message)  # type: ignore[arg-type]
    except Malformed:
        return "malformed"
    return "value"


@given(ANY_BYTES)
@example(USUAL)
@example(ANSWER)
def test_any_bytes_parse_or_are_malformed_and_what_parses_is_written_back(data: bytes) -> None:
    try:
        message = parse(data)
    except Malformed:
        return
    wire = data.lstrip(b"\r\n")
    written = bytes(message)
    assert wire.startswith(written)
    if written != wire:  # only bytes past Content-Length may be left out
        assert int(message.value(b"content-length") or b"") == len(message.body)


@pytest.mark.parametrize("name", TORTURE)
def test_a_torture_message_that_parses_is_written_back(name: str) -> None:
    try:
        message = parse(TORTURE[name])
    except Malformed:
        assert name in INVALID
        return
    assert TORTURE[name].startswith(bytes(message))


@given(ANY_BYTES)
@example(USUAL)
@example(ANSWER)
def test_every_part_of_a_message_is_a_value_or_malformed(data: bytes) -> None:
    try:
        message = parse(data)
    except Malformed:
        return
    names = ACCESSORS if isinstance(message, Request) else ACCESSORS.keys() - OF_REQUESTS
    assert {outcome(ACCESSORS[name], message) for name in names} <= {"value", "malformed"}


@pytest.mark.parametrize("name", sorted(VALID.keys() - {"unreason", "noreason"}))
def test_a_valid_torture_request_passes_the_check(name: str) -> None:
    message = parsed(VALID[name])
    check(message)
    assert message.top_via.host
    assert message.from_.tag


def test_the_valid_torture_responses_are_read() -> None:
    assert isinstance(parse(VALID["noreason"]), Response)
    unreason = parse(VALID["unreason"])
    assert isinstance(unreason, Response)
    assert (unreason.status, unreason.reason[:2]) == (200, b"= ")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("badvers", 505),
        ("clerr", 400),
        ("insuf", 400),
        ("lwsstart", 400),
        ("mismatch01", 400),
        ("mismatch02", 400),
        ("multi01", 400),
        ("mcl01", 400),
        ("ncl", 400),
        ("scalar02", 400),
        ("trws", 400),
    ],
)
def test_a_torture_request_that_breaks_a_rule_we_need_fails_the_check(
    name: str, status: int
) -> None:
    with pytest.raises(Malformed) as fault:
        check(parsed(INVALID[name]))
    assert fault.value.status == status


def test_wsinv_is_read_through_all_its_white_space() -> None:
    message = parsed(VALID["wsinv"])
    assert message.cseq == (9, b"INVITE")
    assert message.to_tag == b"1918181833n"
    assert message.from_.tag == b"98asjd8"
    assert message.top_via.host == "192.0.2.2"
    assert message.branch == b"390skdjuw"
    assert len(message.values(b"via")) == 3


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        (b"v", b"via"),
        (b"V", b"via"),
        (b"f", b"from"),
        (b"i", b"call-id"),
        (b"l ", b"content-length"),
        (b"CALL-id\t ", b"call-id"),
        (b"x-Rounded-call-ID", b"x-rounded-call-id"),
    ],
)
def test_names_are_told_in_every_spelling(spelled: bytes, name: bytes) -> None:
    message = with_fields(spelled + b": 1")
    assert message.names == [name]
    assert message.value(name) == b"1"


@pytest.mark.parametrize("head", [b" folded: x", b"a b: x", b": x", b"no colon", b"Via\r\n : x"])
def test_a_field_without_a_name_is_malformed(head: bytes) -> None:
    with pytest.raises(Malformed):
        with_fields(head)


@pytest.mark.parametrize(
    "data",
    [
        b"INVITE sip:a@b SIP/2.0\nVia: x\n\n",
        b"INVITE sip:a@b SIP/2.0\r\nSubject: a\nX-Rounded-Call-Id: b\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nSubject: a\rb\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nSubject: a\r\n",
        b"",
        b"\r\n\r\n",
        b"INVITE sip:a@b\r\n\r\n",
        b"INVITE SIP/2.0\r\n\r\n",
        b"SIP/2.0 99 Low\r\n\r\n",
        b"SIP/2.0 700 High\r\n\r\n",
        b"SIP/2.0 2000 Long\r\n\r\n",
        b"SIP/3.0 200 OK\r\n\r\n",
    ],
)
def test_bare_line_breaks_and_start_lines_that_are_none_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data)


def test_a_message_with_too_many_fields_is_malformed() -> None:
    assert with_fields(*[b"A: 1"] * MOST_LINES).names
    with pytest.raises(Malformed):
        with_fields(*[b"A: 1"] * (MOST_LINES + 1))


def test_line_breaks_ahead_and_bytes_behind_the_body_are_left_out() -> None:
    message = parse(b"\r\n\r\n" + USUAL + b"BYE sip:a@b SIP/2.0\r\n\r\n")
    assert bytes(message) == USUAL
    assert message.body == b"v=0\r\n"


def test_a_folded_value_is_read_on_one_line_and_written_as_it_came() -> None:
    message = with_fields(b"Subject: I\r\n \t know\r\n\tyou")
    assert message.value(b"subject") == b"I know you"
    assert b"Subject: I\r\n \t know\r\n\tyou\r\n" in bytes(message)


def test_commas_in_quotes_and_angle_brackets_do_not_divide_values() -> None:
    field = b'Contact: "a,\\"b" <sip:a,b@c>;x="1,2" ,<sip:d@e>\r\n ,sip:f@g'
    assert with_fields(field, b"m: *").values(b"contact") == [
        b'"a,\\"b" <sip:a,b@c>;x="1,2"',
        b"<sip:d@e>",
        b"sip:f@g",
        b"*",
    ]


@pytest.mark.parametrize("to", [b'"a <sip:a@b>', b"<sip:a@b", b'"a\\" <sip:a@b>,'])
def test_quotes_and_brackets_that_do_not_close_are_malformed(to: bytes) -> None:
    message = with_fields(b"To: " + to, b"Route: <sip:a@b>, " + to)
    with pytest.raises(Malformed):
        _ = message.to
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
def test_the_tag_is_the_parameter_and_nothing_that_looks_like_it(value: bytes, tag: bytes) -> None:
    assert with_fields(b"To: " + value).to_tag == tag


@pytest.mark.parametrize(
    "cseq", [b"1", b"INVITE", b"1INVITE", b"-1 INVITE", b"2147483648 INVITE", b"1 IN VITE", b""]
)
def test_a_cseq_is_a_number_below_two_to_the_31_and_a_method(cseq: bytes) -> None:
    with pytest.raises(Malformed):
        _ = with_fields(b"CSeq: " + cseq).cseq
    assert with_fields(b"CSeq: 2147483647\t INVITE").cseq == (2147483647, b"INVITE")


@pytest.mark.parametrize(
    ("found", "written", "status"),
    [
        (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
        (b"To : ", b"f: <sip:x@y>\r\nTo : ", 400),
        (b"To : ", b"X: ", 400),
        (b"i: call-1@192.0.2.1", b"i: ", 400),
        (b"INVITE sip:", b"invite sip:", 400),
        (b"Max-Forwards: 70", b"Max-Forwards: 70\r\nMAX-forwards: 70", 400),
        (b"l: 5", b"l: 5\r\nContent-Length: 5", 400),
        (b"l: 5", b"l: 6", 400),
        (b"l: 5", b"l: five", 400),
        (b"l: 5", b"l: -1", 400),
        (b"INVITE sip:", b"INVITE  sip:", 400),
    ],
)
def test_the_check_names_the_status_of_what_is_wrong(
    found: bytes, written: bytes, status: int
) -> None:
    check(parsed(USUAL))
    assert found in USUAL
    with pytest.raises(Malformed) as fault:
        check(parsed(USUAL.replace(found, written)))
    assert fault.value.status == status


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


def test_the_first_value_is_removed_and_its_neighbours_stay_as_they_came() -> None:
    message = with_fields(b"Route:<sip:a,b;lr> ,\r\n <sip:c> , <sip:d>", b"rOUTE : <sip:e>")
    message = message.without_first(b"route")
    assert message.fields == [b"Route: <sip:c> , <sip:d>", b"rOUTE : <sip:e>"]
    message = message.without_first(b"route").without_first(b"route")
    assert message.fields == [b"rOUTE : <sip:e>"]
    message = message.without_first(b"route")
    assert message.names == message.fields == []
    with pytest.raises(ValueError, match="not in list"):
        message.without_first(b"route")


def test_a_request_is_stamped_in_its_top_via_alone() -> None:
    stamped = parsed(USUAL).stamped("203.0.113.9", 1024)
    expected = USUAL.replace(b";rport;", b";rport=1024;").replace(
        b'"a,b" ,', b'"a,b";received=203.0.113.9,'
    )
    assert bytes(stamped) == expected


def test_a_request_without_a_via_can_not_be_stamped() -> None:
    with pytest.raises(Malformed):
        with_fields(b"To: <sip:a@b>").stamped("192.0.2.1", 5060)


def test_the_response_keeps_its_own_bytes_when_edited() -> None:
    message = parse(ANSWER).without_first(b"via")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (200, b"OK")
    first = b" SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK-3,"
    assert bytes(message) == ANSWER.replace(first, b"")


def test_the_method_and_the_uri_are_as_they_came() -> None:
    message = request("INVITE", "SIP:A@B.example")
    assert message.uri_text == b"SIP:A@B.example"
    assert message.uri.host == "b.example"


@pytest.fixture
def watchdog() -> Iterator[None]:
    """End a test that has used a minute of the processor: backtracking would take hours."""

    def bark(*_: object) -> None:
        raise AssertionError("an expression backtracks over a run of equal characters")

    signal.signal(signal.SIGVTALRM, bark)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60.0)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)


BLANKS = b" " * 20000
RUNS = {
    "request line": b"INVITE" + BLANKS + b"x\r\n\r\n",
    "uri": b"INVITE sip:a@b" + BLANKS + b"x" + BLANKS + b"\r\n\r\n",
    "via": b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h" + BLANKS + b"x\r\n\r\n",
    "rport": b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;rport" + BLANKS + b"x\r\n\r\n",
    "to": b"INVITE sip:a@b SIP/2.0\r\nTo: a" + BLANKS + b"x\r\n\r\n",
    "from": b"INVITE sip:a@b SIP/2.0\r\nFrom: " + b"\x0b" * 20000 + b"x\r\n\r\n",
    "parameters": b"INVITE sip:a@b SIP/2.0\r\nTo: <a:b>" + b"; " * 9000 + b'"\r\n\r\n',
    "quotes": b"INVITE sip:a@b SIP/2.0\r\nTo: " + b'"' * 20001 + b"\r\n\r\n",
    "brackets": b"INVITE sip:a@b SIP/2.0\r\nTo: ," + b"<" * 20001 + b"\r\n\r\n",
    "tags": b"INVITE sip:a@b SIP/2.0\r\nTo: a" + b";tag=" * 9000 + b"\r\n\r\n",
    "backslashes": b'INVITE sip:a@b SIP/2.0\r\nTo: "' + b"\\" * 20001 + b"\r\n\r\n",
    "folds": b"INVITE sip:a@b SIP/2.0\r\nTo: a" + b"\r\n " * 9000 + b"\r\n\r\n",
}


@pytest.mark.usefixtures("watchdog")
@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_20000_characters_does_not_hold_the_program_up(name: str) -> None:
    try:
        message = parse(RUNS[name])
    except Malformed:
        return
    outcomes = {outcome(access, message) for access in ACCESSORS.values()}
    assert outcomes <= {"value", "malformed"}
