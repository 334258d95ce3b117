"""The called number is read from the sources of the trunk, in the spelling of the trunk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.field_grammar import Malformed
from sip_stager.trunks.called_number import CalledNumber, read_called_number
from sip_stager.trunks.number_fields import field_of_source
from tests.sip.test_linear_time import grows_linearly
from tests.support.trunks import Trunk
from tests.trunks.test_admission import invite

NUMBER = "+33612345678"


def called(
    *sources: str,
    uri: str = "sip:user@edge",
    extra: str = "",
    country: str | None = "FR",
    strip: tuple[str, ...] = (),
) -> CalledNumber:
    trunk = Trunk("carrier", (), country, called=sources or ("request_uri",), strip=strip)
    return read_called_number(invite(uri, extra=extra), trunk)


@pytest.mark.parametrize(
    ("source", "extra"),
    [
        ("p_called_party_id", "P-Called-Party-ID: <sip:+33612345678@carrier>\r\n"),
        ("p_called_party_id", 'p-called-party-id: "A, B" <tel:0612345678>;x=y\r\n'),
        ("diversion", "Diversion: <sip:0612345678@a>;reason=no-answer, <sip:0699999999@b>\r\n"),
        ("diversion", "Diversion: <tel:+33-6-12-34-56-78>\r\nDiversion: <sip:0699999999@b>\r\n"),
        ("diversion", "Diversion:\r\n <sip:0612345678@a>\r\n"),
        ("header:X-Original-To", "X-Original-To: sip:0612345678@carrier;user=phone\r\n"),
        ("header:x-original-to", "X-ORIGINAL-TO: +33 6 12 34 56 78\r\n"),
        ("header:X-Original-To", 'X-Original-To: "0612345678"\r\n'),
        ("header:X-Original-To", "X-Original-To: 0612345678;type=did\r\n"),
        ("header:s", "Subject: 0612345678\r\n"),
    ],
)
def test_each_source_is_read(source: str, extra: str) -> None:
    found = called(source, extra=extra)
    assert (found.number, found.source, found.skipped) == (NUMBER, source, ())


def test_to_is_read_if_the_request_uri_is_a_user_name() -> None:
    request = invite("sip:sip_username@edge")
    fields = [
        b'To: "Sales" <sip:0612345678@carrier;user=phone>' if name == b"to" else field
        for name, field in zip(request.names, request.fields, strict=True)
    ]
    trunk = Trunk("carrier", (), "FR", called=("to",))
    found = read_called_number(request.edited(request.names, fields), trunk)
    assert found == CalledNumber(NUMBER, "to", "0612345678")


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("", "is missing"),
        ("Diversion: <sip:edge>\r\n", "has no user part"),
        ("Diversion: <urn:service:sos>\r\n", "has no user part"),
        ("Diversion: \r\n", "has no user part"),
        ("Diversion: <sip:0699999999@\r\n", "invalid address"),
        ('Diversion: "<sip:0699999999@a>, x\r\n', "invalid address"),
        ("Diversion: <sip:06@[::>\r\n", "invalid SIP URI"),
    ],
)
def test_an_unreadable_source_is_skipped(extra: str, reason: str) -> None:
    found = called("diversion", "request_uri", uri="sip:0612345678@edge", extra=extra)
    assert found == CalledNumber(NUMBER, "request_uri", "0612345678", "", (("diversion", reason),))


def test_no_called_number_if_every_source_is_skipped() -> None:
    assert called("diversion", "request_uri", uri="sip:edge") == CalledNumber(
        skipped=(("diversion", "is missing"), ("request_uri", "has no user part"))
    )


def test_an_invalid_request_uri_raises_only_if_it_is_a_source() -> None:
    with pytest.raises(Malformed):
        called("request_uri", uri="sip:@")
    extra = "X-Did: 0612345678\r\n"
    assert called("header:X-Did", "request_uri", uri="sip:@", extra=extra).number == NUMBER


@pytest.mark.parametrize(
    ("user", "number", "stripped"),
    [
        ("990612345678", NUMBER, "99"),
        ("9933612345678", NUMBER, "99"),
        ("00331612345678", NUMBER, "00331"),
        ("001#+33612345678", NUMBER, "001#"),
        ("99001#0612345678", "99001#0612345678", ""),
        ("%39%390612345678", NUMBER, "99"),
        ("9991000", "1000", "999"),
        ("99bottles", "99bottles", ""),
        ("99", "99", ""),
        ("0612345678", NUMBER, ""),
    ],
)
def test_the_longest_prefix_that_leaves_a_number_is_stripped(
    user: str, number: str, stripped: str
) -> None:
    found = called(uri=f"sip:{user}@edge", strip=("99", "999", "00331", "001#"))
    assert (found.number, found.stripped) == (number, stripped)


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("tel:612345678;phone-context=+33", NUMBER),
        ("tel:06-12-34-56-78;phone-context=%2B33", NUMBER),
        ("sip:0612345678;phone-context=+33@edge;user=phone", NUMBER),
        ("sip:0612345678;isub=1;PHONE-CONTEXT=+33@edge;user=phone", NUMBER),
        ("tel:2125551234;phone-context=+1", "+12125551234"),
        ("tel:+33612345678;phone-context=+1", NUMBER),
        ("tel:0612345678;phone-context=example.com", "0612345678"),
        ("tel:0612345678;phone-context=+", "0612345678"),
        ("tel:1000;phone-context=+33", "1000"),
        ("sip:alice;phone-context=+33@edge", "alice"),
    ],
)
def test_a_phone_context_completes_a_local_number(uri: str, number: str) -> None:
    assert called(uri=uri, country=None).number == number


@pytest.mark.parametrize("source", ["header:", "header:X Y", "from", "To", "", "header"])
def test_an_unknown_source_raises(source: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the settings add the words
        field_of_source(source)


FIELDS = [b"to", b"p-called-party-id", b"diversion", b"x-did"]
SOURCES = ("diversion", "p_called_party_id", "header:X-Did", "to", "request_uri")


@given(st.lists(st.tuples(st.sampled_from(FIELDS), st.binary(max_size=80)), max_size=4))
def test_no_header_field_can_lose_a_call(fields: list[tuple[bytes, bytes]]) -> None:
    request = invite("sip:0612345678@edge")
    names = [name for name, _ in fields]
    values = [name + b":" + value for name, value in fields]
    trunk = Trunk("carrier", (), "FR", called=SOURCES, strip=("99",))
    found = read_called_number(request.edited(tuple(names), values), trunk)
    assert found.number
    assert [source for source, _ in found.skipped] == list(SOURCES[: SOURCES.index(found.source)])


@pytest.mark.parametrize("text", [b",", b";", b"<", b'"', b" ", b"a", b"<a:b>,", b"%41", b"\r\n "])
def test_a_header_field_is_read_in_linear_time(text: bytes) -> None:
    trunk = Trunk("carrier", (), "FR", called=("header:X-Did",), strip=("99",))
    request = invite()

    def read(value: bytes) -> object:
        return read_called_number(request.edited((b"x-did",), [b"X-Did: " + value]), trunk)

    assert grows_linearly(read, lambda size: text * (size // len(text) + 1))
