from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.uri import MAX_URI_BYTES, as_request_uri, bracketed, parse_address, parse_uri


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        (b"sip:b.example", None, "b.example", None),
        (b"SIP:a@B.Example:5070", b"a", "b.example", 5070),
        (b"sips:a:secret@b", b"a", "b", None),
        (b"sip:a@b?x=y&z=%40", b"a", "b", None),
        (b"sip:a@[2001:DB8::1]:5062;lr", b"a", "2001:db8::1", 5062),
        (b"sip:[::1]", None, "::1", None),
        (b"sip:a;b?c/d=e&f+$,g@h", b"a;b?c/d=e&f+$,g", "h", None),
        (b"sip:%61%00%40@b", b"%61%00%40", "b", None),
        (
            b"sip:+33612345678;phone-context=x@b;user=phone",
            b"+33612345678;phone-context=x",
            "b",
            None,
        ),
        (b"sip:a@b:65535", b"a", "b", 65535),
    ],
)
def test_a_sip_uri_is_parsed_into_its_parts(
    text: bytes, user: bytes | None, host: str, port: int | None
) -> None:
    uri = parse_uri(text)
    assert uri.scheme in {b"sip", b"sips"}
    assert (uri.text, uri.user, uri.host, uri.port) == (text, user, host, port)


def test_parameters_and_headers_are_distinguished() -> None:
    uri = parse_uri(b"sip:a@b;Transport=tcp;lr?subject=x;y&to=z%40w")
    assert uri.parameters == {b"transport": b"tcp", b"lr": None}
    assert uri.headers == b"subject=x;y&to=z%40w"
    assert uri.transport == "TCP"
    assert parse_uri(b"sip:a@b").transport == parse_uri(b"sip:a@b;transport").transport == "UDP"


def test_maddr_takes_precedence_over_the_host() -> None:
    """RFC 3261 19.1.1: a maddr takes precedence over the host."""
    assert parse_uri(b"sip:a@b;maddr=192.0.2.1").target == "192.0.2.1"
    assert parse_uri(b"sip:a@b;maddr=[2001:db8::1]").target == "2001:db8::1"
    assert parse_uri(b"sip:a@b;maddr").target == parse_uri(b"sip:a@B").target == "b"


def test_a_tel_uri_holds_a_number_and_parameters() -> None:
    uri = parse_uri(b"TEL:+33-6-12;phone-context=example.com;ext=1")
    assert (uri.scheme, uri.user, uri.host) == (b"tel", b"+33-6-12", "")
    assert uri.parameters == {b"phone-context": b"example.com", b"ext": b"1"}


def test_a_uri_of_another_scheme_is_kept_unparsed() -> None:
    uri = parse_uri(b"urn:service:sos")
    assert (uri.scheme, uri.text, uri.user, uri.host) == (b"urn", b"urn:service:sos", None, "")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"sip:",
        b":a@b",
        b"1sip:a@b",
        b"a@b",
        b"sip:@b",
        b"sip:a@",
        b"sip:a@b:0",
        b"sip:a@b:65536",
        b"sip:a@b:999999",
        b"sip:a@b:x",
        b"sip:a b@c",
        b"sip:a@b\r\nX: y",
        b"sip:a@b;=x",
        b"sip:a@b;x<y>",
        b"<sip:a@b>",
        b"sip:a@2001:db8::1",
        b"sip:a@[2001:db8::1",
        b"sip:a@[2001:db8:::1]",
        b"sip:a@[2001:db8:::1:192.0.2.1]",
        b"sip:a@[2001:::db8:::192.0.2.1]",
        b"sip:a@[::::192.0.2.1]",
        b"sip:a@[192.0.2.1]",
        b"sip:a@[1:2:3:4:5:6:7:8:5070]",
        b"sip:a@[]",
        b"sip:a@b;maddr=2001:db8::1",
        b"sip:a@b;maddr=[2001:db8::1",
        b"sip:a@b;maddr=%00",
        b"sip:a@b;maddr=[1:2]",
        b"sip:a@b\0",
    ],
)
def test_an_invalid_uri_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_uri(text)


def test_a_uri_that_is_too_long_is_malformed() -> None:
    longest = b"sip:" + b"a" * (MAX_URI_BYTES - 4)
    assert parse_uri(longest).text == longest
    with pytest.raises(Malformed):
        parse_uri(longest + b"a")


