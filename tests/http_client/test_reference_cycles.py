"""A call leaves no reference cycle: the garbage collector is off while calls are up."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.http_client.connection import Connection
from sip_stager.http_client.connector import Connector
from sip_stager.platform.api import RoundedApi
from sip_stager.staging.stager import ApiStager
from sip_stager.transport.resolver import NameCache
from tests.support.black_hole import black_hole, port_of
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.http_client import AddressInfo, Names
    from sip_stager.model.call import Call, Decision

OURS = ("sip_stager.", "httptools")


class Owner:
    """Keeps the task until the call is decided, as the proxy does while it holds an INVITE."""

    def __init__(self) -> None:
        self.staging: asyncio.Task[None] | None = None

    def decided(self, decision: Decision) -> None:
        self.staging = None


@pytest.fixture
def found() -> Iterator[list[object]]:
    """A list of what the collector finds from now on."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def ours(found: list[object]) -> set[str]:
    gc.collect()
    return {type(each).__qualname__ for each in found if type(each).__module__.startswith(OURS)}


@pytest.mark.parametrize("fault", get_args(Fault))
async def test_a_response_leaves_no_cycle(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, found: list[object]
) -> None:
    fake.default = Behaviour(fault=fault)
    try:
        async with asyncio.timeout(0.1):
            await client.stage(call, {}, sync=True)
    except TimeoutError:
        pass
    await asyncio.sleep(0.02)
    assert ours(found) == set()


@pytest.mark.parametrize("after", [0.0, 0.05])
async def test_a_cancelled_call_leaves_no_cycle(
    fake: FakeApi, client: RoundedApi, call: Call, after: float, found: list[object]
) -> None:
    fake.default = Behaviour(delay=1)
    owner = Owner()
    staging = ApiStager(client, lambda _: None)
    owner.staging = staging.start_staging(call, owner.decided)
    await asyncio.sleep(after)
    owner.staging.cancel()
    owner.staging = None
    await asyncio.sleep(0.02)
    assert ours(found) == set()


async def garbage_of_failures(
    url: str, call: Call, found: list[object], names: Names | None = None
) -> set[str]:
    """Fail to stage a few times; return the kinds of garbage, but for those of the first time."""
    async with RoundedApi(url, SecretStr("key"), names=names) as client:
        for _ in range(4):
            gc.collect()
            found.clear()
            try:
                async with asyncio.timeout(0.1):
                    await client.stage(call, {}, sync=True)
            except TimeoutError:
                pass
            await asyncio.sleep(0.02)
        gc.collect()
    kinds = (OSError, RuntimeError, Connector, Connection)  # sockets are of servers here, too
    return {type(each).__qualname__ for each in found if isinstance(each, kinds)}


class Known:
    """Names that are known and have addresses where nobody listens."""

    def __init__(self, count: int) -> None:
        self._addresses: list[AddressInfo] = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 0))
            for last in range(1, count + 1)
        ]

    def find(self, host: str) -> list[AddressInfo]:
        return self._addresses

    def renew(self, host: str) -> None:
        pass


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_connections_that_are_refused_leave_no_cycle(
    call: Call, found: list[object], count: int
) -> None:
    url = "http://api.example:1"
    assert await garbage_of_failures(url, call, found, Known(count)) == set()


@pytest.mark.parametrize("cached", [True, False])
async def test_a_name_that_cannot_be_resolved_leaves_no_cycle(
    call: Call, found: list[object], monkeypatch: pytest.MonkeyPatch, *, cached: bool
) -> None:
    async def fail(*_: object, **__: object) -> list[AddressInfo]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", fail)
    names = NameCache(loop) if cached else None
    assert await garbage_of_failures("http://api.example", call, found, names) == set()


async def test_a_handshake_that_fails_leaves_no_cycle(call: Call, found: list[object]) -> None:
    async with Scripted(b"220 mail.example.net ESMTP\r\n\r\n", closes=True) as server:
        url = server.url.replace("http:", "https:").partition("/a?")[0]
        assert await garbage_of_failures(url, call, found) == set()


async def test_a_connection_that_is_never_accepted_leaves_no_cycle(
    call: Call, found: list[object]
) -> None:
    with black_hole() as listener:
        url = f"http://127.0.0.1:{port_of(listener)}"
        assert await garbage_of_failures(url, call, found) == set()
