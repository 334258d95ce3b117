"""All spellings of a telephone number become one E.164 number; names are left unchanged."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.trunks.phone_numbers import (
    COUNTRIES,
    is_e164,
    is_unambiguous,
    mask,
    mask_untrusted,
    to_e164,
    unescape_user,
    why_impossible,
)


@pytest.mark.parametrize(
    ("spelling", "country", "number"),
    [
        ("+33612345678", None, "+33612345678"),
        ("0033612345678", None, "+33612345678"),
        ("33612345678", None, "+33612345678"),
        ("33612345678", "FR", "+33612345678"),
        ("0612345678", "FR", "+33612345678"),
        ("0366725520", "FR", "+33366725520"),
        ("0033612345678", "FR", "+33612345678"),
        ("0033612345678", "US", "+33612345678"),
        ("33612345678", "US", "+33612345678"),
        ("01133612345678", "US", "+33612345678"),
        ("2125551234", "US", "+12125551234"),
        ("12125551234", "US", "+12125551234"),
        ("12125551234", None, "+12125551234"),
        ("02079460018", "GB", "+442079460018"),
        ("030123456", "DE", "+4930123456"),
        ("4930123456", "DE", "+4930123456"),
        ("390612345678", "IT", "+390612345678"),
        ("0612345678", "IT", "+390612345678"),
        ("+33 6 12-34.56.78", None, "+33612345678"),
        ("+33(0)612345678", None, "+33612345678"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("+1 (555) 000-1234", None, "+15550001234"),
        ("0015550001234", None, "+15550001234"),
        # The national zero behind the country's code, in every spelling.
        ("+330366725520", None, "+33366725520"),
        ("+330366725520", "FR", "+33366725520"),
        ("+330366725520", "US", "+33366725520"),
        ("00330366725520", None, "+33366725520"),
        ("330366725520", "FR", "+33366725520"),
        ("+33 0 3 66 72 55 20", None, "+33366725520"),
        ("+33(0)366725520", None, "+33366725520"),
        ("+4402079460018", None, "+442079460018"),
        ("+44 (0) 20 7946 0018", "GB", "+442079460018"),
        ("004402079460018", "FR", "+442079460018"),
        ("+49030123456", None, "+4930123456"),
        ("+49 0 30 123456", "DE", "+4930123456"),
        ("+810312345678", None, "+81312345678"),
        ("+6102 5550 1234", "AU", "+61255501234"),
        ("+4407700900123", None, "+447700900123"),  # of a range that no plan has
        # The zero of the number itself.
        ("+390612345678", None, "+390612345678"),
        ("+39 06 1234 5678", "IT", "+390612345678"),
        ("+2250707070707", None, "+2250707070707"),
        ("2250707070707", None, "+2250707070707"),
        ("+2290161234567", None, "+2290161234567"),
        ("+22901 61 23 45 67", "BJ", "+2290161234567"),
        ("+24106123456", None, "+24106123456"),
        ("002410 6123456", "GA", "+24106123456"),
        ("+242061234567", None, "+242061234567"),
        ("+3780549882000", None, "+3780549882000"),
    ],
)
def test_every_spelling_becomes_e164(spelling: str, country: str | None, number: str) -> None:
    assert to_e164(spelling, country) == number


@pytest.mark.parametrize(
    ("name", "country"),
    [
        ("sip_username", "FR"),
        ("alice", "FR"),
        ("anonymous", None),
        ("1000", "FR"),
        ("1000", "DE"),
        ("112", "FR"),
        ("911", "US"),
        ("0612345678", None),
        ("0612345678", "US"),
        ("15550001234", None),
        ("+", None),
        ("+33", "FR"),
        ("", "FR"),
        ("00", "FR"),
        ("+1800FLOWERS", "US"),
        ("+0612345678", "FR"),
        ("*31#0612345678", "FR"),
        ("\u0660\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "FR"),
        ("+" + "3" * 16, None),
        ("+33000366725520", "FR"),
        ("+39000000000", "IT"),
        ("+3300000", None),
        ("3" * 5000, "FR"),
        ("33612345678@example.com", "FR"),
        ("+33612345678\n", None),
    ],
)
def test_a_name_is_left_unchanged(name: str, country: str | None) -> None:
    assert to_e164(name, country) == name


SPELLINGS = st.text("+0123456789 -.()a\n", max_size=24) | st.from_regex(
    r"(\+|00)?(33|44|49|39|225|229|241|81|7|1)0{0,2}[0-9]{5,10}", fullmatch=True
)


@given(SPELLINGS, st.sampled_from([None, "FR", "US", "DE"]))
def test_the_result_is_e164_or_unchanged_and_stable(text: str, country: str | None) -> None:
    number = to_e164(text, country)
    assert number == text or is_e164(number)
    if is_e164(number):
        assert to_e164(number, country) == number


@pytest.mark.parametrize(
    ("user", "text"),
    [
        (b"+33612345678", "+33612345678"),
        (b"%2B33612345678", "+33612345678"),
        (b"%2b33%36", "+336"),
        (b"+33612345678;phone-context=example.com", "+33612345678"),
        (b"0612345678;phone-context=+33;npdi", "0612345678"),
        (b"alice%40home", "alice@home"),
        (b"", ""),
        (b"100%", "100%"),
        (b"\xff%ff", "\ufffd\ufffd"),
    ],
)
def test_a_user_part_is_unescaped_without_its_parameters(user: bytes, text: str) -> None:
    assert unescape_user(user) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+33612345678", "+336******78"),
        ("+336 12-34.56 78", "+336******78"),
        ("0612345678", "061*****78"),
        ("+1234567", "+123**67"),
        (
            "no agent for +33612345678, nor 0612345678.",
            "no agent for +336******78, nor 061*****78.",
        ),
        ("1000", "1000"),
        ("alice", "alice"),
        ("", ""),
    ],
)
def test_the_middle_of_a_number_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.from_regex(r"\+[1-9][0-9]{8,14}", fullmatch=True))
def test_a_masked_number_does_not_hold_its_middle(number: str) -> None:
    assert number[4:-2] not in mask(number)
    assert len(mask(number)) == len(number)


@given(st.text())
def test_an_untrusted_number_is_logged_as_short_plain_ascii(text: str) -> None:
    assert len(mask_untrusted(text)) <= 64
    assert mask_untrusted(text).isascii()
    assert mask_untrusted(text).isprintable()
    assert not set('"\\<>;,') & set(mask_untrusted(text))


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("+33612345678", True),
        ("+1234567", True),
        ("+123456789012345", True),
        ("+123456", False),
        ("+1234567890123456", False),
        ("+0612345678", False),
        ("33612345678", False),
        ("+33612345678\n", False),
        ("+3361234567\u0668", False),
    ],
)
def test_e164_is_a_plus_sign_and_7_to_15_digits(number: str, *, answer: bool) -> None:
    assert is_e164(number) is answer


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.sampled_from([None, "FR", "IT"]))
def test_unambiguous_e164_is_unchanged(number: str, country: str | None) -> None:
    if is_unambiguous(number):
        assert to_e164(number, country) == number


CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)).map(str)


@given(CODES | st.text("123456789", min_size=1, max_size=3), st.text("0123456789", max_size=12))
def test_a_number_is_possible_as_the_numbering_plans_say(code: str, rest: str) -> None:
    number = f"+{code}{rest}"
    if is_e164(number):
        try:
            possible = phonenumbers.is_possible_number(phonenumbers.parse(number))
        except phonenumbers.NumberParseException:
            possible = False
        assert (why_impossible(number) == "") is possible


def test_countries_are_iso_3166() -> None:
    assert {"FR", "US", "GB", "DE"} <= COUNTRIES
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
