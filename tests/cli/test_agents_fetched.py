"""Many agents are fetched within the API's rate limit, and not one by one from a dead API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from sip_stager.cli import throttled_agent_fetch as module
from sip_stager.cli.throttled_agent_fetch import AT_ONCE, fetch_agents
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.platform.agent import AgentRecord
from tests.config.settings_folder import AGENT, KEY, RIGHT, Folder

if TYPE_CHECKING:
    from sip_stager.config.mentioned_agents import AgentKey

MANY: tuple[AgentKey, ...] = tuple((f"{AGENT[:-2]}{index:02}", None) for index in range(40))


async def fetch(folder: Folder, url: str) -> dict[AgentKey, AgentRecord | str]:
    settings = folder.load(RIGHT.replace("[api]", f'[api]\nbase_url = "{url}"'))
    return await asyncio.to_thread(fetch_agents, settings, MANY, Console(quiet=True))


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_api_is_retried_and_then_left_alone(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(module, "_RETRY_DELAY", 0.0)
    busy = Behaviour(status=status, message="slowly")
    async with FakeApi(behaviours={each: busy for each, _ in MANY}, key=KEY) as api:
        answers = await fetch(folder, api.url)
        assert AT_ONCE * 3 <= api.stats.requests < 3 * len(MANY)
    said = list(answers.values())
    assert said[0] == f"HTTP {status}: slowly"
    assert said[-1] == f"not fetched: the API did not answer {AT_ONCE} requests in a row"


async def test_all_agents_are_fetched_once_a_busy_api_recovers(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_DELAY", 0.0)
    async with BusyOnce(
        behaviours={each: Behaviour(status=429) for each, _ in MANY}, key=KEY
    ) as api:
        answers = await fetch(folder, api.url)
        assert api.stats.requests == 2 * len(MANY)
    assert all(isinstance(answer, AgentRecord) for answer in answers.values())


class BusyOnce(FakeApi):
    def _behaviour(self, agent_id: str, to_number: str = "") -> Behaviour:
        return self.behaviours.pop(agent_id, self.default)


async def test_a_silent_api_costs_the_timeout_of_only_a_few_requests(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.05)
    silent = Behaviour(fault="silent", latency=60.0)
    async with FakeApi(behaviours={each: silent for each, _ in MANY}, key=KEY) as api:
        answers = await fetch(folder, api.url)
    said = list(answers.values())
    assert said[0] == "no answer within 0.05 s"
    assert str(said[-1]).startswith("not fetched: ")


async def test_missing_agents_do_not_stop_the_fetching(folder: Folder) -> None:
    missing = Behaviour(status=404)
    async with FakeApi(behaviours={each: missing for each, _ in MANY[:-1]}, key=KEY) as api:
        answers = await fetch(folder, api.url)
        assert api.stats.requests == len(MANY)
    assert isinstance(answers[MANY[-1]], AgentRecord)
