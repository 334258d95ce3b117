"""A number is matched by prefix, and can be shared by several agents."""

from __future__ import annotations

import pytest

from sip_stager.trunks.mapping import Row, Share
from tests.config.settings_folder import AGENT, RIGHT, Folder

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
SHARES = f'''[[numbers.agents]]
agent = "{AGENT}"
weight = 3
days = ["mon", "fri"]
hours = ["09:00-12:00", "22:00-06:00"]
[[numbers.agents]]
agent = "{OTHER}"
'''
SHARED = RIGHT.replace(f'agent = "{AGENT}"\n', f'timezone = "Europe/Paris"\n{SHARES}')


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("+33*61*", "+3361*"),
        ("+*", "+3361*"),
        ("+0*", "+3361*"),
        ("0033*", "+3361*"),
        ("**", "+3361*"),
        ("+336 1*", "+3361*"),
        ("+3361234567890123*", "+3361*"),
    ],
)
def test_a_malformed_prefix_is_a_mistake(folder: Folder, number: str, right: str) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace("+33612345678", number))
    assert mistake.key == "numbers[0].number"
    assert "is not the beginning of a number or name" in mistake.wrong
    assert right in mistake.right


@pytest.mark.parametrize("number", ["*", "+3*", "+3361*", "support-*", "10*", "0*"])
def test_a_prefix_is_mapped_once(folder: Folder, number: str) -> None:
    text = RIGHT.replace("+33612345678", number)
    assert folder.load(text).agents == {number: (AGENT,)}
    (mistake,) = folder.mistakes(f'{text}[[numbers]]\nagent = "{AGENT}"\nnumber = "{number}"\n')
    assert (mistake.line, mistake.key) == (19, "numbers[1].number")
    assert f"{number} is mapped twice (see " in mistake.wrong


def test_prefixes_may_be_in_the_csv(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n+336*,{AGENT}\n*,{AGENT}\n")
    assert list(folder.load('numbers_csv = "n.csv"\n' + RIGHT).agents)[1:] == ["+336*", "*"]


def test_agents_share_a_number(folder: Folder) -> None:
    settings = folder.load(f'{SHARED}[[numbers.agents]]\nagent = "{OTHER}"\ndays = ["mon"]\n')
    assert settings.agents == {"+33612345678": (AGENT, OTHER, OTHER)}
    hours = ((540, 720), (1320, 360))
    day, monday = Share(AGENT, 3, frozenset({0, 4}), hours), Share(OTHER, days=frozenset({0}))
    row = Row((day, Share(OTHER), monday), "Europe/Paris")
    assert settings.numbers[0].row == row


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "wrong", "right"),
    [
        ("timezone", f'agent = "{AGENT}"\ntimezone', 18, "agents", "beside `agent`", "not both"),
        (SHARES, "", 14, "agent", "is missing: no agent answers", "[[numbers.agents]]"),
        ('timezone = "Europe/Paris"\n', "", 14, "timezone", "is missing", "Europe/Paris"),
        ("Europe/Paris", "Europe/Pariss", 16, "timezone", "not a time zone", "Europe/Paris"),
        ("Europe/Paris", "../etc", 16, "timezone", "not a time zone", "Europe/Paris"),
        ("Europe/Paris", "Europe", 16, "timezone", "not a time zone", "Europe/Paris"),
        (
            OTHER,
            f'{OTHER}"\ndays = ["sun"]\n#"',
            17,
            "agents",
            "no agent answers",
            "from one of them",
        ),
        ("weight = 3", "weight = 0", 19, "agents[0].weight", "is 0", "write 1 or more"),
        ("weight = 3", "wieght = 3", 19, "agents[0].wieght", "not a key", 'mean "weight"?'),
        (
            '"mon"',
            '"Monday"',
            20,
            "agents[0].days[0]",
            'is "Monday"',
            'did you mean "mon"? write "mon", "tue"',
        ),
        ('"mon"', '"fri"', 20, "agents[0].days", 'has "fri" twice', "remove one"),
        ("09:00", "9:00", 21, "agents[0].hours[0]", "is not a time range", "09:00-18:00"),
        ("09:00", "12:00", 21, "agents[0].hours[0]", "is not a time range", "22:00-06:00"),
        ("12:00", "24:01", 21, "agents[0].hours[0]", "is not a time range", "09:00-18:00"),
        (OTHER, "x", 23, "agents[1].agent", "not an agent id", "UUID"),
        (
            f'"{OTHER}"\n',
            f'"{OTHER}"\n[[numbers.agents]]\nagent = "{OTHER}"\n',
            *(17, "agents", "has the same agent twice", "add its weight"),
        ),
    ],
)
def test_a_contradiction_in_a_shared_number_is_a_mistake(
    folder: Folder, old: str, new: str, line: int, key: str, wrong: str, right: str
) -> None:
    assert SHARED.count(old) == 1
    (mistake,) = folder.mistakes(SHARED.replace(old, new))
    assert (mistake.line, mistake.key) == (line, f"numbers[0].{key}")
    assert wrong in mistake.wrong
    assert right in mistake.right
