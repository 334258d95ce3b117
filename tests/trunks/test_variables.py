"""A variable is a constant or a template; one whose source the call lacks is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.model.call import Call
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from sip_stager.trunks.placeholders import Facts
from sip_stager.trunks.variables import (
    BUILT_IN,
    MAX_TOTAL_LENGTH,
    MAX_VALUE_LENGTH,
    CallVariables,
    InvalidVariable,
    check_name,
    compile_variable,
)

if TYPE_CHECKING:
    from sip_stager.model.call import Value

NUMBER = "+33612345678"
FACTS = Facts("+33912345678", NUMBER, "paris", "192.0.2.1", "FR")
ANONYMOUS = FACTS._replace(caller="", anonymous=True)
HEADERS = b"""\
From: "Zo\xc3\xab \\"Z\\" " <sip:+33912345678@carrier;cpc=ordinary>;tag=from-tag
X-Customer: Smith, John;id=42
X-Folded: one
 two
X-Control: a\x00b\x1b[31mc
X-Broken: caf\xe9
X-Empty:
X-Quoted: v;note="a \\"b\\"; c";flag
P-Asserted-Identity: "A, B" <tel:+33912345678;cpc=payphone>, <sip:second@carrier>
Diversion: <sip:0145678901@carrier>;reason=unconditional, <sip:older@carrier>
u2u: not-the-header
User-to-User: 56a390f3d2b7;encoding=hex
Authorization: Digest response=secret
""".replace(b"\n", b"\r\n")


def invite(
    headers: bytes = HEADERS, uri: bytes = b"sip:%2B33612345678@edge;custom=7;lr"
) -> Request:
    message = parse(
        b"INVITE " + uri + b" SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
        b"To: <sip:x@edge>\r\nCall-ID: abc\r\nCSeq: 1 INVITE\r\n" + headers + b"\r\n"
    )
    assert isinstance(message, Request)
    return message


def filled(text: Value, facts: Facts = FACTS, request: Request | None = None) -> Value | None:
    """Return the value of one variable, None if it is left out."""
    variables = CallVariables({"v": text}).fill(request or invite(), facts, NUMBER)
    return variables.get("v")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("costs $$5", "costs $5"),
        ("$${caller}", "${caller}"),
        ("${caller}", "+33912345678"),
        ("${called}", NUMBER),
        ("${trunk}/${source}", "paris/192.0.2.1"),
        ("${display_name}", 'Zoë "Z"'),
        ("${request_uri}", "sip:%2B33612345678@edge;custom=7;lr"),
        ("${request_uri.user}", NUMBER),
        ("${request_uri;custom}", "7"),
        ("${request_uri;lr}", "true"),
        ("${request_uri;none}", None),
        ("${diversion}", "+33145678901"),
        ("${header:Diversion;reason}", "unconditional"),
        ("${user_to_user}", "56a390f3d2b7"),
        ("${header:User-to-User;encoding}", "hex"),
        ("${header:X-Customer}", "Smith, John;id=42"),
        ("${header:x-CUSTOMER;ID}", "42"),
        ("${header:X-Folded}", "one two"),
        ("${header:X-Control}", "a b [31mc"),
        ("${header:X-Broken}", "caf�"),
        ("${header:X-Quoted;note}", 'a "b"; c'),
        ("${header:X-Quoted;flag}", "true"),
        ("${header:P-Asserted-Identity}", '"A, B" <tel:+33912345678;cpc=payphone>'),
        ("${header:P-Asserted-Identity;cpc}", "payphone"),
        ("${header:From;tag}", "from-tag"),
        ("${header:f;cpc}", "ordinary"),
        ("a ${header:X-Customer;id} b", "a 42 b"),
        ("${header:X-None}", None),
        ("a ${header:X-None} b", None),
        ("${header:X-None|nobody}", "nobody"),
        ("${header:X-None|}", ""),
        ("${header:X-Empty}", None),
        ("${header:X-Empty|none}", "none"),
        ("${header:X-Customer;none|5}", "5"),
    ],
)
def test_a_template_is_filled_from_the_call(text: Value, value: Value | None) -> None:
    assert filled(text) == value


@pytest.mark.parametrize(
    "source",
    [
        "caller",
        "display_name",
        "header:From",
        "header:f;tag",
        "header:P-Asserted-Identity",
        "header:P-Asserted-Identity;cpc",
    ],
)
def test_no_variable_identifies_an_anonymous_caller(source: str) -> None:
    assert filled(f"${{{source}}}") is not None
    assert filled(f"${{{source}}}", ANONYMOUS) is None
    assert filled(f"${{{source}|private}}", ANONYMOUS) == "private"


@pytest.mark.parametrize(
    ("privacy", "said"),
    [("full", None), ('"uri"', None), ("name", "+33145678901"), ("off", "+33145678901")],
)
def test_a_diverting_number_may_be_private_too(privacy: str, said: str | None) -> None:
    diverted = invite(f"Diversion: <sip:+33145678901@pbx>;privacy={privacy}\r\n".encode())
    assert filled("${diversion}", request=diverted) == said


@pytest.mark.parametrize("source", ["header:Subject", "header:s", "header:User-Agent"])
@pytest.mark.parametrize(("privacy", "given"), [("id", "Zoe"), ("user", None), ("full", None)])
def test_the_privacy_of_a_user_withholds_what_a_user_agent_says(
    source: str, privacy: str, given: str | None
) -> None:
    """RFC 3323 5.3: the upstream does not get these fields, either."""
    fields = f"Subject: Zoe\r\nUser-Agent: Zoe\r\nPrivacy: {privacy}\r\n"
    assert filled(f"${{{source}}}", ANONYMOUS, invite(fields.encode())) == given


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("DOE, JANE ", "DOE, JANE"),
        ('"DOE JA ', "DOE JA"),
        ('""DOE JANE"" ', "DOE JANE"),
        ("A; B ", "A; B"),
        ("", None),
    ],
)
def test_a_display_name_is_shown_whatever_its_quotes(name: str, shown: str | None) -> None:
    odd = invite(f"From: {name}<sip:+33912345678@carrier>;tag=1\r\n".encode())
    assert filled("${display_name}", request=odd) == shown


def test_other_variables_of_an_anonymous_caller_are_filled() -> None:
    assert filled("${called} ${header:X-Customer;id} ${diversion}", ANONYMOUS) == (
        f"{NUMBER} 42 +33145678901"
    )


@pytest.mark.parametrize(
    ("value", "wrong", "right"),
    [
        ("costs $5", "does not start a placeholder", '"$$" for a dollar sign'),
        ("${caller", "does not start a placeholder", '"$$" for a dollar sign'),
        ("${Caller}", '"${Caller}" is not a source', "write one of caller, called"),
        ("${}", "is not a source", "write one of"),
        ("${caller;x}", "is not a source", "write one of"),
        ("${header:}", "is not a source", "the header's name"),
        ("${header:X Y}", "is not a source", "the header's name"),
        ("${header:É}", "is not a source", "the header's name"),
        ("${header:X;}", "is not a source", "the parameter's name"),
        ("${header:Authorization}", "is not a source", "credentials"),
        ("${a${b}}", "does not start a placeholder", '"$$" for a dollar sign'),
        ("x" * (MAX_VALUE_LENGTH + 1), "has 1025 characters", "at most 1024"),
        (["x"], "is a list", "write a text, a number"),
        ({"x": 1}, "is a table", "write a text, a number"),
        (None, "is a date", "a date is a text"),
        (float("nan"), "is nan", "between -2^53 and 2^53"),
        (float("inf"), "is inf", "between -2^53 and 2^53"),
        (2**60, "is 1152921504606846976", "between -2^53 and 2^53"),
    ],
)
def test_an_invalid_variable_is_refused_with_the_remedy(
    value: object, wrong: str, right: str
) -> None:
    with pytest.raises(InvalidVariable) as caught:
        compile_variable(value)
    assert wrong in caught.value.wrong
    assert right in caught.value.right


@pytest.mark.parametrize("name", [*sorted(BUILT_IN), "", "a b", "é", "x" * 65])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidVariable):
        check_name(name)
    check_name("customer_name-2.x")


def test_variables_of_a_number_override_its_trunks_and_those_the_rest() -> None:
    variables = CallVariables(
        {"a": "all", "b": "all", "c": "all"},
        {"paris": {"b": "trunk", "c": "trunk"}},
        {NUMBER: {"c": "${called}"}},
    )
    request = invite()
    assert variables.fill(request, FACTS, NUMBER) == {"a": "all", "b": "trunk", "c": NUMBER}
    assert variables.fill(request, FACTS, "other") == {"a": "all", "b": "trunk", "c": "trunk"}
    elsewhere = FACTS._replace(trunk="lyon")
    assert variables.fill(request, elsewhere, "other") == {"a": "all", "b": "all", "c": "all"}


def test_too_long_a_value_is_missing_and_never_cut() -> None:
    lengths = (
        (b"X-Long", MAX_VALUE_LENGTH),
        (b"X-Longer", MAX_VALUE_LENGTH + 1),
        (b"X-Vast", 5000),
    )
    request = invite(b"".join(b"%b: %b\r\n" % (name, b"x" * size) for name, size in lengths))
    assert filled("${header:X-Long}", request=request) == "x" * MAX_VALUE_LENGTH
    assert filled("a${header:X-Long}", request=request) is None
    assert filled("a${header:X-Longer}", request=request) is None
    assert filled("${header:X-Longer|none}", request=request) == "none"
    assert filled("${header:X-Vast|none}", request=request) == "none"


def test_the_total_length_of_a_calls_variables_is_bounded() -> None:
    request = invite(b"X-Long: " + b"x" * 1000 + b"\r\n")
    table: dict[str, Value] = {f"v{number:02}": "${header:X-Long}" for number in range(60)}
    found = CallVariables(table | {"zz": 1}).fill(request, FACTS, NUMBER)
    assert list(found) == [*(f"v{number:02}" for number in range(8)), "zz"]
    assert sum(len(name) + len(str(value)) for name, value in found.items()) <= MAX_TOTAL_LENGTH


EVERY_SOURCE: dict[str, Value] = {
    str(number): f"${{{source}}}"
    for number, source in enumerate(
        (
            *("caller", "called", "display_name", "diversion", "user_to_user", "request_uri"),
            *("request_uri.user", "request_uri;p", "header:X", "header:X;p", "header:Diversion"),
            *("header:From;p", "header:P-Asserted-Identity;p"),
        )
    )
}


@given(st.binary(max_size=200), st.sampled_from([b"From", b"X", b"Diversion", b"User-to-User"]))
def test_no_header_field_raises_or_yields_a_control_character(value: bytes, name: bytes) -> None:
    value = value.replace(b"\r", b"").replace(b"\n", b"")
    request = invite(name + b": " + value + b"\r\n")
    for found in CallVariables(EVERY_SOURCE).fill(request, FACTS, NUMBER).values():
        assert isinstance(found, str)
        assert found.isprintable()


@given(st.binary(min_size=1, max_size=100))
def test_no_request_uri_raises(uri: bytes) -> None:
    uri = b"sip:" + bytes(byte for byte in uri if byte > 0x20)
    CallVariables(EVERY_SOURCE).fill(invite(uri=uri), FACTS, NUMBER)


def test_the_text_of_a_call_does_not_show_its_variables() -> None:
    call = Call("x@h", "t", "+33612345678", "+33123456789", "a", 4.0, variables={"name": "secret"})
    assert "secret" not in repr(call)
    assert repr(call).startswith("Call(call_id='x@h', trunk='t', from_number='+33612345678', ")
