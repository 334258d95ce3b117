"""``sip-stager route`` reports what would happen to a call, and why."""

from __future__ import annotations

import pytest

from tests.cli.asking import OTHER, SECOND, SHARED, route, steps, with_trunk
from tests.config.settings_folder import AGENT, RIGHT, Folder

DAYS = '"mon", "tue", "wed", "thu", "fri", "sat", "sun"'


def test_a_call_is_followed_from_its_trunk_to_its_upstream(folder: Folder) -> None:
    text = with_trunk('country = "FR"\nstrip = ["99"]')
    result = route(folder, text, "--to", "990612345678", "--from", "0199990000")
    assert result.exit_code == 0, result.output
    assert steps(result) == {
        "INVITE": ["sip:990612345678@sip-stager.invalid"],
        "source": ["192.0.2.1"],
        "trunk": ["carrier (the only one)"],
        "called number": [
            'request_uri says "990612345678"',
            'without the prefix "99"',
            '"+33612345678", read with country = "FR"',
        ],
        "row": [f'"+33612345678" ({folder.path / "s.toml"}:17)'],
        "caller": [
            "p_asserted_identity is missing",
            "remote_party_id is missing",
            "from says +33199990000",
        ],
        "agent": [AGENT],
        "deadline": ["4 s for the whole staging"],
        "upstream": ["INVITE sip:990612345678@sip.example.com to udp:sip.example.com:5060"],
        "if not staged": steps(result)["if not staged"],
    }
    assert "timeout: refuse 480" in steps(result)["if not staged"]


def test_route_works_outside_the_unit(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROUNDED_API_KEY")
    unit = "/run/credentials/sip-stager.service/api-key"
    text = RIGHT.replace("[api]", f'[api]\nkey_file = "{unit}"')
    result = route(folder, text, "--to", "+33612345678")
    assert result.exit_code == 0, result.output
    assert "the key was not checked" in result.stderr
    assert route(folder, text, "--to", "+33612345678", "--online").exit_code == 2


def test_the_called_number_is_read_from_the_headers_of_the_trunk(folder: Folder) -> None:
    text = with_trunk('country = "FR"\ncalled = ["diversion", "header:X-Did", "to"]')
    options = ["--header", "x-did: 0612345678", "--header", "Diversion: <sip:edge>"]
    result = route(folder, text, "--to", "sip:user@edge", *options)
    assert result.exit_code == 0, result.output
    assert steps(result)["called number"][:2] == [
        "diversion has no user part",
        'header:X-Did says "0612345678"',
    ]


def test_the_report_shows_the_rows_looked_up_and_the_agents_on_duty(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n\n+336*,{AGENT}\n")
    text = 'numbers_csv = "n.csv"\n' + RIGHT + SHARED
    wide = steps(route(folder, text, "--to", "+33622222222"))
    assert wide["row"] == [
        'no "+33622222222"',
        'no "+3362*"',
        f'"+336*" ({folder.path / "n.csv"}:3)',
    ]
    late = ["--to", "+33611111111", "--at"]
    saturday = steps(route(folder, text, *late, "2026-11-21T22:30"))
    assert saturday["row"][-1] == f'"+3361*" ({folder.path / "s.toml"}:19)'
    assert saturday["agent"] == [OTHER, "1 of 2 on duty, Saturday 22:30 Europe/Paris"]
    elsewhere = steps(route(folder, text, *late, "2026-11-21T22:30-05:00"))
    assert elsewhere["agent"] == [AGENT, "1 of 2 on duty, Sunday 04:30 Europe/Paris"]


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-03-29T01:59", "01:59"),
        ("2026-03-29T02:30", "03:30"),  # the clock goes from 02:00 to 03:00
        ("2026-10-25T02:30", "02:30"),
        ("2026-10-25T02:30:00+02:00", "02:30"),
        ("2026-10-25T02:30:00+01:00", "02:30"),
    ],
)
def test_a_time_without_an_offset_is_local_to_the_number(
    folder: Folder, at: str, shown: str
) -> None:
    text = RIGHT + SHARED.replace('"sat"', '"sun"').replace("20:00-23:00", "00:00-06:00")
    agent = steps(route(folder, text, "--to", "+33611111111", "--at", at))["agent"]
    assert agent == [OTHER, f"1 of 2 on duty, Sunday {shown} Europe/Paris"]


