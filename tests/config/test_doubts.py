"""What works and may not be meant is a warning, and no mistake."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import AGENT, RIGHT, Folder


def warned(folder: Folder, text: str) -> list[tuple[str, str]]:
    return [(warning.key, warning.wrong) for warning in folder.load(text).warnings]


@pytest.mark.parametrize(
    ("trunk", "key", "ends"),
    [
        ('profile = "telnyx"\npolicy = { deadline = 8.0 }', "policy.deadline", "4.7"),
        ('profile = "telnyx"\npolicy = { deadline = 4.0 }', None, ""),
        ("no_ringback_timeout = 5.0\npolicy = { deadline = 8.0 }", None, ""),  # it hears our 180
    ],
)
def test_a_deadline_that_the_carrier_does_not_wait_for_is_named(
    folder: Folder, trunk: str, key: str | None, ends: str
) -> None:
    found = warned(folder, RIGHT.replace("[[trunks]]\n", f"[[trunks]]\n{trunk}\n"))
    wrong = f'is 8, and staging ends after {ends} s: the trunk "carrier" waits 5 s for ringing'
    assert found == ([(f"trunks[0].{key}", wrong)] if key else [])


@pytest.mark.parametrize(("margin", "named"), [(4.0, True), (3.9, False)])
def test_a_margin_beyond_the_deadline_is_named(
    folder: Folder, margin: float, *, named: bool
) -> None:
    found = warned(folder, f"{RIGHT}[policy]\nmargin = {margin}\n")
    assert [key for key, _ in found] == (["policy.margin"] if named else [])


def test_connections_that_no_call_takes_are_named(folder: Folder) -> None:
    text = RIGHT.replace("[api]\n", "[api]\nconnections = 5001\n")
    assert [key for key, _ in warned(folder, text)] == ["api.connections"]
    assert warned(folder, text + "[limits]\ncalls_staging = 5001\n") == []


@pytest.mark.parametrize(("host", "here"), [("127.0.0.1", True), ("sip.example.com", False)])
def test_a_302_that_leads_back_here_is_named(folder: Folder, host: str, *, here: bool) -> None:
    found = warned(folder, f'{RIGHT}[policy]\nbusy = "moved sip:desk@{host}"\n')
    wrong = "sends the carrier back here: the call is staged again"
    assert found == ([("policy.busy", wrong)] if here else [])


def test_a_time_zone_without_hours_is_named(folder: Folder) -> None:
    zone = '[[numbers]]\ntimezone = "Europe/Paris"\n'
    found = warned(folder, RIGHT.replace("[[numbers]]\n", zone))
    assert found == [
        ("numbers[0].timezone", "is of no use: no agent of the number has days or hours")
    ]


def test_thousands_of_warnings_do_not_bury_the_others(folder: Folder) -> None:
    rows = "".join(f"01999{number:05},{AGENT}\n" for number in range(3000))
    folder.write("n.csv", f"number,agent\n{rows}")
    trunks = '[[trunks]]\nname = "fr"\nnetworks = ["198.51.100.7"]\ncountry = "FR"\n'
    text = 'numbers_csv = "n.csv"\n' + RIGHT.replace("[[numbers]]", trunks + "[[numbers]]")
    settings = folder.load(text + '[policy]\nbusy = "moved sip:desk@127.0.0.1"\n')
    assert settings.warnings[0].key == "policy.busy"
    assert len(settings.warnings) == 52
    assert settings.warnings[-1].wrong == "and 2950 more like these"
