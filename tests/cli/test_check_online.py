"""``sip-stager check --online`` compares the settings with the API and the name service."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from sip_stager.cli import app
from sip_stager.cli import online_check as cli_online
from sip_stager.cli.name_lookup import find_unresolved_names
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.number_list import number_record
from sip_stager.demo.fake_platform.server import FakeApi
from tests.cli.asking import OTHER, check, lines
from tests.config.settings_folder import AGENT, KEY, RIGHT, Folder
from tests.interop.ports import free_port
from tests.support.sip_peer import answering_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result


async def check_online(folder: Folder, text: str) -> Result:
    """Run the command in a thread, because it has an event loop of its own."""
    return await asyncio.to_thread(check, folder, without_names(text), "--online")


UPSTREAM: list[int] = []
"""The port of the upstream that answers OPTIONS."""


@pytest.fixture(autouse=True)
def upstream() -> Iterator[None]:
    with answering_peer() as port:
        UPSTREAM[:] = [port]
        yield


def without_names(text: str) -> str:
    """Replace the upstream's name by the address of one, so that no name is looked up."""
    return text.replace("sip.example.com", f"127.0.0.1:{UPSTREAM[0]}")


def at(folder: Folder, begins: str) -> str:
    """Return the file and line of a setting."""
    path = folder.path / "s.toml"
    found = [line.startswith(begins) for line in path.read_text().splitlines()]
    return f"{path}:{found.index(True) + 1}"


async def test_online_shows_each_agent_once(folder: Folder) -> None:
    async with FakeApi(key=KEY) as api:
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        folder.write("n.csv", f"number,agent\n+33612345670,{AGENT}\n+33612345671,{OTHER}\n")
        result = await check_online(folder, 'numbers_csv = "n.csv"\n' + text)
        assert result.exit_code == 0, result.output
        assert api.stats.requests == 3  # and one for the platform's numbers
    assert [AGENT, "2", "Agent", AGENT[:8], "3", "fr-FR"] in lines(result)
    assert [OTHER, "1", "Agent", OTHER[:8], "3", "fr-FR"] in lines(result)


async def check_declared(folder: Folder, numbers: str, **declared: str) -> Result:
    async with FakeApi(behaviours={AGENT: Behaviour(variables=declared)}, key=KEY) as api:
        of_trunk = '[[trunks]]\nvariables = { route = "${trunk}" }'
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        return await check_online(folder, text.replace("[[trunks]]", of_trunk) + numbers)


async def test_online_accepts_variables_that_the_agent_declares(folder: Folder) -> None:
    numbers = 'variables = { vip = "yes", line = "${called}" }\n[variables]\nvip = "perhaps"\n'
    declared = {"vip": "boolean", "line": "number", "route": "string"}
    result = await check_declared(folder, numbers, **declared)
    assert result.exit_code == 0, result.output
    assert "vip (boolean), line (number), route (string)" in result.stdout


async def test_online_reports_variables_that_do_not_fit_their_agent(folder: Folder) -> None:
    numbers = 'variables = { vip = "perhaps" }\n[variables]\nborn = "31/01/2026"\nbrand = 5\n'
    result = await check_declared(folder, numbers, vip="boolean", born="date", brand="string")
    assert result.exit_code == 1
    declared = "it declares vip (boolean), born (date), brand (string)"
    undeclared = "is not declared by the agent"
    for begins, key, wrong in (
        ("born", "variables.born", '"31/01/2026" is not a date, which the agent declares'),
        ("variables = { route", "trunks[0].variables.route", f"{undeclared}; {declared}"),
        ("variables = { vip", "numbers[0].variables.vip", '"perhaps" is not a boolean, which'),
    ):
        assert f"\n{at(folder, begins)}: {key}: {wrong}" in result.stderr
    assert result.stderr.count(f"(agent {AGENT})") == 3
    assert result.stdout.startswith("NOT OK, 3 problems: ")
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("text", "type_", "default"),
    [
        ("${header:X-N|zero}", "number", "zero"),
        ("${header:X-N|}", "number", ""),
        ("${header:X-N|1}${header:X-M|st}", "number", "1st"),
        ("${header:X-N|never}", "boolean", "never"),
        ("2026-${header:X-N|13}-01", "date", "2026-13-01"),
        ("${header:X-N|0}", "number", None),
        ("${header:X-N|no}", "boolean", None),
        ("2026-${header:X-N|12}-01", "date", None),
        ("${header:X-N}", "number", None),
        ("${header:X-N|zero}${header:X-M}", "number", None),  # left out, and not taken as "zero"
        ("${header:X-N|zero}", "string", None),
    ],
)
async def test_online_reports_defaults_of_the_wrong_type(
    folder: Folder, text: str, type_: str, default: str | None
) -> None:
    numbers = f"variables = {{ n = '{text}' }}\n"
    result = await check_declared(folder, numbers, route="string", n=type_)
    wrong = f"{json.dumps(text)} is {json.dumps(default)} by default, which is not a {type_}"
    named = f": numbers[0].variables.n: {wrong}, which the agent declares (agent {AGENT})\n"
    assert (named in result.stderr) == (default is not None)
    assert result.exit_code == (default is not None), result.output


