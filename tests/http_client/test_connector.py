from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.http_client.connector import Connector, crossing_window
from sip_stager.http_client.messages import HttpResponse, RequestHead
from sip_stager.http_client.pool import Pool
from sip_stager.http_client.results import ConnectFailed
from sip_stager.http_client.slots import Priority
from sip_stager.transport import resolver
from sip_stager.transport.resolver import NameCache
from tests.support.needed import need_ipv6
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sip_stager.http_client import AddressInfo, Names
    from sip_stager.http_client.phase_times import Phases
    from sip_stager.http_client.results import Result

NAME = "api.example"
HERE = "127.0.0.1"
NOBODY = "127.0.0.2"  # an address of this machine where nobody listens
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = RequestHead("GET", b"/", b"Host: a\r\n")


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted(OK, OK, OK) as server:
        yield server


def pool_of(server: Scripted, names: Names | None = None, connections: int = 2) -> Pool:
    connector = Connector(NAME, server.port, None, names)
    return Pool(connector, connections=connections, max_body_bytes=64)


async def ask(pool: Pool, phases: Phases | None = None) -> Result:
    return await pool.exchange(GET, b"", {} if phases is None else phases, Priority.NORMAL)


async def without_connections(server: Scripted) -> None:
    """Close the connections that are open, so that the next request needs a new one."""
    connections = server.connections
    for writer in server.writers:
        writer.close()
    await server.connections_have_ended(connections)
    await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("round_trip", "window"), [(0.0, 0.1), (0.01, 0.12), (0.04, 0.18), (0.05, 0.2), (3.0, 0.2)]
)
def test_a_close_crosses_a_request_within_two_round_trips_and_less_than_a_staging(
    round_trip: float, window: float
) -> None:
    assert crossing_window(round_trip) == pytest.approx(window)


class SystemResolver:
    """Stands in for the operating system's resolver; it fails while ``found`` is empty."""

    def __init__(self, *addresses: str) -> None:
        self._getaddrinfo = asyncio.get_running_loop().getaddrinfo
        self.asked: list[str] = []
        self.found: list[AddressInfo] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.find(*addresses)

    def find(self, *addresses: str) -> None:
        self.found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]

    async def getaddrinfo(self, host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host != NAME:  # uvloop resolves addresses, too
            return await self._getaddrinfo(host, *args, **kwargs)
        self.asked.append(host)
        await self.answers.wait()
        if not self.found:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return self.found


@pytest.fixture
async def system(monkeypatch: pytest.MonkeyPatch) -> SystemResolver:
    system = SystemResolver(HERE)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", system.getaddrinfo)
    return system


@pytest.fixture
async def names(system: SystemResolver) -> NameCache:
    return NameCache(asyncio.get_running_loop())


async def test_a_name_is_looked_up_once_for_all_connections(
    server: Scripted, system: SystemResolver, names: NameCache
) -> None:
    pool = pool_of(server, names, connections=3)
    phases: list[Phases] = [{}, {}]
    await asyncio.gather(*(ask(pool, each) for each in phases))
    assert [set(each) for each in phases] == [{"name_lookup", "connect", "request"}] * 2
    await without_connections(server)
    later: Phases = {}
    assert isinstance(await ask(pool, later), HttpResponse)
    await pool.aclose()
    assert set(later) == {"connect", "request"}
    assert system.asked == [NAME]


async def test_without_a_cache_the_system_is_asked_for_each_connection(
    server: Scripted, system: SystemResolver
) -> None:
    pool = pool_of(server)
    for _ in range(2):
        phases: Phases = {}
        assert isinstance(await ask(pool, phases), HttpResponse)
        assert set(phases) == {"name_lookup", "connect", "request"}
        await without_connections(server)
    await pool.aclose()
    assert system.asked == [NAME] * 2


@pytest.mark.parametrize("cached", [True, False])
async def test_a_name_that_cannot_be_resolved_is_looked_up_again(
    server: Scripted, system: SystemResolver, names: NameCache, *, cached: bool
) -> None:
    system.find()
    pool = pool_of(server, names if cached else None)
    assert await ask(pool) == ConnectFailed("the name api.example cannot be resolved")
    system.find(HERE)
    assert isinstance(await ask(pool), HttpResponse)
    await pool.aclose()


@pytest.mark.parametrize("cached", [True, False])
async def test_a_look_up_that_hangs_is_the_phase_name_lookup(
    server: Scripted, system: SystemResolver, names: NameCache, *, cached: bool
) -> None:
    system.answers.clear()
    pool = pool_of(server, names if cached else None)
    phases: Phases = {}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ask(pool, phases)
    assert set(phases) == {"name_lookup"}
    assert phases["name_lookup"] >= 0.04
    system.answers.set()
    assert isinstance(await ask(pool), HttpResponse)
    await pool.aclose()


async def test_a_deadline_ends_the_wait_of_one_request_and_not_the_look_up_of_another(
    server: Scripted, system: SystemResolver, names: NameCache
) -> None:
    system.answers.clear()
    pool = pool_of(server, names)
    hasty, patient = (asyncio.create_task(ask(pool)) for _ in range(2))
    await asyncio.sleep(0.01)
    hasty.cancel()
    await asyncio.wait([hasty])
    system.answers.set()
    assert isinstance(await patient, HttpResponse)
    await pool.aclose()
    assert system.asked == [NAME]


async def test_an_address_is_not_looked_up(server: Scripted, system: SystemResolver) -> None:
    pool = Pool(Connector(HERE, server.port, None), connections=1, max_body_bytes=64)
    phases: Phases = {}
    assert isinstance(await ask(pool, phases), HttpResponse)
    await pool.aclose()
    assert (set(phases), system.asked) == ({"connect", "request"}, [])


async def test_all_addresses_of_a_name_are_tried(
    server: Scripted, system: SystemResolver, names: NameCache
) -> None:
    system.find(NOBODY, "127.0.0.3", HERE)
    pool = pool_of(server, names)
    assert isinstance(await ask(pool), HttpResponse)
    await pool.aclose()


@pytest.mark.parametrize("reachable", ["::1", HERE])
async def test_addresses_of_both_families_are_tried(
    system: SystemResolver, names: NameCache, reachable: str
) -> None:
    need_ipv6()
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))
    system.found = [six, (socket.AF_INET, socket.SOCK_STREAM, 6, "", (HERE, 0))]
    family = socket.AF_INET6 if reachable == "::1" else socket.AF_INET
    taken = socket.create_server((reachable, 0), family=family)
    async with Scripted(OK, listener=taken) as server:
        pool = pool_of(server, names)
        assert isinstance(await ask(pool), HttpResponse)
        await pool.aclose()


