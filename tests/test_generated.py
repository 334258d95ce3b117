"""Documents that a script writes are what the script would write now."""

from __future__ import annotations

import re

import pytest

from tools import conformance, draw_architecture, draw_demo, line_links, settings_reference


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


def test_each_line_link_of_the_architecture_leads_to_the_definition_that_it_names() -> None:
    written = line_links.PAGE.read_text(encoding="utf-8")
    found = re.findall(r"\[`([\w.]+)`\]\(\.\./(\S+)#L(\d+)\)", written)
    assert len(found) > 30
    for name, path, line in found:
        source = (line_links.ROOT / path).read_text(encoding="utf-8").splitlines()
        definition = rf" *(async )?(def|class) {name.rpartition('.')[2]}\b"
        assert re.match(definition, source[int(line) - 1]), f"{name}: run: make links"
    assert written == line_links.page(), "run: make links"


def test_a_line_link_to_a_name_that_is_gone_is_an_error() -> None:
    with pytest.raises(SystemExit, match=r"has no Proxy\.vanished"):
        line_links.line_of("sip_stager/proxy/core.py", "Proxy.vanished")
