"""An address is read from its angle brackets, whatever display name a carrier writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.parties import parse_party, split_parties

JANE = b"<sip:+33612345678@c.example;user=phone>;tag=1"

NAMES = [
    b"",
    b"Jane",
    b'"Jane" ',
    b"DOE, JANE ",
    b"A; B ",
    b"A;tag=x ",
    b'"DOE JA ',
    b'DOE JANE" ',
    b'""DOE, JANE"" ',
    b'"DOE "JR" JANE" ',
    b'"DOE\\" ',
    b'"DOE, "JR" ',
    "Zoé, Ñ ".encode(),
    b"\xff\xfe, \x80 ",
    b"O'Neil (home) @ 5: ",
    b"Jane <home> ",
    b"Jane <jane@x>, B ",
    b'"<sip:+33699999999@x>" ',
    b'"Jane <sip:+33699999999@x> ',
    b"A > B ",
    b"A < B ",
    b"DOE,\r\n JANE ",
    b'"DOE\r\n\tJA ',
]
"""Names as carriers write them, valid or not."""


@pytest.mark.parametrize("name", NAMES)
def test_no_display_name_hides_the_address(name: bytes) -> None:
    """Beyond RFC 3261 25.1: "the number comes from the last angle brackets"."""
    address = parse_party(name + JANE)
    assert (address.uri.user, address.tag) == (b"+33612345678", b"1")


@pytest.mark.parametrize(
    "value", [b"", b"Jane", b'"Jane"', b"<sip:a@b", b"sip:a@b>", b"<>", b"<sip:a@b> x", b"A, B"]
)
def test_a_value_without_an_address_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        parse_party(value)


@pytest.mark.parametrize(
    ("row", "users"),
    [
        (b"<sip:a@b>, <tel:1>", [b"a", b"1"]),
        (b"sip:a@b, tel:1;x=y", [b"a", b"1"]),
        (b"DOE, JANE <sip:a@b>, <tel:1>", [b"a", b"1"]),
        (b'""DOE, JANE"" <sip:a@b>;x="1,2", X, Y <tel:1>', [b"a", b"1"]),
        (b'"DOE JA <sip:a@b>, <tel:1>', [b"1"]),
        (b'"DOE, "JR" <sip:a@b>', [b"a"]),
    ],
)
def test_a_comma_in_a_name_does_not_end_a_value(row: bytes, users: list[bytes]) -> None:
    """RFC 3325 9.1: P-Asserted-Identity may hold two values, of which either may have a name."""
    assert [parse_party(value).uri.user for value in split_parties(row)] == users


@given(st.binary(max_size=60) | st.text('sip:ab@<>;=" ,\\', max_size=40).map(str.encode))
def test_any_bytes_are_an_address_or_malformed(value: bytes) -> None:
    for part in split_parties(value):
        try:
            assert parse_party(part).uri.text in value
        except Malformed:
            continue