@pytest.fixture
def soon_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are old at once, and looked up again whenever they are used."""
    monkeypatch.setattr(resolver, "FRESH", 0.0)
    monkeypatch.setattr(resolver, "RETRY_INTERVAL", 0.0)


async def connect_once(server: Scripted, names: NameCache) -> Pool:
    """Return a pool whose names know the server's address, without a connection."""
    pool = pool_of(server, names)
    assert isinstance(await ask(pool), HttpResponse)
    await without_connections(server)
    return pool


@pytest.mark.usefixtures("soon_old")
async def test_a_look_up_is_not_waited_for_while_an_older_address_is_known(
    server: Scripted, system: SystemResolver, names: NameCache
) -> None:
    pool = await connect_once(server, names)
    system.answers.clear()
    for _ in range(2):
        phases: Phases = {}
        assert isinstance(await ask(pool, phases), HttpResponse)
        assert set(phases) == {"connect", "request"}
        await without_connections(server)
    assert system.asked == [NAME] * 2  # the second joined the look-up that hangs
    server.stop_listening()
    with socket.create_server((NOBODY, server.port)) as taken:
        async with Scripted(OK, listener=taken) as moved:
            system.find(NOBODY)
            system.answers.set()
            await asyncio.sleep(0.01)
            assert isinstance(await ask(pool), HttpResponse)
            assert moved.connections == 1
            await pool.aclose()


@pytest.mark.usefixtures("soon_old")
async def test_a_resolver_that_fails_costs_nothing_while_an_older_address_is_known(
    server: Scripted, system: SystemResolver, names: NameCache
) -> None:
    pool = await connect_once(server, names)
    system.find()
    for _ in range(3):
        assert isinstance(await ask(pool), HttpResponse)
        await without_connections(server)
    assert len(system.asked) == 4
    await pool.aclose()


@pytest.mark.usefixtures("soon_old")
async def test_an_address_is_used_for_an_hour_without_an_answer_and_no_longer(
    server: Scripted, system: SystemResolver, names: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await connect_once(server, names)
    monkeypatch.setattr(resolver, "MAX_STALE", 0.0)
    system.find()
    phases: Phases = {}
    assert isinstance(await ask(pool, phases), ConnectFailed)
    assert set(phases) == {"name_lookup"}
    await pool.aclose()


async def test_an_api_that_moved_is_found_after_one_connection_that_failed(
    server: Scripted, system: SystemResolver, names: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "RETRY_INTERVAL", 0.0)
    system.find(NOBODY)
    pool = pool_of(server, names)
    refused = ConnectFailed(f"cannot connect to {NAME} port {server.port}: connection refused")
    assert await ask(pool) == refused
    await asyncio.sleep(0.01)
    system.find(NOBODY, HERE)
    assert await ask(pool) == refused  # and the name is looked up again
    await asyncio.sleep(0.01)
    assert isinstance(await ask(pool), HttpResponse)
    await pool.aclose()


async def test_an_api_that_is_down_is_not_looked_up_for_each_call(
    server: Scripted, system: SystemResolver, names: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "RETRY_INTERVAL", 60.0)
    system.find(NOBODY)
    pool = pool_of(server, names)
    for _ in range(20):
        assert isinstance(await ask(pool), ConnectFailed)
        await asyncio.sleep(0)
    assert system.asked == [NAME]
    await pool.aclose()


@pytest.mark.parametrize("cached", [True, False])
async def test_closing_ends_the_wait_for_a_look_up_that_hangs(
    server: Scripted, system: SystemResolver, names: NameCache, *, cached: bool
) -> None:
    system.answers.clear()
    pool = pool_of(server, names if cached else None)
    asking = asyncio.create_task(ask(pool))
    await asyncio.sleep(0.01)
    await pool.aclose()
    assert isinstance(await asking, ConnectFailed)
    names.close()
    await asyncio.sleep(0.01)
    if cached:
        assert len(asyncio.all_tasks()) == 1


async def test_a_connection_that_is_made_while_the_pool_closes_is_not_used(
    server: Scripted, system: SystemResolver, names: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(server, names)
    connect, connected = pool._connector.connect, asyncio.Event()

    async def slowly(*args: Any) -> Any:
        made = await connect(*args)
        connected.set()
        await asyncio.sleep(0.02)
        return made

    monkeypatch.setattr(pool._connector, "connect", slowly)
    asking = asyncio.create_task(ask(pool))
    await connected.wait()
    await pool.aclose()
    assert await asking == ConnectFailed("this program has closed its connections")
    await server.connections_have_ended(1)
    assert server.requests == []
