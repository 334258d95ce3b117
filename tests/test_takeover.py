"""Two processes of which one takes over from the other, here as two applications on one loop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sip_stager.app import Application
from tests.support.messages import request, response
from tests.test_app import World, api, fetched, ringing, world  # noqa: F401  (fixtures)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TIMEOUT = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "takeover"


@asynccontextmanager
async def started(world: World, path: Path) -> AsyncIterator[Application]:  # noqa: F811
    application = Application(world.settings(), takeover=path)
    try:
        assert await application.start() == []
        yield application
    finally:
        await application.stop()


async def until_set(event: asyncio.Event, *, to: bool = True) -> None:
    async with asyncio.timeout(TIMEOUT):
        while event.is_set() is not to:  # noqa: ASYNC110  it may be cleared as well
            await asyncio.sleep(0.01)


async def test_a_call_that_rings_is_answered_by_the_old_process_and_new_ones_by_the_new(
    world: World,  # noqa: F811
    path: Path,
) -> None:
    async with AsyncExitStack() as programs:
        new_ends = await programs.enter_async_context(AsyncExitStack())
        old = await programs.enter_async_context(started(world, path))
        invite = await ringing(world)
        first = world.call_id
        new = await new_ends.enter_async_context(started(world, path))
        await until_set(old.takeover.superseded)
        world.call("+33612345678", "new")
        assert len(await world.passes()) == 1
        assert (old.transactions["invite_server"], new.transactions["invite_server"]) == (1, 1)
        world.call_id = first
        world.upstream.send(bytes(response(invite, 200)), world.port)
        assert await world.answer() == 200
        assert new.transactions["invite_client"] == 1
        await old.stop()
        world.call("+33612345678", "after")
        assert len(await world.passes()) == 1
        assert (await fetched(world, "/readyz"))[0] == 200


async def test_a_cancel_finds_the_process_of_its_invite(world: World, path: Path) -> None:  # noqa: F811
    async with started(world, path) as old:
        await ringing(world)
        async with started(world, path):
            await until_set(old.takeover.superseded)
            via = f"SIP/2.0/UDP 127.0.0.1:{world.caller.port}"
            cancel = request("CANCEL", "sip:+33612345678@edge", via=via, branch="z9hG4bK-ringing")
            cancel_bytes = bytes(cancel).replace(b"call-1@192.0.2.1", world.call_id)
            world.caller.send(cancel_bytes, world.port)
            assert await world.answer() == 200
            assert (await world.upstream.next()).startswith(b"CANCEL ")


async def test_a_process_takes_its_sockets_back_if_the_successor_ends(
    world: World,  # noqa: F811
    path: Path,
) -> None:
    async with started(world, path) as old:
        for _ in range(2):
            async with started(world, path):
                await until_set(old.takeover.superseded)
                assert (await fetched(world, "/readyz"))[0] == 200
            await until_set(old.takeover.superseded, to=False)
            assert await world.ask() == 200
            reader, writer = await asyncio.open_connection("127.0.0.1", world.tcp_port)
            writer.write(bytes(request("OPTIONS", "sip:edge")))
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), TIMEOUT)
            assert answer == b"SIP/2.0 200 OK\r\n"
            writer.close()
            assert (await fetched(world, "/readyz"))[0] == 200


async def test_a_successor_that_cannot_start_changes_nothing(
    world: World,  # noqa: F811
    path: Path,
) -> None:
    async with started(world, path) as old:
        new = Application(world.settings(), takeover=path)
        new.takeover.begin = failing  # type: ignore[method-assign]
        with pytest.raises(OSError, match="no place"):
            await new.start()
        await new.stop()
        await asyncio.sleep(0.05)
        assert not old.takeover.superseded.is_set()
        assert await world.ask() == 200


def failing() -> None:
    raise OSError("no place")


async def test_an_idle_connection_is_closed_and_the_next_one_reaches_the_successor(
    world: World,  # noqa: F811
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sip_stager.transport.tcp.IDLE_BEFORE_CLOSE", 0.1)
    async with started(world, path) as old:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.tcp_port)
        writer.write(bytes(request("OPTIONS", "sip:edge")))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)
        async with started(world, path) as new:
            await until_set(old.takeover.superseded)
            at_once = asyncio.Event()
            stay = asyncio.create_task(old.takeover.stay(at_once))
            assert await asyncio.wait_for(reader.read(), TIMEOUT) == b""
            writer.close()
            _, again = await asyncio.open_connection("127.0.0.1", world.tcp_port)
            async with asyncio.timeout(TIMEOUT):
                while not new._sockets.connections["accepted"]:  # noqa: ASYNC110  no event
                    await asyncio.sleep(0.01)
            again.close()
            at_once.set()
            assert await stay


async def test_a_path_that_cannot_be_used_is_an_error_that_names_it(
    world: World,  # noqa: F811
    tmp_path: Path,
) -> None:
    application = Application(world.settings(), takeover=tmp_path / "none" / "takeover")
    with pytest.raises(OSError, match=r"--takeover .*none/takeover: No such file or directory; "):
        await application.start()
    await application.stop()


async def test_the_path_is_for_the_program_s_user_alone(world: World, path: Path) -> None:  # noqa: F811
    async with started(world, path):
        assert path.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240  of the test alone
    assert not path.exists()  # noqa: ASYNC240
