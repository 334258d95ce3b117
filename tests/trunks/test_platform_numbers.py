"""The platform's list becomes rows of the mapping; an unusable item is counted and described."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.trunks.mapping import Row, Share
from sip_stager.trunks.platform_numbers import MAX_PROBLEMS, PlatformNumbers

AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
NUMBER = "+33612345678"


def item(number: object = NUMBER, agent: object = AGENT, **more: object) -> dict[str, object]:
    return {"type": "pstn", "number": number, "inbound_agent_id": agent, "redirect": False, **more}


def table(*items: object, before: PlatformNumbers | None = None) -> PlatformNumbers:
    made = PlatformNumbers(before)
    made.add(items)
    return made


def agents(made: PlatformNumbers) -> dict[str, str]:
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
        ("+330612345678", "pstn", NUMBER),
        ("330612345678", "pstn", NUMBER),
        ("support", "sip", "support"),
        ("100", "sip", "100"),
    ],
)
def test_a_number_is_stored_as_the_key_of_its_calls(given_as: str, kind: str, found: str) -> None:
    made = table(item(given_as, AGENT.upper(), type=kind))
    assert made.rows == {found: Row((Share(AGENT),), generation=1)}
    assert made.counts == {"staged": 1, "redirected": 0, "without_agent": 0, "unusable": 0}
    assert made.agents.keys() == {AGENT}


def test_a_redirected_number_has_a_row_but_one_without_an_agent_has_none() -> None:
    made = table(
        item(redirect=True), item("+33612345679", None), item("+33612345670", redirect=None)
    )
    assert agents(made) == {NUMBER: "redirected", "+33612345670": AGENT}
    assert made.counts == {"staged": 1, "redirected": 1, "without_agent": 1, "unusable": 0}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (None, "(no number) has a number that is not a text"),
        ([NUMBER], "(no number) has a number that is not a text"),
        (item(42), "(no number) has a number that is not a text"),
        (item("support"), "support is neither E.164 nor the name of a SIP number"),
        (item("+336*", type="sip"), "+336* is neither"),
        (item("*", type="sip"), "* is neither"),
        (item("a\r\nb", type="sip"), "a??b is neither"),
        (item("", type="sip"), "(none) is neither"),
        (item("x" * 129, type="sip"), "x is neither"),
        (item(agent="nobody"), "+336******78 has an inbound_agent_id that is not a UUID"),
        (item(agent=[AGENT]), "+336******78 has an inbound_agent_id that is not a UUID"),
        (item(agent=""), "+336******78 has an inbound_agent_id that is not a UUID"),
        (item(redirect="no"), "+336******78 has a redirect that is neither true nor false"),
        (item(redirect=[]), "+336******78 has a redirect that is neither true nor false"),
    ],
    ids=repr,
)
def test_an_unusable_item_is_counted_and_described(wrong: object, words: str) -> None:
    made = table(wrong, item("+33612345679"))
    assert agents(made) == {"+33612345679": AGENT}
    assert made.counts["unusable"] == 1
    assert words in made.problems[0].replace("x" * 64, "x")


def test_only_the_first_unusable_items_are_described() -> None:
    made = table(*[None] * 1000)
    assert (made.counts["unusable"], len(made.problems)) == (1000, MAX_PROBLEMS)


def test_a_number_listed_twice_is_added_once() -> None:
    made = table(item(), item(), item(agent=OTHER), item(redirect=True))
    assert agents(made) == {NUMBER: AGENT}
    assert made.problems == ["+336******78 is listed twice, with different agents"] * 2
    again = table(item(redirect=True), item(redirect=True))
    assert again.counts["redirected"] == 1


def test_an_unchanged_item_keeps_its_row_and_a_changed_one_is_of_a_new_generation() -> None:
    first = table(item(), item("+33612345679"), item("+33612345670"))
    assert first.finish()
    second = table(item(), item("+33612345679", OTHER), item("support", type="sip"), before=first)
    assert second.rows[NUMBER] is first.rows[NUMBER] is first.rows["+33612345670"]
    generations = {number: row.generation for number, row in second.rows.items()}
    assert generations == {NUMBER: 1, "+33612345679": 2, "support": 2}
    third = table(item(), item("+33612345679"), before=second)
    assert third.rows["+33612345679"].generation == 3  # it changed back, but that is a change, too


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
def test_a_list_knows_whether_its_rows_differ(items: list[object], *, differs: bool) -> None:
    before = table(item())
    before.finish()
    assert table(*items, before=before).finish() is differs


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
