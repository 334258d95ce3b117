"""Documents that a script writes are what the script would write now."""

from __future__ import annotations

from tools import conformance


def test_the_conformance_page_is_fresh() -> None:
    written = conformance.PAGE.read_text(encoding="utf-8")
    assert written == conformance.page(), "run: make conformance"
