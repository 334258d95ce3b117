"""Documents that a script writes are what the script would write now."""

from __future__ import annotations

from tools import conformance, draw_architecture, draw_demo, settings_reference


def test_the_conformance_page_is_fresh() -> None:
    written = conformance.PAGE.read_text(encoding="utf-8")
    assert written == conformance.page(), "run: make conformance"


def test_the_settings_page_is_fresh() -> None:
    written = settings_reference.PAGE.read_text(encoding="utf-8")
    assert written == settings_reference.page(), "run: make settings"


def test_the_picture_of_the_architecture_is_fresh() -> None:
    drawn = draw_architecture.PICTURE.read_text(encoding="utf-8")
    assert drawn == draw_architecture.picture(), "run: make pictures"


def test_the_picture_of_the_demo_says_what_the_demo_prints() -> None:
    drawn = draw_demo.PICTURE.read_text(encoding="utf-8")
    assert draw_demo.words(drawn) == draw_demo.words(draw_demo.picture()), "run: make pictures"
