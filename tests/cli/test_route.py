"""``sip-stager route`` tells what would happen to a call, and why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from sip_stager.cli import app
from sip_stager.demo.api import FakeApi
from sip_stager.demo.behaviour import Behaviour
from sip_stager.demo.phone_numbers import phone_number
from sip_stager.ports import Call, Flow
from tests.config.settings_folder import AGENT, KEY, RIGHT, Folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
TRUNK = 'name = "carrier"\n'
SECOND = '[[trunks]]\nname = "second"\nnetworks = ["198.51.100.7"]\ncountry = "FR"\n'
DAYS = '"mon", "tue", "wed", "thu", "fri", "sat", "sun"'
SHARED = f"""[[numbers]]
number = "+3361*"
timezone = "Europe/Paris"
[[numbers.agents]]
agent = "{OTHER}"
days = ["sat"]
hours = ["20:00-23:00"]
[[numbers.agents]]
agent = "{AGENT}"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("ROUNDED_API_KEY", KEY)
    return Folder(tmp_path)


def route(folder: Folder, text: str, *options: str) -> Result:
    path = folder.write("s.toml", text)
    return CliRunner().invoke(app, ["route", "--config", str(path), *options])


def steps(result: Result) -> dict[str, list[str]]:
    """The lines of each step."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in result.stdout.splitlines():
        name = line[:15].strip() or name
        found.setdefault(name, []).append(line[15:])
    return found


def with_trunk(line: str) -> str:
    return RIGHT.replace(TRUNK, f"{TRUNK}{line}\n")


def test_a_call_is_followed_from_its_trunk_to_its_upstream(folder: Folder) -> None:
    text = with_trunk('country = "FR"\nstrip = ["99"]')
    result = route(folder, text, "--to", "990612345678", "--from", "0199990000")
    assert result.exit_code == 0, result.output
    assert steps(result) == {
        "INVITE": ["sip:990612345678@sip-stager.invalid"],
        "trunk": ["carrier (the only one)"],
        "called number": [
            'request_uri says "990612345678"',
            'less the prefix "99"',
            '"+33612345678", read with country = "FR"',
        ],
        "row": [f'"+33612345678" ({folder.path / "s.toml"}:17)'],
        "caller": [
            "p_asserted_identity is missing",
            "remote_party_id is missing",
            "from says +33199990000",
        ],
        "agent": [AGENT],
        "deadline": ["4 s for the staging in all"],
        "upstream": ["INVITE sip:990612345678@sip.example.com to sip:sip.example.com"],
        "if not staged": steps(result)["if not staged"],
    }
    assert "over_time: refuse 503" in steps(result)["if not staged"]


def test_headers_are_read_as_the_trunk_says_and_what_is_of_no_use_is_named(folder: Folder) -> None:
    text = with_trunk('country = "FR"\ncalled = ["diversion", "header:X-Did", "to"]')
    options = ["--header", "x-did: 0612345678", "--header", "Diversion: <sip:edge>"]
    result = route(folder, text, "--to", "sip:user@edge", *options)
    assert result.exit_code == 0, result.output
    assert steps(result)["called number"][:2] == [
        "diversion names nobody",
        'header:X-Did says "0612345678"',
    ]


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        ("Privacy: id", "", ["withheld, by Privacy: id"]),
        ("From: <sip:anonymous@anonymous.invalid>;tag=1", "", ["withheld, by an anonymous From"]),
        ("From: <sip:1000@pbx>;tag=1", "", ["from holds no valid number"]),
        (
            "Privacy: id",
            "pass_withheld = true",
            ["from says +33199990000, passed on by pass_withheld"],
        ),
    ],
)
def test_it_is_said_why_the_api_is_told_which_caller(
    folder: Folder, header: str, line: str, said: list[str]
) -> None:
    options = ["--to", "+33612345678", "--from", "+33199990000", "--header", header]
    caller = steps(route(folder, with_trunk(line), *options))["caller"]
    assert set(said) <= set(caller)
    if not line:
        assert caller[-1] == "the API is told +10000000000, by [api] anonymous_number"
        assert "33199990000" not in str(caller)


def test_it_is_said_that_there_is_no_narrower_row_and_who_is_on_duty(folder: Folder) -> None:
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


def test_without_a_time_it_is_now(folder: Folder) -> None:
    text = RIGHT + SHARED.replace('hours = ["20:00-23:00"]\n', "").replace('"sat"', DAYS)
    agent = steps(route(folder, text, "--to", "+33611111111"))["agent"]
    assert agent[0] == OTHER
    assert agent[1].startswith("1 of 2 on duty, ")


def test_a_number_without_a_row_is_refused_and_so_is_the_exit_code(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "sip_username")
    assert result.exit_code == 1
    assert steps(result)["row"] == ['no "sip_username"', 'no "*"']
    assert steps(result)["refused"] == ["404 Not Found: no agent is mapped to sip_username"]


def test_a_call_that_names_nobody_is_refused(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "sip:edge")
    assert result.exit_code == 1
    assert steps(result)["called number"] == [
        "request_uri names nobody",
        'none: called = ["request_uri"] finds nobody',
    ]


def test_a_request_uri_that_is_none_is_refused(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "sip:@")
    assert (result.exit_code, steps(result)["refused"]) == (1, ["400 Bad Request: not a SIP URI"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "1"], "there are several trunks: write --trunk and one of carrier, second"),
        (["--to", "1", "--trunk", "x"], 'no trunk is called "x": write --trunk and one of'),
        (["--to", "1", "--trunk", "second", "--header", "x"], "'x' is no header: write it like"),
        (["--to", "1", "--trunk", "second", "--header", "a b: x"], "without a name"),
        (["--to", "1", "--trunk", "second", "--header", "a: x\r\nb: y"], "more than one line"),
        (["--to", "sip:a\r\n", "--trunk", "second"], "more than one line"),
        (["--to", "1", "--trunk", "second", "--at", "noon"], "Invalid isoformat string"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(
    folder: Folder, options: list[str], said: str
) -> None:
    result = route(folder, RIGHT + SECOND, *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_the_trunk_is_chosen_by_name(folder: Folder) -> None:
    result = route(folder, RIGHT + SECOND, "--to", "0612345678", "--trunk", "second")
    assert (result.exit_code, steps(result)["trunk"]) == (0, ["second"])


async def route_online(folder: Folder, api: FakeApi, *options: str) -> Result:
    """Ask with a list of the platform's; in a thread, for the command has a loop of its own."""
    refresh = f'[api]\nbase_url = "{api.url}"\nnumbers_refresh = 300.0'
    text = RIGHT.replace("[api]", refresh) + SHARED
    return await asyncio.to_thread(route, folder, text, *options)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi(key=KEY) as fake:
        fake.phone_numbers.items = [
            phone_number("+33612345678", OTHER),
            phone_number("+33612345679", OTHER),
            phone_number("+33612345670", None, redirect=True),
        ]
        yield fake


