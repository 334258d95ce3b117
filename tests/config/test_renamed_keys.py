"""An old name of a key is answered with the new one, and with nothing about its value."""

from __future__ import annotations

import pytest

from sip_stager.config.loading.renamed_keys import RENAMED
from sip_stager.config.tables.settings import TABLES
from tests.config.settings_folder import AGENT, RIGHT, Folder

KEYS = [(table, *names) for table, renamed in RENAMED.items() for names in renamed.items()]
HEADERS = {"policy": "[policy]", "limits": "[limits]", "trunks": "[[trunks]]"}


@pytest.mark.parametrize(("table", "old", "new"), KEYS)
def test_the_new_name_exists_and_the_old_one_does_not(table: str, old: str, new: str) -> None:
    assert new in TABLES[table].model_fields
    assert old not in TABLES[table].model_fields


@pytest.mark.parametrize("value", ["1", '"nonsense"', "[]", "{}", "-1.5"])
@pytest.mark.parametrize(("table", "old", "new"), KEYS)
def test_an_old_key_is_answered_with_the_new_one_whatever_its_value(
    folder: Folder, table: str, old: str, new: str, value: str
) -> None:
    header = HEADERS.get(table, f"[{table}]")
    text = RIGHT if f"\n{header}\n" in RIGHT else f"{RIGHT}{header}\n"
    (mistake,) = folder.mistakes(text.replace(f"{header}\n", f"{header}\n{old} = {value}\n"))
    place = "trunks[0]" if table == "trunks" else table
    assert mistake.key == f"{place}.{old}"
    assert (mistake.wrong, mistake.right) == ("has a new name", f"write {new} instead")


@pytest.mark.parametrize("table", ["trunks", "numbers"])
def test_so_is_one_in_the_policy_of_a_trunk_or_number(folder: Folder, table: str) -> None:
    policy = f'[[{table}]]\npolicy = {{ over_time = "forward" }}\n'
    (mistake,) = folder.mistakes(RIGHT.replace(f"[[{table}]]\n", policy))
    assert mistake.key == f"{table}[0].policy.over_time"
    assert mistake.right == "write timeout instead"


def test_so_is_an_old_column_of_the_csv(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent,over_time\n+33612345679,{AGENT},forward\n")
    (mistake,) = folder.mistakes('numbers_csv = "n.csv"\n' + RIGHT)
    assert mistake.wrong == 'the column "over_time" has a new name'
    assert mistake.right == "write timeout instead"
