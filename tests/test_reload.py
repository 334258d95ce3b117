"""Settings that change while the program runs: over real sockets, with calls under way."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sip_stager.app import Application
from sip_stager.config import load
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.events import SettingsReloaded
from sip_stager.observability.dispatcher import handlers_of_all
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.interop.ports import free_port
from tests.support.messages import response
from tests.test_app import AGENT, OTHER, World, fetched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sip_stager.config import Settings
    from sip_stager.events import Event

NUMBER = "+33612345678"
NEW = "+33612345679"


class ChangingWorld(World):
    """A world whose settings are a text that a test may change."""

    def __init__(self, folder: Path, api: str) -> None:
        super().__init__(folder, api)
        self.file = folder / "s.toml"

    def change(self, *pairs: tuple[str, str]) -> None:
        text = self.file.read_text()
        for before, after in pairs:
            assert before in text
            text = text.replace(before, after)
        self.file.write_text(text)

    def read(self) -> Settings:
        return load(self.file, {"ROUNDED_API_KEY": "demo-key"})


@pytest.fixture(autouse=True)
def garbage_collector() -> Iterator[None]:
    """Restore the garbage collector that the program has turned off."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as fake:
        yield fake


@pytest.fixture
def world(tmp_path: Path, api: FakeApi) -> Iterator[ChangingWorld]:
    world = ChangingWorld(tmp_path, api.url)
    world.drain = 0.2
    yield world
    world.upstream.socket.close()
    world.caller.socket.close()


@asynccontextmanager
async def running(world: World, events: list[Event]) -> AsyncIterator[Application]:
    application = Application(world.settings(), [handlers_of_all(events.append)])
    try:
        assert await application.start() == []
        yield application
    finally:
        await application.stop()


def reloads(events: list[Event]) -> list[SettingsReloaded]:
    return [event for event in events if isinstance(event, SettingsReloaded)]


async def test_a_new_number_is_taken_without_a_restart(world: ChangingWorld, api: FakeApi) -> None:
    events: list[Event] = []
    async with running(world, events) as application:
        world.call(NEW, "one")
        assert await world.answer() == 404
        row = f'{{ number = "{NUMBER}", agent = "{AGENT}" }}'
        world.change((row, f'{row}, {{ number = "{NEW}", agent = "{OTHER}" }}'))
        assert await application.reload(world.read) is not None
        world.call(NEW, "two")
        assert len(await world.passes()) == 1
        assert api.last_request["agent_id"] == OTHER
        _, text = await fetched(world, "/metrics")
    assert 'sip_stager_settings_reloads_total{outcome="applied"} 1.0' in text
    assert 'sip_stager_numbers{source="settings"} 2.0' in text
    (event,) = reloads(events)
    assert (event.outcome, event.numbers, event.problems) == ("applied", 2, ())


async def test_wrong_settings_leave_the_former_ones_in_force(world: ChangingWorld) -> None:
    events: list[Event] = []
    async with running(world, events) as application:
        world.change(('name = "carrier"', 'name = "carrier", contry = "FR"'))
        assert await application.reload(world.read) is None
        world.call(NUMBER, "one")
        assert len(await world.passes()) == 1
        status, body = await fetched(world, "/readyz")
        assert (status, body.partition("\n")[0]) == (200, "ready")
        assert "s.toml:" in body
        world.change((', contry = "FR"', ""))
        assert await application.reload(world.read) is not None
        assert await fetched(world, "/readyz") == (200, "ready\n")
    rejected = reloads(events)[0]
    assert rejected.outcome == "invalid"
    (problem,) = rejected.problems
    assert problem.startswith(f"{world.file}:")
    assert "contry" in problem
    assert 'did you mean "country"' in problem


async def test_a_call_keeps_the_settings_that_it_began_with(
    world: ChangingWorld, api: FakeApi
) -> None:
    api.default = Behaviour(delay=0.5, status=503)
    world.more = ", retries = 0"
    async with running(world, []) as application:
        world.change(("variables =", "policy = { refusal = 486 }\n            variables ="))
        world.call(NUMBER, "one")
        await asyncio.sleep(0.1)
        assert await application.reload(world.read) is not None
        assert await world.answer() == 480
        world.call(NUMBER, "two")
        assert await world.answer() == 486