def test_the_default_time_is_now(folder: Folder) -> None:
    text = RIGHT + SHARED.replace('hours = ["20:00-23:00"]\n', "").replace('"sat"', DAYS)
    agent = steps(route(folder, text, "--to", "+33611111111"))["agent"]
    assert agent[0] == OTHER
    assert agent[1].startswith("1 of 2 on duty, ")


def test_an_unmapped_number_is_refused_with_exit_code_1(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "sip_username")
    assert result.exit_code == 1
    assert steps(result)["row"] == ['no "sip_username"', 'no "*"']
    assert steps(result)["refused"] == ["404 Not Found: no agent is mapped to sip_username"]


def test_a_call_without_a_called_number_is_refused(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "sip:edge")
    assert result.exit_code == 1
    assert steps(result)["called number"] == [
        "request_uri has no user part",
        'none: called = ["request_uri"] finds no number',
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "1"], "there are several trunks: write --trunk and one of carrier, second, or"),
        (
            ["--to", "1", "--source", "edge"],
            "'edge' is not an IP address: write --source 192.0.2.17",
        ),
        (
            ["--to", "1", "--source", "192.0.2.9", "--trunk", "second"],
            '192.0.2.9 belongs to the trunk "carrier", not to "second": use one of the two options',
        ),
        (
            ["--to", "1", "--source", "203.0.113.9", "--trunk", "second"],
            '203.0.113.9 belongs to no trunk, not to "second": use one of the two options',
        ),
        (
            ["--to", '"Bob" <sip:+33612345678@h>', "--trunk", "second"],
            "is not a Request-URI: write a number, a name, or a URI like sip:+33...@host",
        ),
        (
            ["--to", "1", "--from", '"Bob" +33612345678', "--trunk", "second"],
            "is not an address: write a number, a name, a URI like sip:+33...@host, or an address",
        ),
        (
            ["--to", "1", "--from", "Bob <", "--trunk", "second"],
            "is not an address: write a number",
        ),
        (
            ["--to", "1", "--trunk", "x"],
            '--trunk: there is no trunk "x": write "carrier" or "second"',
        ),
        (["--to", "1", "--trunk", "second", "--header", "x"], "'x' is not a header: write it like"),
        (["--to", "1", "--trunk", "second", "--header", "a b: x"], "has no name"),
        (["--to", "1", "--trunk", "second", "--header", "a: x\r\nb: y"], "more than one line"),
        (["--to", "sip:a\r\n", "--trunk", "second"], "more than one line"),
        (
            ["--to", "1", "--trunk", "second", "--at", "noon"],
            "--at 'noon' is not a time: write one like",
        ),
    ],
)
def test_a_wrong_option_is_answered_with_a_right_one(
    folder: Folder, options: list[str], said: str
) -> None:
    result = route(folder, RIGHT + SECOND, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_wrong_settings_are_rejected_like_in_check(folder: Folder) -> None:
    result = route(folder, "x = 1\n", "--to", "1")
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_profile_of_the_carrier_is_shown_and_applied(folder: Folder) -> None:
    found = steps(route(folder, with_trunk('profile = "telnyx"'), "--to", "+33612345678"))
    assert found["trunk"] == ['carrier (the only one), profile "telnyx"']
    assert {"busy: refuse 480", "rings: never"} <= set(found["if not staged"])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("", 'the API gets "reception", which is no number: the row has no e164'),
        ('e164 = "+33366725529"', 'the API gets "+33366725529", the row\'s e164'),
    ],
)
def test_the_report_says_which_number_the_api_gets_for_a_name(
    folder: Folder, row: str, said: str
) -> None:
    text = RIGHT.replace("+33612345678", "reception") + f"{row}\n"
    assert steps(route(folder, text, "--to", "reception"))["row"][1:] == [said]


def test_impossible_numbers_are_reported(folder: Folder) -> None:
    text = RIGHT.replace("+33612345678", "+3361*")
    shown = steps(route(folder, text, "--to", "+336123456", "--from", "+3391234567"))
    assert shown["row"][-1] == '"+336123456" is an impossible number: too short for +33'
    assert shown["caller"][-1] == "+3391234567 is an impossible number: too short for +33"
