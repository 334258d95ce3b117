"""The fake of the platform's API."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.number_list import number_record, parse_numbers
from sip_stager.demo.fake_platform.server import FakeApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "sip_stager.demo.fake_platform"]
KEY = {"X-Api-Key": "demo-key"}
AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
ASKED = {"from_number": "+33912345678", "to_number": "+33612345678", "agent_id": AGENT}


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def client(fake: FakeApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=fake.url, headers=KEY) as client:
        yield client


async def _stage(client: httpx.AsyncClient, query: str = "", **asked: object) -> httpx.Response:
    return await client.post(f"/v1/calls/stage{query}", json=ASKED | asked)


async def _status(client: httpx.AsyncClient, staged: httpx.Response) -> Any:
    shown = await client.get(f"/v1/calls/{staged.json()['data']['call_id']}")
    return shown.json()["data"]["status"]


async def test_a_call_is_staged_and_shown(client: httpx.AsyncClient) -> None:
    staged = await _stage(client, "?sync=true")
    assert staged.status_code == 201
    assert staged.json()["status"] == 201
    assert await _status(client, staged) == "staged"


async def test_an_asynchronous_call_is_answered_before_it_is_staged(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    fake.default = Behaviour(delay=9)
    assert await _status(client, await _stage(client)) == "initiated"


async def test_a_synchronous_call_is_held_until_it_is_staged(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    fake.default = Behaviour(delay=0.05)
    assert await _status(client, await _stage(client, "?sync=true")) == "staged"
    assert fake.stats.held_seconds >= 0.05


async def test_a_terminated_call_is_canceled(client: httpx.AsyncClient) -> None:
    staged = await _stage(client)
    call_id = staged.json()["data"]["call_id"]
    for _ in range(2):  # idempotent
        assert (await client.post(f"/v1/calls/{call_id}/terminate")).status_code == 200
    assert await _status(client, staged) == "canceled"


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "another"}])
async def test_a_request_needs_the_key(fake: FakeApi, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=fake.url, headers=headers) as client:
        assert (await _stage(client)).status_code == 401


async def test_an_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/v1/calls/unknown", "/v1/agents/unknown", "/elsewhere"):
        assert (await client.get(path)).status_code == 404


async def test_an_agent_has_three_versions_and_declares_variables(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    fake.behaviours[AGENT] = Behaviour(variables={"vip": "boolean"})
    for query, version in (("", 3), ("?version=2", 2)):
        shown = (await client.get(f"/v1/agents/{AGENT}{query}")).json()["data"]
        assert (shown["version"], shown["variables"]) == (
            *(version, [{"name": "vip", "type": "boolean"}]),
        )
    assert (await client.get(f"/v1/agents/{AGENT}?version=4")).status_code == 404


async def test_invalid_fields_are_named(client: httpx.AsyncClient) -> None:
    refused = await _stage(
        client, to_number="+33", agent_id="nobody", dynamic_variables_values=["x"]
    )
    assert refused.status_code == 422
    named = [detail["field"] for detail in refused.json()["error"]["details"]]
    assert named == ["to_number", "agent_id", "dynamic_variables_values"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"agent_id": [], "to_number": []}'])
async def test_an_invalid_body_is_answered_with_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("/v1/calls/stage", content=body)).status_code == 400


async def test_behaviours_are_chosen_by_number_then_by_agent(client: httpx.AsyncClient) -> None:
    behaviours = {
        "default": {"status": 500},
        ASKED["to_number"]: {"status": 429, "retry_after": "3"},
        AGENT: {"status": 403, "bare": True, "message": "not yours"},
    }
    assert (await client.put("/_fake/behaviours", json=behaviours)).status_code == 200
    by_number = await _stage(client)
    by_agent = await _stage(client, to_number="+33600000000")
    by_default = await _stage(client, to_number="+33600000000", agent_id=AGENT[:-1] + "0")
    answers = [by_number, by_agent, by_default]
    assert [answer.status_code for answer in answers] == [429, 403, 500]
    assert by_number.headers["Retry-After"] == "3"
    assert by_agent.json()["message"] == "not yours"
    assert by_default.json()["error"]["status"] == 500


async def test_numbers_are_listed_in_pages(fake: FakeApi, client: httpx.AsyncClient) -> None:
    fake.phone_numbers.items = [number_record(f"+3361234567{digit}", AGENT) for digit in range(5)]
    found = []
    for page in range(1, 4):
        query = {"limit": "2", "page": str(page)}
        reply = (await client.get("/v1/phone-numbers", params=query)).json()
        assert (reply["current_page"], reply["total_pages"], reply["total_items"]) == (page, 3, 5)
        found += reply["data"]
    assert found == fake.phone_numbers.items


async def test_a_cursor_skips_records_created_at_exactly_its_time(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    """API documentation: "based on the created_at property (datetime of last seen record)"."""
    years = (2025, 2024, 2024, 2024, 2023)
    fake.phone_numbers.items = [
        number_record(f"+3361234567{digit}", AGENT, created_at=f"{year}-11-07T05:31:56Z")
        for digit, year in enumerate(years)
    ]
    found: list[int] = []
    query: dict[str, Any] = {"use_cursor": "true", "limit": "2"}
    while query.get("cursor", "") is not None:
        reply = (await client.get("/v1/phone-numbers", params=query)).json()
        found += [int(each["number"][-1]) for each in reply["data"]]
        query["cursor"] = reply["next_cursor"]
    assert found == [0, 1, 4]


@pytest.mark.parametrize("query", ["?limit=1001", "?limit=x", "?page=0"])
async def test_an_impossible_page_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/phone-numbers{query}")).status_code == 422


async def test_the_list_of_numbers_has_its_own_behaviour(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    fake.default = Behaviour(status=500)
    assert (await client.get("/v1/phone-numbers")).json()["data"] == []
    fake.behaviours["phone_numbers"] = Behaviour(status=403)
    assert (await client.get("/v1/phone-numbers")).status_code == 403


async def test_the_list_of_numbers_can_be_replaced(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    listed = [{"number": "+33612345678", "inbound_agent_id": AGENT}]
    await client.put("/_fake/phone-numbers", json=listed)
    assert (await client.get("/v1/phone-numbers?use_cursor=true")).json()["data"] == [
        number_record("+33612345678", AGENT)
    ]
    answer = await client.put("/_fake/phone-numbers", json={"number": 1})
    assert answer.status_code == 422
    assert len(fake.phone_numbers.items) == 1


async def test_a_label_is_in_the_record_of_its_call_and_has_its_own_behaviour(
    fake: FakeApi, client: httpx.AsyncClient
) -> None:
    url = f"/v1/calls/{(await _stage(client)).json()['data']['call_id']}"
    await client.patch(url, json={"metadata": {"trunk": "carrier"}})
    assert (await client.get(url)).json()["data"]["metadata"] == {"trunk": "carrier"}
    fake.behaviours["labels"] = Behaviour(status=403)
    assert (await client.patch(url, json={"metadata": {}})).status_code == 403
    assert (await _stage(client)).status_code == 201


async def test_statistics_count_requests_and_calls(client: httpx.AsyncClient) -> None:
    await _stage(client)
    await _status(client, await _stage(client))
    await client.get(f"/v1/agents/{AGENT}")
    stats = (await client.get("/_fake/stats")).json()
    assert (stats["requests"], stats["stage_requests"], stats["polls"]) == (4, 2, 1)
    assert (stats["calls"], stats["responses"]) == ({"staged": 2}, {"201": 2, "200": 2})
    assert stats["aborted"] == 0


def test_it_runs_as_a_program_and_prints_when_it_is_ready() -> None:
    command = [*COMMAND, "--delay", "0.01", "--key", "k"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout
            ready = program.stdout.readline()
            (url,) = re.findall(r"ready on (http://127\.0\.0\.1:\d+)", ready)
            assert httpx.get(f"{url}/_fake/stats").json()["requests"] == 0
        finally:
            program.terminate()


def test_the_program_reads_numbers_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    file.write_text(json.dumps([{"number": "+33612345678", "inbound_agent_id": AGENT}]))
    with subprocess.Popen(
        [*COMMAND, "--numbers", str(file)], stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout
            url = program.stdout.readline().split()[-1]
            listed = httpx.get(f"{url}/v1/phone-numbers", headers=KEY).json()
        finally:
            program.terminate()
    assert listed["data"] == [number_record("+33612345678", AGENT)]


def test_the_file_may_be_a_saved_reply_of_the_api() -> None:
    redirected = number_record("+33612345678", None, redirect=True, name="Old line")
    assert parse_numbers(json.dumps({"data": [redirected], "next_cursor": None}).encode()) == [
        redirected
    ]


@pytest.mark.parametrize(
    ("option", "text"), [("--numbers", '[{"inbound_agent_id": "x"}]'), ("--behaviours", "delay")]
)
def test_an_invalid_option_is_named(tmp_path: Path, option: str, text: str) -> None:
    file = tmp_path / "numbers.json"
    file.write_text(text)
    given = str(file) if option == "--numbers" else text
    ended = subprocess.run([*COMMAND, option, given], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"Invalid value for {option}" in ended.stderr


async def test_invalid_behaviours_change_nothing(fake: FakeApi, client: httpx.AsyncClient) -> None:
    answer = await client.put("/_fake/behaviours", json={"default": {"delays": 1}})
    assert answer.status_code == 422
    assert fake.default == Behaviour()