async def test_an_invite_that_is_repeated_after_a_reload_is_one_call(
    world: ChangingWorld, api: FakeApi
) -> None:
    api.default = Behaviour(delay=0.3)
    async with running(world, []) as application:
        world.call(NUMBER, "one")
        await asyncio.sleep(0.1)
        assert await application.reload(world.read) is not None
        world.call(NUMBER, "one")
        assert len(await world.passes()) == 1
        assert api.stats.stage_requests == 1


async def test_a_dialog_passes_under_the_listener_and_the_key_of_former_settings(
    world: ChangingWorld,
) -> None:
    async with running(world, []) as application:
        world.call(NUMBER, "one")
        invite = parse(await world.upstream.next())
        assert isinstance(invite, Request)
        route = invite.values(b"record-route")[0]
        world.upstream.send(bytes(response(invite, 200)), world.port)
        assert await world.answer() == 200

        def with_new_key() -> Settings:
            return load(world.file, {"ROUNDED_API_KEY": "another-key"})

        assert await application.reload(with_new_key) is not None
        ok = response(invite, 200)
        bye = (
            f"BYE sip:callee@{world.host} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{world.caller.port};branch=z9hG4bK-bye\r\n"
            f"Route: {route.decode()}\r\n"
            f"From: {ok.values(b'from')[0].decode()}\r\nTo: {ok.values(b'to')[0].decode()}\r\n"
            f"Call-ID: {world.call_id.decode()}\r\nCSeq: 2 BYE\r\nMax-Forwards: 70\r\n\r\n"
        )
        world.caller.send(bye.encode(), world.port)
        while True:
            onward = parse(await world.upstream.next())
            if isinstance(onward, Request) and onward.method == b"BYE":
                break


async def test_a_listener_is_added_and_one_is_removed(world: ChangingWorld) -> None:
    async with running(world, []) as application:
        first, second = world.port, free_port()
        world.change((f"port = {first} }}", f"port = {second} }}"))
        assert await application.reload(world.read) is not None
        world.port = second
        world.call(NUMBER, "one")
        assert len(await world.passes()) == 1
        await asyncio.sleep(0.3)
        world.port = first
        world.call(NUMBER, "two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.answer(), 0.3)
        world.change((f"port = {second} }}", f"port = {first} }}"))
        assert await application.reload(world.read) is not None
        world.call(NUMBER, "three")
        assert len(await world.passes()) == 1


async def test_a_listener_that_cannot_be_opened_leaves_all_as_it_was(world: ChangingWorld) -> None:
    events: list[Event] = []
    async with running(world, events) as application:
        free, taken = free_port(), world.upstream.port
        more = "".join(f'{{ address = "127.0.0.1", port = {port} }}, ' for port in (free, taken))
        world.change(("listeners = [", f"listeners = [ {more}"), (NUMBER, NEW))
        world.change((f'uri = "sip:{world.host}"', 'uri = "sip:127.0.0.1:1"'))
        assert await application.reload(world.read) is None
        world.call(NUMBER, "one")
        assert len(await world.passes()) == 1
    (event,) = reloads(events)
    assert event.outcome == "not_listening"
    assert f"127.0.0.1 port {taken}" in event.problems[0]


async def test_what_needs_a_restart_is_named_and_stays_as_it_was(world: ChangingWorld) -> None:
    events: list[Event] = []
    async with running(world, events) as application:
        port = world.http_port
        world.change((f"http.port = {port}", f"sip.t1 = 0.7\nhttp.port = {free_port()}"))
        settings = await application.reload(world.read)
        assert settings is not None
        assert (settings.http.port, settings.sip.t1) == (port, 0.5)
        assert (await fetched(world, "/readyz"))[0] == 200
    assert reloads(events)[0].restart == ("[sip] t1", "[http] port")


async def test_the_numbers_of_former_settings_are_freed(world: ChangingWorld) -> None:
    async with running(world, []) as application:
        gc.collect()
        counts = []
        for turn in range(3):
            world.call(NUMBER, f"call-{turn}")
            assert len(await world.passes()) == 1
            assert await application.reload(world.read) is not None
            await asyncio.sleep(0.05)
            counts.append(sum(type(one).__name__ == "NumberMapping" for one in gc.get_objects()))
    assert counts == [1, 1, 1]
