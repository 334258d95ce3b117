"""The fields of privacy are searched, not parsed; the tag of Proxy-Require is removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.privacy import privacy_values, requires_privacy, without_privacy_tag
from tests.sip.test_linear_time import grows_linearly
from tests.support.messages import request


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        ((), []),
        (("Privacy: id",), [b"id"]),
        (("Privacy: User;ID ; critical",), [b"user", b"id", b"critical"]),
        (("Privacy: header", "privacy:\tsession,none"), [b"header", b"session", b"none"]),
        (("Privacy:",), []),
    ],
)
def test_the_values_of_privacy_are_read_from_every_row(
    rows: tuple[str, ...], values: list[bytes]
) -> None:
    """RFC 3323 4.2: values are separated by semicolons; those separated by commas count, too."""
    assert privacy_values(request(extra=rows)) == values


@pytest.mark.parametrize(
    ("row", "left"),
    [
        ("Proxy-Require: privacy", b""),
        ("Proxy-Require: foo, privacy", b"Proxy-Require: foo"),
        ("proxy-require :privacy,foo,Privacy,bar", b"proxy-require : foo, bar"),
        ("Proxy-Require:  foo ,bar", b"Proxy-Require:  foo ,bar"),
        ("Proxy-Require: privacy-x", b"Proxy-Require: privacy-x"),
    ],
)
def test_only_the_tag_of_privacy_is_removed(row: str, left: bytes) -> None:
    """RFC 3323 5: the header goes as well when no other tag is left."""
    message = request(extra=(row, "X-Else: privacy"))
    assert without_privacy_tag(message).rows(b"proxy-require") == ([left] if left else [])
    assert b"x-else" in without_privacy_tag(message).names


@given(st.text("privacy, ;foo\t", max_size=30))
def test_no_tag_of_privacy_is_left(row: str) -> None:
    stripped = without_privacy_tag(request(extra=(f"Proxy-Require: {row}",)))
    rows = stripped.rows(b"proxy-require")
    assert all(tag.strip().lower() != b"privacy" for one in rows for tag in one[14:].split(b","))


@pytest.mark.parametrize("text", [b",", b";", b" ", b"privacy,", b"a"])
def test_the_fields_are_read_in_linear_time(text: bytes) -> None:
    message = request(extra=("Proxy-Require: x", "Privacy: x"))

    def read(value: bytes) -> object:
        fields = [
            name + b": " + value if name in {b"privacy", b"proxy-require"} else field
            for name, field in zip(message.names, message.fields, strict=True)
        ]
        odd = message.edited(message.names, fields)
        return privacy_values(odd), requires_privacy(odd), without_privacy_tag(odd)

    assert grows_linearly(read, lambda size: text * (size // len(text) + 1))
