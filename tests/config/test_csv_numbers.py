"""A CSV of numbers is read as a whole, and its mistakes carry its name and their lines."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from sip_stager.assembly.trunks import make_admission, make_mapping
from sip_stager.config.tables.policy import CallPolicy
from tests.config.settings_folder import AGENT, RIGHT, Folder, said

WITH_CSV = 'numbers_csv = "n.csv"\n' + RIGHT
OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
ROW = f"+33612345679,{AGENT}"


def test_rows_of_the_csv_follow_those_of_the_file(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n{ROW}\nalice,{AGENT.upper()}\n")
    settings = folder.load(WITH_CSV)
    assert list(settings.agents) == ["+33612345678", "+33612345679", "alice"]
    assert set(settings.agents.values()) == {(AGENT,)}


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeffnumber,agent\n{ROW}\n",
        f"Number, Agent\r\n{ROW}\r\n",
        f'# numbers\n\nnumber,agent\n# one, two, three\n,\n "+33612345679",  {AGENT} ',
    ],
)
def test_forms_of_spreadsheets_and_people_are_read(folder: Folder, text: str) -> None:
    folder.write("n.csv", text)
    assert folder.load(WITH_CSV).agents["+33612345679"] == (AGENT,)


@pytest.mark.parametrize(
    ("text", "line", "key", "wrong", "right"),
    [
        ("", 1, "", "has no rows", "number,agent"),
        (f"{ROW}\n", 1, "", "the first row is '+33612345679,", "number,agent"),
        (f"\nnumber;agent\n{ROW}\n", 2, "", "the first row is 'number;agent'", "by commas"),
        (f"number\tagent\n{ROW}\n", 1, "", "the first row is 'number", "by commas"),
        (f"number,agent\n3.33667E+10,{AGENT}\n", 2, "number", "by a spreadsheet", "as text"),
        (f'number,agent\n"3,3E+10",{AGENT}\n', 2, "number", "by a spreadsheet", "as text"),
        (
            f"number,agent\n+3361,{AGENT}\n",
            2,
            "number",
            "neither a telephone",
            '"+3361*" matches all',
        ),
        (f"number,agent\n\n{ROW},x\n", 3, "", "the row has 3 columns", "write 2 columns, as"),
        ("number,agent\n+33612345679\n", 2, "", "the row has 1 columns", "write 2 columns, as"),
        (f'number,agent\n{ROW}\n"+336,{AGENT}\n', 3, "", "is not CSV: ", "close each quote"),
        (f"number,agent\n{ROW[:-1]}\n", 2, "agent", "is not an agent id", "UUID"),
        (f"number,agent\n,{AGENT}\n", 2, "number", "neither a telephone number", "E.164"),
        (f"number,agent\n+0612,{AGENT}\n", 2, "number", "neither a telephone number", "E.164"),
        (f"number,agent,days\n{ROW},mon\n", 1, "", '"days" is not a column', "are: number, agent"),
        ("number,agent,Agent\n", 1, "", 'the column "agent" is there twice', "remove one"),
        (f"number,agent,version\n{ROW},new\n", 2, "version", 'is "new"', "write a whole number"),
        (f"number,agent,refusal\n{ROW},200\n", 2, "refusal", "is 200", "write 400 or more"),
        (f"number,agent,ringing_delay\n{ROW},inf\n", 2, "ringing_delay", "is Infinity", "finite"),
        (f"number,agent,busy\n{ROW},drop\n", 2, "busy", "is not a treatment", "forward"),
        (f"number,agent,busy\n{ROW},agent {AGENT}\n", 2, "busy", "does not say what", "another"),
        (b"number,agent\n\xff\n", 2, "", "is not UTF-8 (byte 0xff)", "as UTF-8"),
    ],
)
def test_a_wrong_row_is_reported_with_its_line(
    folder: Folder, text: str | bytes, line: int, key: str, wrong: str, right: str
) -> None:
    folder.write("n.csv", text)
    (mistake,) = folder.mistakes(WITH_CSV)
    assert said(mistake)[:3] == ("n.csv", line, key)
    assert wrong in mistake.wrong
    assert right in mistake.right


def test_further_columns_are_the_version_and_the_policy(folder: Folder) -> None:
    folder.write(
        "n.csv",
        f"deadline,agent,timeout,number,version,refusal\n"
        f"2.5,{AGENT},agent {OTHER} then refuse 480 Later,+33612345670,3,\n"
        f",{AGENT},,+33612345671,,486\n"
        f",{AGENT},,+33612345672,,\n",
    )
    first, second, third = (row.table for row in folder.load(WITH_CSV).rows[1:])
    assert first.version == 3
    assert first.policy == CallPolicy.model_validate(
        {"deadline": 2.5, "timeout": [f"agent {OTHER}", "refuse 480 Later"]}
    )
    assert (second.version, second.policy) == (None, CallPolicy(refusal=486))
    assert third.policy == CallPolicy()


def test_equal_rows_share_a_policy_and_each_wrong_row_is_reported(folder: Folder) -> None:
    rows = "".join(f"+3361234567{digit},{AGENT},forward\n" for digit in range(8))
    folder.write("n.csv", f"number,agent,busy\n{rows}")
    policies = [row.table.policy for row in folder.load(WITH_CSV).rows[1:]]
    assert len({id(policy) for policy in policies}) == 1
    folder.write("n.csv", f"number,agent,busy\n{rows}".replace("forward", "drop"))
    assert [(mistake.line, mistake.key) for mistake in folder.mistakes(WITH_CSV)] == [
        (line, "busy") for line in range(2, 10)
    ]


def test_a_contradiction_in_a_row_is_reported_with_its_column(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent,busy\n{ROW},agent {AGENT} then refuse\n")
    (mistake,) = folder.mistakes(WITH_CSV)
    assert said(mistake)[:3] == ("n.csv", 2, "busy")


def test_a_missing_csv_is_a_mistake(folder: Folder) -> None:
    (mistake,) = folder.mistakes(WITH_CSV)
    wrong = "n.csv cannot be read: No such file or directory"
    assert said(mistake)[:4] == ("s.toml", 1, "numbers_csv", wrong)


def test_a_csv_name_that_is_not_text_is_a_mistake(folder: Folder) -> None:
    (mistake,) = folder.mistakes(WITH_CSV.replace('"n.csv"', "7"))
    assert said(mistake)[:4] == ("s.toml", 1, "numbers_csv", "is 7")


def test_thousands_of_mistakes_do_not_bury_the_others(folder: Folder) -> None:
    folder.write("n.csv", "number,agent\n" + "+33612345679,x\n" * 3000)
    mistakes = folder.mistakes(WITH_CSV.replace("[upstream]", "[upstream]\nx = 1"))
    assert (mistakes[0].line, mistakes[0].key) == (9, "upstream.x")
    assert [m.line for m in mistakes[1:-1]] == list(range(2, 52))
    assert said(mistakes[-1])[3:] == ("and 2950 more like these", "fix the first 50")


def test_as_many_mistakes_as_are_shown_have_no_line_about_more(folder: Folder) -> None:
    folder.write("n.csv", "number,agent\n" + "+33612345679,x\n" * 50)
    assert [mistake.line for mistake in folder.mistakes(WITH_CSV)] == list(range(2, 52))


def test_a_csv_that_cannot_be_read_is_the_only_mistake_of_settings_without_numbers(
    folder: Folder,
) -> None:
    folder.write("n.csv", f"number\tagent\n{ROW}\n")
    text = WITH_CSV.partition("[[numbers]]")[0]
    assert [mistake.file.name for mistake in folder.mistakes(text)] == ["n.csv"]


def numbers_csv(rows: int) -> str:
    agents = AGENT, OTHER
    lines = (f"+336{row:08},{agents[row % 2]},forward\n" for row in range(rows))
    return "number,agent,busy\n" + "".join(lines)


def test_rows_with_equal_cells_share_all_but_their_number(folder: Folder) -> None:
    folder.write("n.csv", numbers_csv(50))
    settings = folder.load(WITH_CSV)
    assert list(settings.tables) == [0, 1, 2]
    assert len({id(row.table) for row in settings.rows[1:]}) == 2
    assert [settings.rows[index].table.agent_ids for index in (1, 2)] == [(AGENT,), (OTHER,)]


def test_a_row_takes_a_few_hundred_bytes(folder: Folder) -> None:
    def used(rows: int) -> int:
        folder.write("n.csv", numbers_csv(rows))
        gc.collect()
        tracemalloc.start()
        settings = folder.load(WITH_CSV)
        mapping = make_mapping(settings)
        kept = settings, mapping, make_admission(settings, mapping)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del kept
        return size

    used(100)  # what is loaded and cached once
    assert (used(3000) - used(1000)) / 2000 < 300


def test_comments_and_blank_lines_count_as_lines(folder: Folder) -> None:
    folder.write("n.csv", f"# numbers\n\nnumber,agent\n{ROW}\n# one more\n+33612345670,x\n")
    assert [said(mistake)[:3] for mistake in folder.mistakes(WITH_CSV)] == [("n.csv", 6, "agent")]


def test_a_national_zero_behind_the_country_code_is_removed_in_every_row(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n+33366725520,{AGENT}\n+330366725521,{AGENT}\n")
    numbers = list(folder.load('numbers_csv = "n.csv"\n' + RIGHT).agents)
    assert numbers[1:] == ["+33366725520", "+33366725521"]
