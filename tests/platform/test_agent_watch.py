"""Agents are watched off every call's path, gently; an API that fails changes no state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.events import AgentStateChanged
from sip_stager.model.vocabulary import AgentState
from sip_stager.platform import agent_watch as module
from sip_stager.platform.agent_watch import MAX_PARALLEL, AgentWatch
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import Staged
from tests.interop.ports import free_port
from tests.support.api_fixtures import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import web

    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from sip_stager.model.call import Call

ONE, OTHER = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
TIMEOUT = 20.0


class Watch:
    """A watch over agents, and the events that it reported."""

    def __init__(self, fake: FakeApi) -> None:
        self.fake = fake
        self.events: list[Event] = []
        self.agents: AgentWatch | None = None

    def start(self, *wanted: tuple[str, int | None], every: float = 0.01) -> AgentWatch:
        api = RoundedApi(self.fake.url, SecretStr(KEY), connections=MAX_PARALLEL)
        self.agents = AgentWatch(api, wanted, self.events.append, every)
        self.agents.start()
        return self.agents

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while True:
                if fact():
                    return
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        if self.agents:
            await self.agents.stop()


@pytest.fixture
async def watch(fake: FakeApi) -> AsyncIterator[Watch]:
    watch = Watch(fake)
    yield watch
    await watch.stop()


async def test_agents_are_fetched_at_start(fake: FakeApi, watch: Watch) -> None:
    fake.behaviours[ONE] = Behaviour(variables={"vip": "boolean"})
    agents = watch.start((ONE, None), (OTHER, 2), every=300.0)
    assert agents.states == {"known": 0, "missing": 0, "unknown": 2}
    await watch.until(lambda: agents.states["known"] == 2)
    assert agents.declared == {ONE: {"vip": "boolean"}, OTHER: {}}
    assert watch.events == []


async def test_an_agent_wanted_in_two_versions_counts_once(fake: FakeApi, watch: Watch) -> None:
    fake.behaviours[ONE] = Behaviour(status=404)
    agents = watch.start((ONE, None), (ONE, 2), (OTHER, None), (OTHER, 9))
    assert agents.states == {"known": 0, "missing": 0, "unknown": 2}
    await watch.until(lambda: agents.states["missing"] == 2)  # OTHER is there, version 9 is not
    assert agents.states == {"known": 0, "missing": 2, "unknown": 0}


async def test_agents_are_fetched_periodically(fake: FakeApi, watch: Watch) -> None:
    agents = watch.start((ONE, None))
    await watch.until(lambda: agents.declared == {ONE: {}})
    fake.behaviours[ONE] = Behaviour(variables={"vip": "boolean"})
    await watch.until(lambda: agents.declared == {ONE: {"vip": "boolean"}})


async def test_a_missing_agent_is_reported_once_and_again_when_it_is_back(
    fake: FakeApi, watch: Watch
) -> None:
    fake.behaviours[ONE] = Behaviour(variables={"vip": "boolean"})
    agents = watch.start((ONE, None))
    await watch.until(lambda: agents.states["known"])
    fake.behaviours[ONE] = Behaviour(status=404, message="no such agent")
    await watch.until(lambda: agents.states["missing"])
    asked = fake.stats.requests
    await watch.until(lambda: fake.stats.requests > asked + 1)
    assert agents.declared == {ONE: {"vip": "boolean"}}
    fake.behaviours[ONE] = Behaviour()
    await watch.until(lambda: agents.states["known"])
    assert watch.events == [
        AgentStateChanged(ONE, None, AgentState.MISSING, "no such agent"),
        AgentStateChanged(ONE, None, AgentState.KNOWN),
    ]


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_an_error_of_the_api_changes_no_state(
    fake: FakeApi, watch: Watch, status: int
) -> None:
    agents = watch.start((ONE, None), (OTHER, None))
    await watch.until(lambda: agents.states["known"] == 2)
    fake.default = Behaviour(status=status, retry_after="1" if status == 429 else "")
    await watch.until(lambda: fake.stats.responses[status])
    assert agents.states == {"known": 2, "missing": 0, "unknown": 0}
    assert watch.events == []


async def test_an_api_that_is_down_is_asked_again(fake: FakeApi, watch: Watch) -> None:
    await fake.close()
    port = free_port()  # below the ports that outgoing connections use
    fake.url = f"http://127.0.0.1:{port}"
    agents = watch.start((ONE, None))
    await asyncio.sleep(0.05)
    assert agents.states == {"known": 0, "missing": 0, "unknown": 1}
    await fake.serve(port=port)
    await watch.until(lambda: agents.states["known"])
    assert watch.events == []


async def test_agents_are_watched_as_long_as_a_number_has_them(fake: FakeApi, watch: Watch) -> None:
    fake.default = Behaviour(variables={"vip": "boolean"})
    agents = watch.start((ONE, None), every=300.0)
    await watch.until(lambda: agents.states["known"] == 1)
    agents.watch([OTHER, ONE])
    await watch.until(lambda: agents.declared.keys() == {ONE, OTHER})
    agents.watch([])
    assert agents.states == {"known": 1, "missing": 0, "unknown": 0}
    assert agents.declared.keys() == {ONE}


async def test_a_reload_watches_other_agents_and_keeps_what_it_knows(
    fake: FakeApi, watch: Watch
) -> None:
    third = "0e2f1b3c-0000-4000-8000-000000000003"
    agents = watch.start((ONE, None), (OTHER, None), every=0.5)
    agents.watch([third])  # a number of the platform has it
    await watch.until(lambda: agents.states["known"] == 3)
    plan = agents.plan([(ONE, None), (third, None), (ONE, 2)])
    assert agents.change(plan) == {(ONE, None), (OTHER, None)}
    assert agents.count == 2
    await watch.until(lambda: agents.states == {"known": 2, "missing": 0, "unknown": 0})
    assert set(agents.declared) == {ONE, third}
    agents.change(agents.plan([(ONE, None)]))
    assert agents.count == 2  # the platform's number is still there
    agents.watch([])
    assert (agents.count, agents.states["known"]) == (1, 1)


async def test_the_watch_can_start_without_agents(fake: FakeApi, watch: Watch) -> None:
    agents = watch.start()
    agents.watch([ONE])
    await watch.until(lambda: agents.states["known"] == 1)
    asked = fake.stats.requests
    await watch.until(lambda: fake.stats.requests > asked)


async def test_the_answer_for_an_agent_that_went_away_meanwhile_is_dropped(
    fake: FakeApi, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, may = fake._show_agent, asyncio.Event()

    async def held(agent_id: str, version: str) -> web.StreamResponse:
        if agent_id == OTHER:
            await may.wait()
        return await answers(agent_id, version)

    monkeypatch.setattr(fake, "_show_agent", held)
    agents = watch.start((ONE, None), every=300.0)
    await watch.until(lambda: agents.states["known"] == 1)  # else both tasks fetch the other
    agents.watch([OTHER])
    await watch.until(lambda: fake.stats.active)
    agents.watch([])
    may.set()
    await watch.until(lambda: fake.stats.responses[200] == 2)
    assert agents.declared.keys() == {ONE}
    assert agents.states == {"known": 1, "missing": 0, "unknown": 0}


async def test_the_number_of_agents_found_is_limited(
    fake: FakeApi, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FOUND", 3)
    agents = watch.start(every=300.0)
    agents.watch(f"{number:08x}-462a-4e1b-89bc-10ab3ce1ed29" for number in range(40))
    assert agents.states["unknown"] == 3


async def test_requests_in_parallel_are_limited(fake: FakeApi, watch: Watch) -> None:
    fake.default = Behaviour(latency=0.005)
    wanted = [(f"{number:08x}-462a-4e1b-89bc-10ab3ce1ed29", None) for number in range(40)]
    agents = watch.start(*wanted, every=300.0)
    highest = 0
    async with asyncio.timeout(TIMEOUT):
        while agents.states["known"] < 40:
            highest = max(highest, fake.stats.active)
            await asyncio.sleep(0)
    assert 1 < highest <= MAX_PARALLEL
    assert fake.stats.requests == 40


async def test_stopping_drops_the_request_that_is_under_way(fake: FakeApi, watch: Watch) -> None:
    fake.default = Behaviour(latency=60.0)
    agents = watch.start((ONE, None))
    await watch.until(lambda: fake.stats.active)
    await agents.stop()
    await watch.until(lambda: fake.stats.aborted)


async def test_an_interval_of_zero_fetches_nothing(fake: FakeApi, watch: Watch) -> None:
    agents = watch.start((ONE, None), every=0.0)
    await asyncio.sleep(0.01)
    assert agents.states["unknown"] == 1
    assert fake.stats.requests == 0


async def test_the_published_version_decides_which_variables_are_declared(
    fake: FakeApi, watch: Watch
) -> None:
    fake.default = Behaviour(variables={"vip": "boolean"})
    agents = watch.start((ONE, 1), (ONE, 9), (ONE, None), every=300.0)
    await watch.until(lambda: agents.declared and agents.states["missing"])
    assert agents.states == {"known": 0, "missing": 1, "unknown": 0}
    assert agents.declared == {ONE: {"vip": "boolean"}}
    assert watch.events == [AgentStateChanged(ONE, 9, AgentState.MISSING, "Agent not found")]


async def test_a_staging_request_has_values_of_the_declared_types(
    fake: FakeApi, call: Call
) -> None:
    asking = call._replace(variables={"vip": "yes", "age": "x", "new": "y"})
    declared = {call.agent_id: {"vip": "boolean", "age": "number"}}
    async with RoundedApi(fake.url, SecretStr(KEY), declared=declared) as api:
        assert isinstance(await api.stage(asking, {}, sync=True), Staged)
        assert fake.last_request["dynamic_variables_values"] == {"vip": True, "new": "y"}
        only = call._replace(variables={"age": "x"})
        assert isinstance(await api.stage(only, {}, sync=True), Staged)
        assert "dynamic_variables_values" not in fake.last_request