async def test_online_asks_for_the_platforms_numbers(folder: Folder, api: FakeApi) -> None:
    result = await route_online(folder, api, "--to", "+33612345679", "--online")
    assert result.exit_code == 0, result.output
    shown = steps(result)
    assert shown["row"] == ['"+33612345679" (the platform\'s list)']
    assert shown["agent"] == [OTHER]
    shown = steps(await route_online(folder, api, "--to", "+33612345678", "--online"))
    assert shown["agent"] == [AGENT]


async def test_a_number_that_the_platform_redirects_goes_on_unstaged(
    folder: Folder, api: FakeApi
) -> None:
    result = await route_online(folder, api, "--to", "+33612345670", "--online")
    assert result.exit_code == 0, result.output
    shown = steps(result)
    assert shown["agent"][0].startswith("none: the platform redirects the number by itself")
    assert shown.keys() & {"deadline", "if not staged"} == set()
    assert shown["upstream"] == ["INVITE sip:+33612345670@sip.example.com to sip:sip.example.com"]


async def test_without_online_it_says_that_the_platform_was_not_asked(
    folder: Folder, api: FakeApi
) -> None:
    unasked = "the platform's list was not asked for, and may have it: add --online"
    shown = steps(await route_online(folder, api, "--to", "+33612345679"))
    assert shown["row"][-1] == unasked
    shown = steps(await route_online(folder, api, "--to", "+33712345679"))
    assert shown["row"][-1] == unasked
    shown = steps(await route_online(folder, api, "--to", "+33612345678"))
    assert unasked not in shown["row"]
    assert api.stats.requests == 0


async def test_online_says_why_the_platforms_numbers_can_not_be_had(
    folder: Folder, api: FakeApi
) -> None:
    api.by["phone_numbers"] = Behaviour(status=403, message="not with this key")
    result = await route_online(folder, api, "--to", "+33612345679", "--online")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "could not be had: HTTP 403: not with this key" in result.stderr


def test_wrong_settings_are_refused_as_check_does(folder: Folder) -> None:
    result = route(folder, "x = 1\n", "--to", "1")
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_profile_of_the_carrier_is_named_and_counts(folder: Folder) -> None:
    found = steps(route(folder, with_trunk('profile = "telnyx"'), "--to", "+33612345678"))
    assert found["trunk"] == ['carrier (the only one), profile "telnyx"']
    assert {"busy: refuse 480", "rings: never"} <= set(found["if not staged"])


def test_it_says_what_a_call_gets(folder: Folder) -> None:
    """The agent and the numbers that are shown are those of the call that admission makes."""
    from sip_stager.assembly import make_admission, make_mapping
    from sip_stager.cli.invite import make_invite

    text = with_trunk('country = "FR"') + SHARED
    invite = make_invite("0612345600", "0912345678", ["P-Asserted-Identity: <tel:0199990000>"])
    settings = folder.load(text)
    admission = make_admission(settings, make_mapping(settings))
    call = admission.admit(invite, Flow("UDP", "192.0.2.9", 5060))
    assert isinstance(call, Call)
    options = ["--from", "0912345678", "--header", "P-Asserted-Identity: <tel:0199990000>"]
    shown = steps(route(folder, text, "--to", "0612345600", *options))
    assert shown["agent"][0] == call.agent_id
    assert shown["caller"] == [f"p_asserted_identity says {call.from_number}"]
    assert call.to_number in shown["called number"][-1]