def test_escaped_parameters_equal_plain_ones() -> None:
    """RFC 3261 19.1.4: "Characters other than those in the "reserved" set ... are equivalent to
    their ""%" HEX HEX" encoding", and RFC 4475 3.1.1.3: never unescaped twice."""
    uri = parse_uri(b"sip:cal%6Cer@h;%6C%72;n%61me=v%61lue%25%34%31;tr%61nsport=t%63p")
    assert uri.parameters == {b"lr": None, b"name": b"value%41", b"transport": b"tcp"}
    assert (uri.user, uri.transport) == (b"cal%6Cer", "TCP")
    assert parse_uri(b"sip:h;lr;l%72=2").parameters == {b"lr": None}
    assert parse_uri(b"tel:1;%65xt=2").parameters == {b"ext": b"2"}


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (b"sip:a@b", b"sip:a@b"),
        (b"sip:a@b:5070;lr?Route=%3Csip:c%3E&x=y?z", b"sip:a@b:5070;lr"),
        (b"sip:a?b;method=c@d;x?e=f", b"sip:a?b;method=c@d;x"),
        (b"sip:a@b;Method=INVITE;lr", b"sip:a@b;lr"),
        (b"sip:a@b;x;method", b"sip:a@b;x"),
        (b"sip:b;methods=x?subject=y", b"sip:b;methods=x"),
    ],
)
def test_a_request_uri_has_no_headers_and_no_method(text: bytes, allowed: bytes) -> None:
    """RFC 3261 16.6 step 2: "If the URI contains any parameters not permitted in a Request-URI,
    they MUST be removed." """
    assert as_request_uri(text) == allowed
    assert not parse_uri(allowed).headers


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        (b"[2001:DB8::10:5070]", "2001:db8::10:5070"),
        (b"[::ffff:192.0.2.10]", "::ffff:192.0.2.10"),
        (b"[2001:db8::192.0.2.1]", "2001:db8::192.0.2.1"),
        (b"[2001:db8:::192.0.2.1]", "2001:db8::192.0.2.1"),
        (b"[:::192.0.2.1]", "::192.0.2.1"),
    ],
)
def test_brackets_hold_an_ipv6_address(reference: bytes, host: str) -> None:
    """RFC 5118 4.3, 4.9, 4.10: brackets hold the address, never a port; the third colon that
    RFC 3261's grammar allows before an IPv4 part is wrong, and tolerated."""
    assert parse_uri(b"sip:a@" + reference).target == host
    assert parse_uri(b"sip:a@b;maddr=" + reference).target == host
    assert parse_uri(b"sip:a@" + reference + b":5071;lr").port == 5071


@given(st.binary(max_size=60) | st.text('sip:ab@[]12;=?<>"\\ ,%', max_size=40).map(str.encode))
def test_any_bytes_are_a_uri_or_malformed(text: bytes) -> None:
    for parse in (parse_uri, parse_address):
        try:
            parse(text)
        except Malformed:
            continue
    try:
        assert parse_uri(b"sip:" + text).text == b"sip:" + text
    except Malformed:
        return


@pytest.mark.parametrize(
    ("value", "text", "tag"),
    [
        (b"<sip:a@b;x=1>;tag=t", b"sip:a@b;x=1", b"t"),
        (b"sip:a@b;tag=t", b"sip:a@b", b"t"),
        (b'"A <x>, \\"B\\"" <sip:a@b>', b"sip:a@b", b""),
        (b"A B C<sip:a@b?x=y,z>", b"sip:a@b?x=y,z", b""),
        (b"<tel:+33612345678> ; TAG = t", b"tel:+33612345678", b"t"),
        (b"\t< sip:a@b >", b"sip:a@b", b""),
        ('"Größe \\" ñ" <sip:a@b>;tag=t'.encode(), b"sip:a@b", b"t"),
        ('"\\é\\\x00" <sip:a@b>'.encode(), b"sip:a@b", b""),
        (b"caller<sip:a@b>;TaG=t", b"sip:a@b", b"t"),
    ],
)
def test_an_address_is_a_uri_with_parameters_of_its_field(
    value: bytes, text: bytes, tag: bytes
) -> None:
    address = parse_address(value)
    assert (address.uri.text, address.tag) == (text, tag)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"sip:a@b?x=y",
        b"sip:a@b,sip:c@d",
        b"<sip:a@b",
        b"sip:a@b>",
        b'"A <sip:a@b>',
        b"<sip:a@b> x",
        b"A, B <sip:a@b>",
        b"<>",
    ],
)
def test_an_invalid_address_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        parse_address(value)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert (bracketed("::1"), bracketed("b.example")) == ("[::1]", "b.example")