async def test_online_fetches_fallback_agents(folder: Folder) -> None:
    async with FakeApi(behaviours={OTHER: Behaviour(status=404)}, key=KEY) as api:
        text = RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        policy = f'[policy]\nrefused = ["agent {OTHER}", "refuse"]\n'
        result = await check_online(folder, text + policy)
    assert result.exit_code == 1
    assert [OTHER, "policy", "HTTP", "404:"] in [words[:4] for words in lines(result)]
    assert f"\n{at(folder, 'refused')}: policy.refused: HTTP 404: " in result.stderr


@pytest.mark.parametrize("place", ["all", "trunk", "number"])
async def test_online_compares_variables_with_fallback_agents_too(
    folder: Folder, place: str
) -> None:
    policy = f'policy = {{ refused = ["agent {OTHER}", "refuse"] }}\n'
    header = {"all": "", "trunk": "[[trunks]]\n", "number": "[[numbers]]\n"}[place]
    behaviours = {
        AGENT: Behaviour(variables={"vip": "boolean"}),
        OTHER: Behaviour(variables={"brand": "string"}),
    }
    async with FakeApi(behaviours=behaviours, key=KEY) as api:
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
    assert f": numbers[0].variables.vip: {wrong} (agent {OTHER})\n" in result.stderr
    assert result.stderr.count("(agent ") == 1


async def test_online_compares_with_the_version_of_the_mapping(folder: Folder) -> None:
    declared = {"route": "string"}
    assert (await check_declared(folder, "version = 2\n", **declared)).exit_code == 0
    result = await check_declared(folder, "version = 9\n", **declared)
    assert result.exit_code == 1
    assert [AGENT, "1", "HTTP", "404:"] in [words[:4] for words in lines(result)]


async def test_online_shows_an_agent_once_per_distinct_version(folder: Folder) -> None:
    second = f'[[numbers]]\nnumber = "+33612345679"\nagent = "{AGENT}"\n'
    for version, declared in (("version = 3\n", 1), ("version = 2\n", 2)):
        result = await check_declared(folder, version + second, route="string")
        shown = [words[:4] for words in lines(result) if words[:1] == [AGENT]]
        assert len(shown) == declared, result.output


async def test_online_reports_a_variable_once_for_several_agents(folder: Folder) -> None:
    ids = [f"{AGENT[:-1]}{digit}" for digit in range(5)]
    rows = "".join(f"+3361234567{index},{each}\n" for index, each in enumerate(ids))
    folder.write("n.csv", f"number,agent\n{rows}")
    declared = {each: Behaviour(variables={"x": "string"}) for each in ids}
    async with FakeApi(behaviours={**declared, AGENT: Behaviour(status=404)}, key=KEY) as api:
        text = 'numbers_csv = "n.csv"\n' + online(api) + "[variables]\nbrand = 5\n"
        result = await check_online(folder, text)
    said = f"variables.brand: is not declared by the agent (agent {', '.join(ids[:3])} and 2 more)"
    assert f"\n{at(folder, 'brand')}: {said}\n" in result.stderr
    assert result.stderr.count("variables.brand: is") == 1
    assert f"\n{at(folder, 'agent')}: numbers[0].agent: HTTP 404: " in result.stderr


