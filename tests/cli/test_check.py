"""``sip-stager check`` says what the settings do, or everything that is wrong with them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from sip_stager import __version__
from sip_stager.cli import app
from sip_stager.demo.api import FakeApi
from sip_stager.demo.behaviour import Behaviour
from sip_stager.demo.phone_numbers import phone_number
from tests.config.settings_folder import AGENT, KEY, RIGHT, Folder

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
STAND_IN = f'over_time = ["agent {OTHER}", "refuse 480"]\n'


def check(folder: Folder, text: str, *options: str) -> Result:
    path = folder.write("s.toml", text)
    return CliRunner().invoke(app, ["check", "--config", str(path), *options])


async def check_online(folder: Folder, text: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(check, folder, text, "--online")


def at(folder: Folder, begins: str) -> str:
    """The file and the line of a setting."""
    path = folder.path / "s.toml"
    found = [line.startswith(begins) for line in path.read_text().splitlines()]
    return f"{path}:{found.index(True) + 1}"


def lines(result: Result) -> list[list[str]]:
    """The words of each line of the output."""
    return [line.split() for line in result.stdout.splitlines()]


def test_right_settings_are_shown_with_their_defaults_and_without_the_key(folder: Folder) -> None:
    result = check(folder, RIGHT)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert 'address = "127.0.0.1"\nport = 5060  # default\n' in result.stdout
    assert 'networks = ["192.0.2.0/24"]\n# profile is not set\n' in result.stdout
    assert "deadline = 4.0  # default\n" in result.stdout
    assert "# the API key was found, and is not shown\n" in result.stdout
    assert KEY not in result.output
    assert result.stdout.endswith(
        "OK: peers reach it at udp:127.0.0.1:5060; trunks: 1, numbers: 1, agents: 1\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "target"),
    [
        ("[x]", "[x]", "sip:<user as dialled>@sip.example.com:5060 over UDP"),
        (
            'uri = "sip:sip.example.com"',
            'uri = "sip:[2001:db8::1]:5070"\nrequest_uri = "e164"\n[[listeners]]\naddress = "::1"',
            "sip:<called number>@[2001:db8::1]:5070 over UDP",
        ),
        (
            "[upstream]",
            '[upstream]\nrequest_uri = "keep"\nbackups = ["sip:h"]',
            "the Request-URI as dialled, to sip.example.com:5060 over UDP, then 1 more",
        ),
    ],
)
def test_each_number_is_shown_with_its_agent_and_where_its_calls_go_on(
    folder: Folder, old: str, new: str, target: str
) -> None:
    result = check(folder, RIGHT.replace(old, new))
    assert result.exit_code == 0
    shown = "What each number does: staged (sync) for its agent, then goes on as"
    assert f"\n{shown}\n  {target}\n+33612345678  {AGENT}\n" in result.stdout


def check_in_terminal(folder: Folder, text: str, columns: int) -> str:
    """What a terminal of that width is given."""
    path = folder.write("s.toml", text)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "sip_stager", "check", "--config", str(path)]
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "dumb", "ROUNDED_API_KEY": KEY}
    with (
        os.fdopen(ours, "rb", buffering=0) as reader,
        subprocess.Popen(command, stdout=theirs, env=environ) as process,
    ):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says EIO at the end of a terminal
            while piece := reader.read(4096):
                shown += piece
        assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [0, 40, 80, 120])
def test_no_number_agent_or_uri_is_broken_however_narrow_the_terminal(
    folder: Folder, columns: int
) -> None:
    uri = "sip:a-queue-with-a-long-name@queues.sip.example.com:5080"
    policy = f'policy = {{ busy = ["agent {OTHER}", "redirect {uri}"] }}'
    text = RIGHT.replace("[[numbers]]", f"[[numbers]]\n{policy}")
    shown = check_in_terminal(folder, text, columns) if columns else check(folder, text).stdout
    assert f"\n+33612345678  {AGENT}\n" in shown
    assert f"\ncarrier  +33612345678  busy: agent {OTHER}, then redirect {uri}\n" in shown
    assert "\ncarrier  all others    busy: refuse 503\n" in shown
    assert "\ncarrier  all others    rings: 180 after 2 s\n" in shown


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ('over_time = "forward"\nafter_ringing = "refuse 480"', "forward (before ringing only)"),
        ('over_time = "forward"\nafter_ringing = "refuse"\nringing = "183"\nring_after = 3.9',
         "forward (before ringing only)"),
        (f'{STAND_IN}after_ringing = "forward"\nring_after = 1.9',
         f"agent {OTHER}, then refuse 480 (before ringing only)"),
        (f'{STAND_IN}after_ringing = "forward"\nring_after = 2.1',
         f"agent {OTHER}, then refuse 480"),
        ('over_time = "forward"', "forward"),
    ],
)  # fmt: skip
def test_what_counts_before_ringing_only_says_so(folder: Folder, policy: str, said: str) -> None:
    shown = check(folder, f"{RIGHT}[policy]\n{policy}\n").stdout
    assert f"\ncarrier  all others  over_time: {said}\n" in shown


def test_variables_are_shown_as_they_stand(folder: Folder) -> None:
    of_trunk = '[[trunks]]\nvariables = { vip = true, "a.b" = 0.5 }'
    text = RIGHT.replace("[[trunks]]", of_trunk) + '[variables]\nline = "${called} $$"\n'
    result = check(folder, text)
    assert result.exit_code == 0
    assert 'variables = {vip = true, "a.b" = 0.5}\n' in result.stdout
    assert '[variables]\nline = "${called} $$"\n' in result.stdout


def test_what_comes_from_the_profile_of_a_carrier_says_so(folder: Folder) -> None:
    own = '[[trunks]]\nprofile = "telnyx"\npass_503 = false\npolicy = { refusal = 503 }\n'
    shown = check(folder, RIGHT.replace("[[trunks]]\n", own)).stdout
    for line in (
        'profile = "telnyx"',
        "pass_503 = false",
        'no_ringback_timeout = 5.0  # profile "telnyx"',
        'policy = {refusal = 503, ringing = "never"}  # ringing: profile "telnyx"',
    ):
        assert f"\n{line}\n" in shown
    assert "\ncarrier  all others  over_time: refuse 503\n" in shown


def test_the_policy_that_counts_where_nobody_says_anything_is_shown(folder: Folder) -> None:
    shown = check(folder, RIGHT).stdout
    assert '[policy]\nover_time = "refuse"  # default\n' in shown
    assert 'refusal = 503  # default\nringing = "180"  # default\n' in shown
    assert "# deadline is not set\nmargin = 0.3  # default\n" in shown


def test_agents_that_share_a_number_are_shown_with_their_parts(folder: Folder) -> None:
    agents = (
        'timezone = "Europe/Paris"\n'
        f'[[numbers.agents]]\nagent = "{AGENT}"\ndays = ["sat"]\nhours = ["09:00-12:00"]\n'
        f'[[numbers.agents]]\nagent = "{OTHER}"\nweight = 2\n'
    )
    result = check(folder, RIGHT.replace(f'agent = "{AGENT}"\n', agents))
    assert result.exit_code == 0, result.output
    assert f"{AGENT} (weight 1, sat 09:00-12:00 Europe/Paris)" in result.stdout
    assert f"{OTHER} (weight 2)" in result.stdout
    assert result.stdout.endswith("numbers: 1, agents: 2\n")


def test_of_very_many_numbers_the_first_are_shown(folder: Folder) -> None:
    rows = "".join(f"+3361234{number:04},{AGENT}\n" for number in range(2000))
    folder.write("n.csv", f"number,agent\n{rows}")
    text = 'numbers_csv = "n.csv"\n' + RIGHT
    some, every = check(folder, text), check(folder, text, "--all")
    assert sum(AGENT in line for line in lines(some)) == 50
    assert "... and 1951 more (--all shows them)\n" in some.stdout
    assert sum(AGENT in line for line in lines(every)) == 2001
    assert "more (--all" not in every.stdout


def test_all_mistakes_go_to_stderr(folder: Folder) -> None:
    result = check(folder, RIGHT.replace("[api]", '[api]\nmodus = "[bold]"\nkey = "x"'))
    path = folder.path / "s.toml"
    assert result.exit_code == 2
    assert result.stdout == ""
    first, _, second, _ = result.stderr.splitlines()
    assert first == f"{path}:5: api.modus: is not a key that exists"
    assert second == f"{path}:6: api.key: the API key never stands in this file"


def test_a_warning_goes_to_stderr_and_is_no_mistake(folder: Folder) -> None:
    result = check(folder, RIGHT.replace("[api]", '[api]\nbase_url = "http://api.example.com"'))
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {folder.path / 's.toml'}:5: api.base_url: ")


async def test_online_names_each_agent_once(folder: Folder) -> None:
    async with FakeApi(key=KEY) as api:
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        folder.write("n.csv", f"number,agent\n+33612345670,{AGENT}\n+33612345671,{OTHER}\n")
        result = await check_online(folder, 'numbers_csv = "n.csv"\n' + text)
        assert result.exit_code == 0, result.output
        assert api.stats.requests == 3  # and one for the platform's numbers
    assert [AGENT, "2", "Agent", AGENT[:8], "3", "fr-FR"] in lines(result)
    assert [OTHER, "1", "Agent", OTHER[:8], "3", "fr-FR"] in lines(result)


async def check_declared(folder: Folder, numbers: str, **declared: str) -> Result:
    async with FakeApi(by={AGENT: Behaviour(variables=declared)}, key=KEY) as api:
        of_trunk = '[[trunks]]\nvariables = { route = "${trunk}" }'
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        return await check_online(folder, text.replace("[[trunks]]", of_trunk) + numbers)


async def test_online_takes_variables_that_the_agent_declares(folder: Folder) -> None:
    numbers = 'variables = { vip = "yes", line = "${called}" }\n[variables]\nvip = "perhaps"\n'
    declared = {"vip": "boolean", "line": "number", "route": "string"}
    result = await check_declared(folder, numbers, **declared)
    assert result.exit_code == 0, result.output
    assert "vip (boolean), line (number), route (string)" in result.stdout


async def test_online_names_variables_that_do_not_fit_their_agent(folder: Folder) -> None:
    numbers = 'variables = { vip = "perhaps" }\n[variables]\nborn = "31/01/2026"\nbrand = 5\n'
    result = await check_declared(folder, numbers, vip="boolean", born="date", brand="string")
    assert result.exit_code == 1
    declared = "it declares vip (boolean), born (date), brand (string)"
    undeclared = "is not declared by the agent"
    for begins, key, wrong in (
        ("born", "variables.born", '"31/01/2026" is no date, as the agent declares it'),
        ("variables = { route", "trunks[0].variables.route", f"{undeclared}; {declared}"),
        ("variables = { vip", "numbers[0].variables.vip", '"perhaps" is no boolean, as the'),
    ):
        assert f"\n{at(folder, begins)}: {key}: {wrong}" in result.stdout
    assert result.stdout.count(f"(agent {AGENT})") == 3
    assert result.stderr.endswith("Some variables do not fit their agents: see below the table.\n")
    assert "secret" not in result.output


async def test_online_fetches_the_agent_that_a_policy_stages_instead(folder: Folder) -> None:
    async with FakeApi(by={OTHER: Behaviour(status=404)}, key=KEY) as api:
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        policy = f'[policy]\nrefused = ["agent {OTHER}", "refuse"]\n'
        result = await check_online(folder, text + policy)
    assert result.exit_code == 1
    assert [OTHER, "policy", "HTTP", "404:"] in [words[:4] for words in lines(result)]
    assert f"\n{at(folder, 'refused')}: policy.refused: HTTP 404: " in result.stdout


@pytest.mark.parametrize("place", ["all", "trunk", "number"])
async def test_online_compares_the_agent_that_is_staged_instead_too(
    folder: Folder, place: str
) -> None:
    policy = f'policy = {{ refused = ["agent {OTHER}", "refuse"] }}\n'
    header = {"all": "", "trunk": "[[trunks]]\n", "number": "[[numbers]]\n"}[place]
    behaviours = {
        AGENT: Behaviour(variables={"vip": "boolean"}),
        OTHER: Behaviour(variables={"brand": "string"}),
    }
    async with FakeApi(by=behaviours, key=KEY) as api:
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        text = text.replace(header, header + policy) if header else text
        text = text.replace(
            f'agent = "{AGENT}"', f'agent = "{AGENT}"\nvariables = {{ vip = true }}'
        )
        if not header:
            text += f"[policy]\n{policy.removeprefix('policy = { ').replace(' }', '')}"
        result = await check_online(folder, text)
    assert result.exit_code == 1, result.output
    wrong = "is not declared by the agent; it declares brand (string)"
    assert f": numbers[0].variables.vip: {wrong} (agent {OTHER})\n" in result.stdout
    assert result.stdout.count("(agent ") == 1


async def test_online_compares_with_the_version_that_the_mapping_names(folder: Folder) -> None:
    declared = {"route": "string"}
    assert (await check_declared(folder, "version = 2\n", **declared)).exit_code == 0
    result = await check_declared(folder, "version = 9\n", **declared)
    assert result.exit_code == 1
    assert [AGENT, "1", "HTTP", "404:"] in [words[:4] for words in lines(result)]


async def test_online_names_an_agent_once_whatever_versions_are_asked_for(folder: Folder) -> None:
    second = f'[[numbers]]\nnumber = "+33612345679"\nagent = "{AGENT}"\n'
    for version, declared in (("version = 3\n", 1), ("version = 2\n", 2)):
        result = await check_declared(folder, version + second, route="string")
        shown = [words[:4] for words in lines(result) if words[:1] == [AGENT]]
        assert len(shown) == declared, result.output


async def test_online_says_once_what_several_agents_do_not_declare(folder: Folder) -> None:
    ids = [f"{AGENT[:-1]}{digit}" for digit in range(5)]
    rows = "".join(f"+3361234567{index},{each}\n" for index, each in enumerate(ids))
    folder.write("n.csv", f"number,agent\n{rows}")
    declared = {each: Behaviour(variables={"x": "string"}) for each in ids}
    async with FakeApi(by={**declared, AGENT: Behaviour(status=404)}, key=KEY) as api:
        text = 'numbers_csv = "n.csv"\n' + online(api) + "[variables]\nbrand = 5\n"
        result = await check_online(folder, text)
    said = f"variables.brand: is not declared by the agent (agent {', '.join(ids[:3])} and 2 more)"
    assert f"\n{at(folder, 'brand')}: {said}\n" in result.stdout
    assert result.stdout.count("variables.brand: is") == 1
    assert f"\n{at(folder, 'agent')}: numbers[0].agent: HTTP 404: " in result.stdout


async def test_online_says_where_the_agent_of_a_csv_stands(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n+33612345670,{AGENT}\n+33612345671,{OTHER}\n")
    async with FakeApi(by={OTHER: Behaviour(status=404)}, key=KEY) as api:
        result = await check_online(folder, 'numbers_csv = "n.csv"\n' + online(api))
    assert f"{folder.path / 'n.csv'}:3: numbers[2].agent: HTTP 404: " in result.stdout


async def test_online_says_what_is_wrong_with_an_agent(folder: Folder) -> None:
    async with FakeApi(by={AGENT: Behaviour(status=404)}, key=KEY) as api:
        result = await check_online(
            folder, RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        )
    assert result.exit_code == 1
    assert [AGENT, "1", "HTTP", "404:"] in [words[:4] for words in lines(result)]
    assert "Some agents could not be fetched" in result.stderr
    assert KEY not in result.output


async def test_online_says_that_the_key_is_refused(folder: Folder) -> None:
    async with FakeApi(key="another") as api:
        result = await check_online(
            folder, RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        )
    assert result.exit_code == 1
    assert [AGENT, "1", "HTTP", "401:", "Invalid", "API", "key"] in lines(result)
    assert KEY not in result.output


async def test_online_says_that_there_is_no_api(folder: Folder) -> None:
    result = await check_online(
        folder, RIGHT.replace("[api]", '[api]\nbase_url = "http://127.0.0.1:9"')
    )
    assert result.exit_code == 1
    assert [AGENT, "1"] in [words[:2] for words in lines(result)]


def online(api: FakeApi, refresh: str = "") -> str:
    return RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"\n{refresh}')


async def test_online_shows_the_platforms_numbers_and_where_the_settings_differ(
    folder: Folder,
) -> None:
    async with FakeApi(key=KEY) as api:
        api.phone_numbers.items = [
            phone_number("+33612345678", OTHER),
            phone_number("+33612345679", OTHER),
            phone_number("+33612345670", None, redirect=True),
            phone_number("+33612345671", None),
            phone_number("+33612345672", "nobody"),
        ]
        result = await check_online(folder, online(api, "numbers_refresh = 300.0"))
        off = await check_online(folder, online(api))
    assert result.exit_code == off.exit_code == 0, result.output
    counts = "The platform's numbers: staged 2, redirected 1, without agent 1, unusable 1"
    assert result.stdout.split(counts)[1].splitlines()[:3] == [
        "",
        "+336******72 has an inbound_agent_id that is no UUID",
        f"+33612345678: the platform has {OTHER}; the settings win, with {AGENT}",
    ]
    assert f"{counts} ([api] numbers_refresh is 0: they map no calls)\n" in off.stdout


async def test_online_names_only_some_of_very_many_that_differ(folder: Folder) -> None:
    numbers = [f"+3361234{number:04}" for number in range(60)]
    folder.write("n.csv", "number,agent\n" + "".join(f"{one},{AGENT}\n" for one in numbers))
    async with FakeApi(key=KEY) as api:
        api.phone_numbers.items = [phone_number(one, None, redirect=True) for one in numbers]
        result = await check_online(folder, 'numbers_csv = "n.csv"\n' + online(api))
    assert result.stdout.count(": the platform redirects it; the settings win") == 50
    assert "... and 10 more\n" in result.stdout


@pytest.mark.parametrize(("refresh", "code"), [("", 0), ("numbers_refresh = 300.0", 1)])
async def test_online_says_why_the_platforms_numbers_can_not_be_had(
    folder: Folder, refresh: str, code: int
) -> None:
    refused = Behaviour(status=403, message="not with this key")
    async with FakeApi(by={"phone_numbers": refused}, key=KEY) as api:
        result = await check_online(folder, online(api, refresh))
    assert "The platform's numbers could not be had: HTTP 403: not with this key" in result.stdout
    assert result.exit_code == code
    assert bool(result.stderr) is bool(code)


def test_the_program_says_its_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"sip-stager {__version__}\n"


@pytest.mark.parametrize(
    ("command", "example"),
    [("check", "--online"), ("run", "--config"), ("route", "--to 0366725520")],
)
def test_help_teaches(command: str, example: str) -> None:
    shown = " ".join(CliRunner().invoke(app, [command, "--help"]).stdout.split())
    assert "Example:" in shown
    assert example in shown
    assert "Exit codes: 0 " in shown


@pytest.mark.parametrize("command", [[], ["check"], ["demo"], ["run"]], ids=str)
def test_help_shows_no_type_behind_what_takes_no_value(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).stdout
    assert "--help" in shown
    assert "bool" not in shown.lower()


def test_run_refuses_wrong_settings_as_check_does(folder: Folder) -> None:
    path = folder.write("s.toml", "x = 1\n")
    result = CliRunner().invoke(app, ["run", "--config", str(path)])
    assert result.exit_code == 2
    assert f"{path}:1: x: is not a key that exists" in result.stderr


def test_it_runs_as_a_module(folder: Folder) -> None:
    path = folder.write("s.toml", RIGHT)
    command = [sys.executable, "-m", "sip_stager", "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("OK: ")


def test_what_callers_get_when_staging_fails_is_shown_by_trunk_and_number(folder: Folder) -> None:
    text = RIGHT.replace(
        f'agent = "{AGENT}"\n',
        f'agent = "{AGENT}"\npolicy = {{ over_time = ["agent {OTHER}", "refuse 486 Busy"] }}\n',
    )
    text += '[policy]\nunreachable = "forward"\nrefusal = 480\nringing = "never"\n'
    shown = check(folder, text).stdout
    own = f"over_time: agent {OTHER}, then refuse 486 Busy"
    assert f"\ncarrier  +33612345678  {own}\n" in shown
    assert "\ncarrier  +33612345678  unreachable: forward\n" in shown
    assert "\ncarrier  all others    over_time: refuse 480\n" in shown
    assert "\ncarrier  all others    once it rang: the same\n" in shown
    assert "\ncarrier  all others    rings: never\n" in shown
