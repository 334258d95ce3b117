"""The platform's list becomes rows of the mapping; what makes no sense is counted and named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.trunks.mapping import Row, Share
from sip_stager.trunks.platform_numbers import NAMED, PlatformTable

AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
NUMBER = "+33612345678"


def item(number: object = NUMBER, agent: object = AGENT, **more: object) -> dict[str, object]:
    return {"type": "pstn", "number": number, "inbound_agent_id": agent, "redirect": False, **more}


def table(*items: object, before: PlatformTable | None = None) -> PlatformTable:
    made = PlatformTable(before)
    made.add(items)
    return made


def agents(made: PlatformTable) -> dict[str, str]:
    return {
        number: row.shares[0].agent if row.shares else "redirected"
        for number, row in made.rows.items()
    }


@pytest.mark.parametrize(
    ("given_as", "kind", "found"),
    [
        (NUMBER, "pstn", NUMBER),
        ("33612345678", "pstn", NUMBER),
        ("33612345678", "sip", NUMBER),
        ("support", "sip", "support"),
        ("100", "sip", "100"),
    ],
)
def test_a_number_is_mapped_as_it_is_looked_for(given_as: str, kind: str, found: str) -> None:
    made = table(item(given_as, AGENT.upper(), type=kind))
    assert made.rows == {found: Row("", (Share(AGENT),), generation=1)}
    assert made.counts == {"staged": 1, "redirected": 0, "without_agent": 0, "unusable": 0}
    assert made.agents.keys() == {AGENT}


def test_a_redirected_number_has_a_row_without_agent_and_one_without_agent_has_none() -> None:
    made = table(
        item(redirect=True), item("+33612345679", None), item("+33612345670", redirect=None)
    )
    assert agents(made) == {NUMBER: "redirected", "+33612345670": AGENT}
    assert made.counts == {"staged": 1, "redirected": 1, "without_agent": 1, "unusable": 0}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (None, "(no number) has no text as its number"),
        ([NUMBER], "(no number) has no text as its number"),
        (item(42), "(no number) has no text as its number"),
        (item("support"), "support is neither E.164 nor the name of a SIP number"),
        (item("+336*", type="sip"), "+336* is neither"),
        (item("*", type="sip"), "* is neither"),
        (item("a\r\nb", type="sip"), "a??b is neither"),
        (item("", type="sip"), "(none) is neither"),
        (item("x" * 129, type="sip"), "x is neither"),
        (item(agent="nobody"), "+336******78 has an inbound_agent_id that is no UUID"),
        (item(agent=[AGENT]), "+336******78 has an inbound_agent_id that is no UUID"),
        (item(agent=""), "+336******78 has an inbound_agent_id that is no UUID"),
        (item(redirect="no"), "+336******78 has a redirect that is neither true nor false"),
        (item(redirect=[]), "+336******78 has a redirect that is neither true nor false"),
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_counted_and_named(wrong: object, words: str) -> None:
    made = table(wrong, item("+33612345679"))
    assert agents(made) == {"+33612345679": AGENT}
    assert made.counts["unusable"] == 1
    assert words in made.wrong[0].replace("x" * 64, "x")


def test_only_some_of_very_many_are_named() -> None:
    made = table(*[None] * 1000)
    assert (made.counts["unusable"], len(made.wrong)) == (1000, NAMED)


def test_a_number_that_comes_twice_is_taken_once() -> None:
    made = table(item(), item(), item(agent=OTHER), item(redirect=True))
    assert agents(made) == {NUMBER: AGENT}
    assert made.wrong == ["+336******78 is there twice, with different agents"] * 2
    again = table(item(redirect=True), item(redirect=True))
    assert again.counts["redirected"] == 1


def test_what_says_the_same_is_the_same_row_and_what_does_not_is_of_a_new_generation() -> None:
    first = table(item(), item("+33612345679"), item("+33612345670"))
    assert first.settle()
    second = table(item(), item("+33612345679", OTHER), item("support", type="sip"), before=first)
    assert second.rows[NUMBER] is first.rows[NUMBER] is first.rows["+33612345670"]
    generations = {number: row.generation for number, row in second.rows.items()}
    assert generations == {NUMBER: 1, "+33612345679": 2, "support": 2}
    third = table(item(), item("+33612345679"), before=second)
    assert (
        third.rows["+33612345679"].generation == 3
    )  # it changed back, and is another all the same


@pytest.mark.parametrize(
    ("items", "differs"),
    [
        ([item(), item("+33612345679", None)], False),
        ([item()], False),
        ([item(), None], False),
        ([item(agent=OTHER)], True),
        ([item(redirect=True)], True),
        ([item(), item("+33612345679")], True),
        ([], True),
    ],
)
def test_a_table_tells_whether_its_rows_differ(items: list[object], *, differs: bool) -> None:
    before = table(item())
    before.settle()
    assert table(*items, before=before).settle() is differs


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([NUMBER, AGENT, "sip"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
KEYS = st.sampled_from(["type", "number", "inbound_agent_id", "redirect"])


@given(st.lists(st.dictionaries(KEYS, JSON) | JSON))
def test_no_item_raises_and_each_is_counted_once(items: list[object]) -> None:
    made = table(*items)
    assert sum(made.counts.values()) <= len(items)
    assert set(made.counts.values()) != {0} or not items