async def test_online_reports_the_csv_line_of_an_agent(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n+33612345670,{AGENT}\n+33612345671,{OTHER}\n")
    async with FakeApi(behaviours={OTHER: Behaviour(status=404)}, key=KEY) as api:
        result = await check_online(folder, 'numbers_csv = "n.csv"\n' + online(api))
    assert f"{folder.path / 'n.csv'}:3: numbers[2].agent: HTTP 404: " in result.stderr


async def test_online_reports_an_agent_that_could_not_be_fetched(folder: Folder) -> None:
    async with FakeApi(behaviours={AGENT: Behaviour(status=404)}, key=KEY) as api:
        result = await check_online(
            folder, RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        )
    assert result.exit_code == 1
    assert [AGENT, "1", "HTTP", "404:"] in [words[:4] for words in lines(result)]
    assert ": numbers[0].agent: HTTP 404: " in result.stderr
    assert result.stdout.startswith("NOT OK, 1 problem: ")
    assert KEY not in result.output


async def test_online_reports_that_the_key_is_rejected(folder: Folder) -> None:
    async with FakeApi(key="another") as api:
        result = await check_online(
            folder, RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"')
        )
    assert result.exit_code == 1
    assert [AGENT, "1", "HTTP", "401:", "Invalid", "API", "key"] in lines(result)
    assert KEY not in result.output


async def test_online_reports_that_there_is_no_api(folder: Folder) -> None:
    result = await check_online(
        folder, RIGHT.replace("[api]", '[api]\nbase_url = "http://127.0.0.1:9"')
    )
    assert result.exit_code == 1
    assert [AGENT, "1"] in [words[:2] for words in lines(result)]


def online(api: FakeApi, refresh: str = "") -> str:
    return RIGHT.replace("[api]", f'[api]\nbase_url = "{api.url}"\n{refresh}')


async def test_online_shows_the_platforms_numbers_and_the_differences(
    folder: Folder,
) -> None:
    async with FakeApi(key=KEY) as api:
        api.phone_numbers.items = [
            number_record("+33612345678", OTHER),
            number_record("+33612345679", OTHER),
            number_record("+33612345670", None, redirect=True),
            number_record("+33612345671", None),
            number_record("+33612345672", "nobody"),
        ]
        result = await check_online(folder, online(api, "numbers_refresh_interval = 300.0"))
        off = await check_online(folder, online(api))
    assert result.exit_code == off.exit_code == 0, result.output
    counts = "The platform's numbers: staged 2, redirected 1, without agent 1, unusable 1"
    assert result.stdout.split(counts)[1].splitlines()[:3] == [
        "",
        "+336******72 has an inbound_agent_id that is not a UUID",
        f"+33612345678: the platform has {OTHER}; the settings win, with {AGENT}",
    ]
    assert f"{counts} ([api] numbers_refresh_interval is 0: they are not used)\n" in off.stdout


async def test_online_shows_only_the_first_of_many_differences(folder: Folder) -> None:
    numbers = [f"+3361234{number:04}" for number in range(60)]
    folder.write("n.csv", "number,agent\n" + "".join(f"{one},{AGENT}\n" for one in numbers))
    async with FakeApi(key=KEY) as api:
        api.phone_numbers.items = [number_record(one, None, redirect=True) for one in numbers]
        result = await check_online(folder, 'numbers_csv = "n.csv"\n' + online(api))
    assert result.stdout.count(": the platform redirects it; the settings win") == 50
    assert "... and 10 more\n" in result.stdout


@pytest.mark.parametrize(("refresh", "code"), [("", 0), ("numbers_refresh_interval = 300.0", 1)])
async def test_online_reports_why_the_platforms_numbers_were_not_fetched(
    folder: Folder, refresh: str, code: int
) -> None:
    refused = Behaviour(status=403, message="not with this key")
    async with FakeApi(behaviours={"phone_numbers": refused}, key=KEY) as api:
        result = await check_online(folder, online(api, refresh))
    shown = result.stderr if code else result.stdout
    assert "the platform's numbers could not be fetched: HTTP 403: not with this key" in shown
    assert result.exit_code == code


@pytest.mark.parametrize(("refresh", "asked"), [("", 1), ("numbers_refresh_interval = 300.0", 2)])
async def test_online_compares_variables_with_agents_of_the_platforms_list(
    folder: Folder, refresh: str, asked: int
) -> None:
    behaviours = {
        AGENT: Behaviour(variables={"brand": "string"}),
        OTHER: Behaviour(variables={"vip": "boolean"}),
    }
    async with FakeApi(behaviours=behaviours, key=KEY) as api:
        api.phone_numbers.items = [
            number_record("+33612345670", OTHER),
            number_record("+33612345671", OTHER),
        ]
        result = await check_online(folder, online(api, refresh) + '[variables]\nbrand = "x"\n')
        assert api.stats.requests == 1 + asked
    wrong = "variables.brand: is not declared by the agent; it declares vip (boolean)"
    assert result.exit_code == asked - 1, result.output
    assert (f"\n{at(folder, 'brand')}: {wrong} (agent {OTHER})\n" in result.stderr) is (asked == 2)
    assert ([OTHER, "2"] in [words[:2] for words in lines(result)]) is (asked == 2)


async def test_online_reports_a_missing_agent_of_the_platforms_list_with_its_number(
    folder: Folder,
) -> None:
    async with FakeApi(behaviours={OTHER: Behaviour(status=404)}, key=KEY) as api:
        api.phone_numbers.items = [number_record("+33612345670", OTHER)]
        result = await check_online(folder, online(api, "numbers_refresh_interval = 300.0"))
    assert result.exit_code == 1
    assert "\nthe platform's number +33612345670: HTTP 404: " in result.stderr


async def test_the_general_variables_are_compared_if_the_platform_maps_an_agent_too(
    folder: Folder,
) -> None:
    """A number of the platform's list has no variables of its own, so the general ones apply."""
    own = f'agent = "{AGENT}"\nvariables = {{ brand = "x" }}'
    async with FakeApi(
        behaviours={AGENT: Behaviour(variables={"brand": "number"})}, key=KEY
    ) as api:
        text = online(api, "numbers_refresh_interval = 300.0").replace(f'agent = "{AGENT}"', own)
        text = text.replace('brand = "x"', "brand = 5") + '[variables]\nbrand = "y"\n'
        alone = await check_online(folder, text)
        api.phone_numbers.items = [number_record("+33612345670", AGENT)]
        both = await check_online(folder, text)
    assert alone.exit_code == 0, alone.output
    assert both.exit_code == 1
    assert f'{at(folder, "brand")}: variables.brand: "y" is not a number' in both.stderr


async def test_the_general_variables_are_compared_with_a_fallback_agent_of_platform_numbers(
    folder: Folder,
) -> None:
    policy = f'[policy]\nrefused = ["agent {OTHER}", "refuse"]\n[variables]\nbrand = "y"\n'
    own = f'agent = "{AGENT}"\nvariables = {{ brand = 5 }}'
    declared = Behaviour(variables={"brand": "number"})
    async with FakeApi(behaviours={AGENT: declared, OTHER: declared}, key=KEY) as api:
        text = (
            online(api, "numbers_refresh_interval = 300.0").replace(f'agent = "{AGENT}"', own)
            + policy
        )
        alone = await check_online(folder, text)
        api.phone_numbers.items = [number_record("+33612345670", f"{AGENT[:-1]}0")]
        both = await check_online(folder, text)
    assert alone.exit_code == 0, alone.output
    assert f'variables.brand: "y" is not a number, which the agent declares (agent {OTHER})' in (
        both.stderr
    )


async def test_online_fetches_a_limited_number_of_the_platforms_agents(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_online, "MAX_LISTED_AGENTS", 60)
    async with FakeApi(key=KEY) as api:
        api.phone_numbers.items = [
            number_record(f"+336123456{number:02}", f"{AGENT[:-3]}0{number:02}")
            for number in range(65)
        ]
        text = online(api, "numbers_refresh_interval = 300.0")
        result = await check_online(folder, text)
        assert api.stats.requests == 1 + 61
        every = await asyncio.to_thread(check, folder, without_names(text), "--online", "--all")
    assert result.exit_code == 0, result.output
    assert "\n5 more agents of the platform's list were not fetched.\n" in result.stdout
    assert "\n... and 11 more (--all shows them)\n" in result.stdout
    assert f"{AGENT[:-3]}059" not in result.stdout
    assert f"{AGENT[:-3]}059" in every.stdout


async def test_online_reports_an_upstream_that_does_not_resolve(folder: Folder) -> None:
    async with FakeApi(key=KEY) as api:
        text = online(api).replace("sip.example.com", "nowhere.invalid")
        text += '[policy]\nbusy = "redirect sip:queue@nowhere.invalid"\n'
        result = await check_online(folder, text)
    assert result.exit_code == 1
    wrong = 'the name "nowhere.invalid" does not resolve: '
    assert f"{at(folder, 'uri')}: upstream.uri: {wrong}" in result.stderr
    assert f"{at(folder, 'busy')}: policy.busy: {wrong}" in result.stderr
    assert result.stdout.startswith("NOT OK, 2 problems: ")


async def test_online_shows_the_upstreams_that_answer_options(folder: Folder) -> None:
    async with FakeApi(key=KEY) as api:
        result = await check_online(folder, online(api))
    assert result.exit_code == 0, result.output
    assert f"\nsip:127.0.0.1:{UPSTREAM[0]} answers OPTIONS\n" in result.stdout


async def test_online_reports_each_upstream_that_does_not_answer_options(folder: Folder) -> None:
    with answering_peer(503) as busy:
        closed = f"sip:127.0.0.1:{free_port()}"
        backups = f'backups = ["sip:127.0.0.1:{busy}", "{closed};transport=udp"]'
        async with FakeApi(key=KEY) as api:
            text = online(api).replace("[upstream]", f"[upstream]\n{backups}")
            result = await check_online(folder, text)
    assert result.exit_code == 1
    at_line = at(folder, "backups")
    said = f"sip:127.0.0.1:{busy} cannot be reached: it answered OPTIONS with 503"
    assert f"{at_line}: upstream.backups[0]: {said}: it takes no calls now\n" in result.stderr
    said = f"{closed};transport=udp cannot be reached: connection refused"
    assert f"{at_line}: upstream.backups[1]: {said}\n" in result.stderr


async def test_online_reports_every_name_that_does_not_resolve(folder: Folder) -> None:
    async with FakeApi(key=KEY) as api:
        text = online(api).replace(
            "[[listeners]]", '[[listeners]]\nadvertise = "edge.nowhere.invalid"'
        )
        text += '[policy]\nbusy = "moved sip:desk@desk.nowhere.invalid"\n'
        result = await check_online(folder, text)
    assert result.exit_code == 1
    wrong = "does not resolve: "
    advertised, desk = '"edge.nowhere.invalid"', '"desk.nowhere.invalid"'
    said = f"{at(folder, 'advertise')}: listeners[0].advertise: the name {advertised} {wrong}"
    assert said in result.stderr
    assert f"{at(folder, 'busy')}: policy.busy: the name {desk} {wrong}" in result.stderr


async def test_online_without_the_key_asks_all_but_the_api(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUNDED_API_KEY")
    async with FakeApi(key=KEY) as api:
        path = folder.write("s.toml", without_names(online(api)))
        command = ["check", "--config", str(path), "--online", "--without-key"]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        assert result.exit_code == 0, result.output
        assert api.stats.requests == 0
        assert f"sip:127.0.0.1:{UPSTREAM[0]} answers OPTIONS\n" in result.stdout
        assert "The API was not asked (--without-key).\n" in result.stdout
        unit = 'key_file = "/run/credentials/sip-stager.service/api-key"'
        outside = await check_online(folder, online(api).replace("[api]", f"[api]\n{unit}"))
    assert outside.exit_code == 1
    assert "the API was not asked: its key cannot be read here\n" in outside.stderr


async def test_online_reports_an_upstream_of_another_ip_version(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET6, None, None, "", ("2001:db8::1", 0, 0, 0))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
    reasons = await asyncio.to_thread(find_unresolved_names, folder.load())
    wrong = 'the name "sip.example.com" has only 2001:db8::1, of another IP version than the'
    assert reasons == [f"{folder.path / 's.toml'}:8: upstream.uri: {wrong} listeners"]
