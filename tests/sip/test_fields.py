from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.field_grammar import (
    NAMES,
    Malformed,
    field_name,
    parse_parameters,
    split_list,
    unfold,
)


@given(st.binary(max_size=40))
def test_a_field_name_is_a_token_and_becomes_lower_case(spelled: bytes) -> None:
    try:
        name = field_name(spelled)
    except Malformed:
        return
    assert name == name.lower().strip()
    assert field_name(spelled.upper()) == field_name(spelled.lower() + b" \t") == name


def test_unusual_spellings_are_not_stored() -> None:
    before = len(NAMES)
    assert NAMES[b"X-Seldom-Seen :"] == b"x-seldom-seen"
    assert len(NAMES) == before


def test_a_compact_name_is_its_long_form_by_function_and_by_table() -> None:
    assert NAMES[b"I:"] == NAMES[b"i\t:"] == NAMES[b"CALL-ID:"] == b"call-id"


@given(st.lists(st.sampled_from([b'"a,b"', b"<c,d>", b"e", b" ", b'"\\""', b";x=1"]), max_size=9))
def test_a_value_without_bare_commas_is_not_split(parts: list[bytes]) -> None:
    assert split_list(b"".join(parts)) == [b"".join(parts)]


@given(st.binary(max_size=60) | st.text('",<>;a\\ ', max_size=30).map(str.encode))
def test_split_parts_join_to_the_original_list(value: bytes) -> None:
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
def test_parameters_are_parsed_and_the_first_of_two_equal_names_wins(
    text: bytes, found: dict[bytes, bytes | None]
) -> None:
    assert parse_parameters(text) == found


@pytest.mark.parametrize(
    "text", [b"a", b";", b";;a", b";=b", b';a="b', b";a=b c", b";a<b>", b";a,b"]
)
def test_invalid_parameters_are_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_parameters(text)


def test_unfolding_joins_lines_with_one_space() -> None:
    assert unfold(b" \ta\r\n \t b\r\n\tc  ") == b"a b c"
    assert unfold(b"a  b") == b"a  b"
