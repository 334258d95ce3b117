from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.fields import (
    NAMES,
    Malformed,
    field_name,
    parse_parameters,
    split_list,
    unfold,
)


@given(st.binary(max_size=40))
def test_a_name_is_a_token_in_lower_case_or_malformed(spelled: bytes) -> None:
    try:
        name = field_name(spelled)
    except Malformed:
        return
    assert name == name.lower().strip()
    assert field_name(spelled.upper()) == field_name(spelled.lower() + b" \t") == name


def test_names_that_were_looked_up_are_not_kept() -> None:
    before = len(NAMES)
    assert NAMES[b"X-Seldom-Seen :"] == b"x-seldom-seen"
    assert len(NAMES) == before


def test_a_compact_name_means_its_long_form_in_both_ways_of_looking() -> None:
    assert NAMES[b"I:"] == NAMES[b"i\t:"] == NAMES[b"CALL-ID:"] == b"call-id"


@given(st.lists(st.sampled_from([b'"a,b"', b"<c,d>", b"e", b" ", b'"\\""', b";x=1"]), max_size=9))
def test_a_list_without_loose_commas_is_one_value(parts: list[bytes]) -> None:
    assert split_list(b"".join(parts)) == [b"".join(parts)]


@given(st.binary(max_size=60) | st.text('",<>;a\\ ', max_size=30).map(str.encode))
def test_the_parts_of_a_list_make_the_list_again(value: bytes) -> None:
    try:
        parts = split_list(value)
    except Malformed:
        return
    assert b",".join(parts) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", {}),
        (b";a", {b"a": None}),
        (b";a=", {b"a": b""}),
        (b";A=B;c=d", {b"a": b"B", b"c": b"d"}),
        (b" ; a = b ; c ", {b"a": b"b", b"c": None}),
        (b';a="x;y=\\"z\\"";b', {b"a": b'"x;y=\\"z\\""', b"b": None}),
        (b";a=1;A=2", {b"a": b"1"}),
        (b';a=1;A="2"', {b"a": b"1"}),
        (b";a=[2001:db8::1]", {b"a": b"[2001:db8::1]"}),
    ],
)
def test_parameters_are_read_and_the_first_of_two_equal_names_wins(
    text: bytes, found: dict[bytes, bytes | None]
) -> None:
    assert parse_parameters(text) == found


@pytest.mark.parametrize(
    "text", [b"a", b";", b";;a", b";=b", b';a="b', b";a=b c", b";a<b>", b";a,b"]
)
def test_what_is_no_parameter_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_parameters(text)


def test_unfolding_joins_lines_with_one_blank() -> None:
    assert unfold(b" \ta\r\n \t b\r\n\tc  ") == b"a b c"
    assert unfold(b"a  b") == b"a  b"
