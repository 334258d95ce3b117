"""A fallback agent can answer, or `check` reports that it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.config.settings_folder import AGENT, RIGHT, Folder

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
INSTEAD = f'timeout = ["agent {AGENT}", "refuse"]'
SHARED = RIGHT.replace(
    f'agent = "{AGENT}"\n',
    f'[[numbers.agents]]\nagent = "{AGENT}"\n[[numbers.agents]]\nagent = "{OTHER}"\n',
)
SECOND = f'[[numbers]]\nnumber = "+33612345679"\nagent = "{OTHER}"\n'
AGAIN = "stages the agent of +33612345678 again, after it has failed"
HALF = (
    f"has {AGENT}, which answers +33612345678 itself: after it has failed it is not staged again, "
    "and the next treatment applies"
)


def found(folder: Folder, text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the mistakes and the warnings of settings."""
    wrong = [(each.key, each.wrong) for each in folder.mistakes(text)]
    return wrong, [] if wrong else [(one.key, one.wrong) for one in folder.load(text).warnings]


def at(table: str, text: str = RIGHT) -> tuple[str, str]:
    """Return settings with a fallback agent in a table, and the key of it."""
    if table == "policy":
        return f"{text}[policy]\n{INSTEAD}\n", "policy.timeout"
    policy = f"[[{table}]]\npolicy = {{ {INSTEAD} }}\n"
    return text.replace(f"[[{table}]]\n", policy, 1), f"{table}[0].policy.timeout"


@pytest.mark.parametrize("table", ["numbers", "trunks", "policy"])
def test_an_agent_cannot_be_the_fallback_of_itself(folder: Folder, table: str) -> None:
    text, key = at(table)
    assert found(folder, text) == ([(key, AGAIN)], [])


@pytest.mark.parametrize("table", ["numbers", "trunks", "policy"])
def test_a_fallback_that_shares_the_number_is_a_warning(folder: Folder, table: str) -> None:
    text, key = at(table, SHARED)
    assert found(folder, text) == ([], [(key, HALF)])


@pytest.mark.parametrize("table", ["trunks", "policy"])
def test_a_fallback_with_a_number_of_its_own_is_a_warning(folder: Folder, table: str) -> None:
    text, key = at(table, RIGHT + SECOND)
    assert found(folder, text) == ([], [(key, HALF)])


@pytest.mark.parametrize("table", ["trunks", "policy"])
def test_a_number_with_its_own_policy_does_not_count(folder: Folder, table: str) -> None:
    own = RIGHT.replace("[[numbers]]", '[[numbers]]\npolicy = { timeout = "forward" }')
    assert found(folder, at(table, own + SECOND)[0]) == ([], [])


def test_numbers_of_the_platform_may_need_the_fallback(folder: Folder) -> None:
    text, key = at("policy", RIGHT.replace("[api]", "[api]\nnumbers_refresh_interval = 300.0"))
    assert found(folder, text) == ([], [(key, HALF)])


def test_another_agent_is_a_right_fallback(folder: Folder) -> None:
    for table in ("numbers", "trunks", "policy"):
        assert found(folder, at(table)[0].replace(f"agent {AGENT}", f"agent {OTHER}")) == ([], [])


def test_only_the_first_number_is_listed(folder: Folder) -> None:
    rows = "".join(f"+3361234{number:04},{AGENT}\n" for number in range(3))
    folder.write("n.csv", f"number,agent\n{rows}")
    (mistake,) = folder.mistakes('numbers_csv = "n.csv"\n' + at("policy")[0])
    assert mistake.wrong.startswith("stages the agent of +33612345678 and 3 more again")


@pytest.mark.parametrize(
    ("policy", "half"),
    [
        ("ringing_delay = 1.0", "2"),
        ("ringing_delay = 2.0", "2"),  # of both at once, ringing is the first
        ("ringing_delay = 2.1", None),
        ('ringing = "183"\nringing_delay = 1.0\ndeadline = 9.0', "4.5"),
        ('ringing = "never"', None),
    ],
)
@pytest.mark.parametrize("late", ['"forward"', f'["agent {AGENT}", "refuse"]', None])
def test_a_fallback_for_the_timeout_that_ringing_comes_before_is_a_warning(
    folder: Folder, policy: str, half: str | None, late: str | None
) -> None:
    text = RIGHT.replace(AGENT, OTHER) + f"[policy]\n{INSTEAD}\n{policy}\n"
    if late and "never" not in policy:
        text += f"after_ringing = {late}\n"
    settings = folder.load(text)
    named = [(one.key, one.wrong, one.right) for one in settings.warnings]
    if half is None or late != '"forward"':
        assert named == []
        return
    after = settings.policy.ringing_delay
    wrong = (
        f'has no effect on the trunk "carrier": the caller hears ringing after {after:g} s, and '
        "after_ringing decides then"
    )
    right = f"write a ringing_delay of more than {half}, or remove after_ringing"
    assert named == [("policy.timeout", wrong, right)]


def test_the_example_of_the_policies_page_has_no_warning(folder: Folder) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    (example,) = re.findall(
        r"```toml\n(\[policy\].*?)```", page[page.index("Ringing takes") :], re.DOTALL
    )
    assert found(folder, RIGHT + example) == ([], [])
