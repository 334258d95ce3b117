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


NAMED = RIGHT.replace("+33612345678", "reception")
LACKS = '"reception" is no number in E.164, and the API needs one: it gets the name'


@pytest.mark.parametrize("name", ["reception", "1000", "support-*", "10*"])
def test_a_row_of_a_name_without_its_number_is_a_warning(folder: Folder, name: str) -> None:
    text = RIGHT.replace("+33612345678", name)
    (warning,) = folder.load(text).warnings
    assert warning.wrong == LACKS.replace("reception", name)
    assert warning.right == 'add `e164 = "+..."` with the number that the API knows'
    assert folder.load(f'{text}e164 = "+33366725529"\n').warnings == ()


@pytest.mark.parametrize("number", ["+33612345678", "+3361*", "*"])
def test_a_row_of_numbers_needs_no_other(folder: Folder, number: str) -> None:
    assert folder.load(RIGHT.replace("+33612345678", number)).warnings == ()


@pytest.mark.parametrize("number", ["+33612345678", "+3361*"])
def test_a_row_of_numbers_has_no_other(folder: Folder, number: str) -> None:
    text = RIGHT.replace("+33612345678", number) + 'e164 = "+33366725529"\n'
    (mistake,) = folder.mistakes(text)
    assert (mistake.key, mistake.wrong) == (
        "numbers[0].e164",
        "is for calls to a name or a short code, but `number` is a number",
    )


@pytest.mark.parametrize("e164", ["0366725529", "reception", "+33", "1000"])
def test_the_number_of_a_name_is_in_e164(folder: Folder, e164: str) -> None:
    (mistake,) = folder.mistakes(f'{NAMED}e164 = "{e164}"\n')
    assert mistake.key == "numbers[0].e164"
    assert mistake.wrong == f"'{e164}' is not an E.164 number"


@pytest.mark.parametrize("e164", ["+33366725529", "+330366725529", "+33 3 66 72 55 29"])
def test_the_number_of_a_name_may_be_written_for_people(folder: Folder, e164: str) -> None:
    assert folder.load(f'{NAMED}e164 = "{e164}"\n').rows[0].table.e164 == "+33366725529"


def test_an_impossible_number_of_a_name_is_a_warning(folder: Folder) -> None:
    (warning,) = folder.load(f'{NAMED}e164 = "+3336672552"\n').warnings
    assert (warning.key, warning.wrong) == (
        "numbers[0].e164",
        '"+3336672552" is an impossible number: too short for +33',
    )


def test_the_csv_has_a_column_for_the_number_of_a_name(folder: Folder) -> None:
    rows = f"desk,+33366725521,{AGENT}\n1000,+33366725522,{AGENT}\n+33366725523,,{AGENT}\n"
    folder.write("n.csv", f"number,e164,agent\n{rows}x,,{AGENT}\n")
    settings = folder.load('numbers_csv = "n.csv"\n' + RIGHT)
    given = {row.number: row.table.row.e164 for row in settings.rows[1:]}
    assert given == {"desk": "+33366725521", "1000": "+33366725522", "+33366725523": "", "x": ""}
    assert [each.line for each in settings.warnings] == [5]


@pytest.mark.parametrize(
    ("prefix", "right"),
    [
        ("+330366*", "+33366*"),
        ("+330*", "+33*"),
        ("+44020*", "+4420*"),
        ("+3906*", None),
        ("+22507*", None),
        ("+22901*", None),
        ("+1202*", None),
        ("+20*", None),
        ("+33*", None),
        ("+3*", None),
    ],
)
def test_a_prefix_with_a_national_zero_is_a_warning(
    folder: Folder, prefix: str, right: str | None
) -> None:
    warnings = folder.load(RIGHT.replace("+33612345678", prefix)).warnings
    assert [warning.right for warning in warnings] == ([f'write "{right}"'] if right else [])
