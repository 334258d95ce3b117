from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.platform.replies import (
    MAX_TEXT_LENGTH,
    error_text,
    is_token,
    json_object,
    retry_after,
    sanitize,
    server_time,
    timestamp,
)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a b",
        "a\r\nX-Evil: 1",
        "a\n",
        "a\0",
        "é",
        "a;b",
        "x" * 129,
        42,
        None,
        ["a"],
        "<a>",
        ".",
        "..",
    ],
)
def test_an_id_that_is_no_plain_token_is_not_usable(wrong: object) -> None:
    assert not is_token(wrong)


@pytest.mark.parametrize(
    "right", ["a", "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", "x" * 128, "~._-", "...", ".a"]
)
def test_a_plain_token_is_usable(right: str) -> None:
    assert is_token(right)


@given(st.binary(max_size=64))
def test_no_bytes_make_json_raise(body: bytes) -> None:
    assert isinstance(json_object(body), dict)


def test_too_deeply_nested_json_is_an_empty_object() -> None:
    assert json_object(b"[" * 50_000) == {}


INNER = {
    "details": [{"field": "email", "message": "Invalid email format"}, "noise"],
    "message": "An error occurred",
    "status": 400,
    "type": "generic_error",
}


@pytest.mark.parametrize("answer", [INNER, {"message": "outer", "error": INNER, "status": 400}])
def test_the_error_text_is_found_in_both_documented_shapes(answer: dict[str, object]) -> None:
    assert error_text(answer) == "An error occurred; email: Invalid email format"


def test_the_envelopes_message_is_used_if_the_error_has_none() -> None:
    assert error_text({"message": "outer", "error": {}}) == "outer"


@given(
    st.dictionaries(
        st.sampled_from(["error", "message", "details", "status"]),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda some: st.lists(some) | st.dictionaries(st.text(), some),
            max_leaves=5,
        ),
    )
)
def test_no_shape_of_error_raises(answer: dict[str, object]) -> None:
    assert isinstance(error_text(answer), str)


@given(st.text(max_size=MAX_TEXT_LENGTH + 5))
def test_sanitized_text_is_printable_and_of_limited_length(text: str) -> None:
    shown = sanitize(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_TEXT_LENGTH * len(r"\U0010ffff")
    if text.isprintable():
        assert shown == text[:MAX_TEXT_LENGTH]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("7", 7), ("-1", None), ("soon", None), ("9" * 400, 999_999_999), ("٣", None)],
)
def test_retry_after_in_seconds(value: str | None, seconds: int | None) -> None:
    assert retry_after(value, 0.0) == seconds


def test_retry_after_as_a_date() -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    moment = datetime(2015, 10, 21, 7, 28, tzinfo=UTC).timestamp()
    assert retry_after(date, moment - 100.2) == 100
    assert retry_after(date, moment + 100) == 0
    assert retry_after("Wed, 21 Oct 99999 07:28:00 GMT", moment) is None


@pytest.mark.parametrize(
    "date",
    [
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wednesday, 21-Oct-15 07:28:00 GMT",
        "Wed Oct 21 07:28:00 2015",
        "Wed, 21 Oct 2015 07:28:00 -0000",
        "Wed, 21 Oct 2015 09:28:00 +0200",
    ],
)
def test_each_form_of_a_date_is_read_as_utc_in_any_local_time_zone(
    date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert timestamp(date) == datetime(2015, 10, 21, 7, 28, tzinfo=UTC).timestamp()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_servers_date_is_used_if_it_sends_one() -> None:
    assert server_time("Wed, 21 Oct 2015 07:28:00 GMT", 5.0) == 1445412480.0
    assert [server_time(none, 5.0) for none in (None, "", "noon", "0")] == [5.0] * 4
