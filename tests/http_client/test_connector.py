from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sip_stager.http_client import connector
from sip_stager.http_client.connector import Connector
from sip_stager.http_client.messages import Answer, Head
from sip_stager.http_client.pool import Pool
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sip_stager.http_client.messages import Result
    from sip_stager.http_client.phases import Phases

NAME = "api.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = Head("GET", b"/", [(b"Host", b"a")])


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted(OK, OK, OK) as server:
        yield server


def pool_of(server: Scripted, connections: int = 2) -> Pool:
    return Pool(Connector(NAME, server.port, None), connections=connections, max_body_bytes=64)


async def ask(pool: Pool, phases: Phases | None = None) -> Result:
    return await pool.exchange(GET, b"", {} if phases is None else phases)


async def without_connections(server: Scripted) -> None:
    """Close those that are open, so that the next request needs a new one."""
    connections = server.connections
    for writer in server.writers:
        writer.close()
    await server.ends(connections)
    await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("round_trip", "crossing"), [(0.0, 0.1), (0.01, 0.12), (0.04, 0.18), (0.05, 0.2), (3.0, 0.2)]
)
def test_a_close_crosses_a_request_within_two_round_trips_and_less_than_a_staging(
    round_trip: float, crossing: float
) -> None:
    assert connector.crossing_of(round_trip) == pytest.approx(crossing)


class Names:
    """Stands in for the operating system's resolver."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.really = asyncio.get_running_loop().getaddrinfo
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses]

    async def getaddrinfo(self, host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host != NAME:  # uvloop asks for addresses, too
            return await self.really(host, *args, **kwargs)
        self.asked.append(host)
        await self.answers.wait()
        if not self.found:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return self.found


def names_are(monkeypatch: pytest.MonkeyPatch, names: Names) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)


async def found_once(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> tuple[Names, Pool]:
    """Give a resolver and a pool that has learnt the server's address from it."""
    names = Names(("127.0.0.1", server.port))
    names_are(monkeypatch, names)
    pool = pool_of(server)
    await ask(pool)
    return names, pool


async def test_a_name_is_looked_up_once_for_all_who_connect(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(("127.0.0.1", server.port))
    names_are(monkeypatch, names)
    pool = pool_of(server, connections=3)
    phases: list[Phases] = [{}, {}]
    await asyncio.gather(*(ask(pool, one) for one in phases))
    assert [set(one) for one in phases] == [{"name_lookup", "connect", "request"}] * 2
    for writer in server.writers:
        writer.close()
    await server.ends(2)
    await asyncio.sleep(0.02)
    later: Phases = {}
    assert isinstance(await ask(pool, later), Answer)
    await pool.aclose()
    assert set(later) == {"connect", "request"}
    assert names.asked == [NAME]


async def test_a_name_that_cannot_be_resolved_is_asked_for_again(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names()
    names_are(monkeypatch, names)
    pool = pool_of(server)
    result = await ask(pool)
    assert isinstance(result, httpx.ConnectError)
    assert str(result) == "the name api.example cannot be resolved"
    names.found = Names(("127.0.0.1", server.port)).found
    assert isinstance(await ask(pool), Answer)
    await pool.aclose()


async def test_a_look_up_that_hangs_is_booked_as_one(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(("127.0.0.1", server.port))
    names.answers.clear()
    names_are(monkeypatch, names)
    pool = pool_of(server)
    phases: Phases = {}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ask(pool, phases)
    assert set(phases) == {"name_lookup"}
    assert phases["name_lookup"] >= 0.04
    names.answers.set()
    assert isinstance(await ask(pool), Answer)
    await pool.aclose()


@pytest.fixture
def soon_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an address be old at once, and looked up again whenever it is asked for."""
    monkeypatch.setattr(connector, "_FRESH", 0.0)
    monkeypatch.setattr(connector, "_AGAIN", 0.0)


@pytest.mark.usefixtures("soon_old")
async def test_nobody_waits_for_a_look_up_where_an_address_was_known_shortly_before(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, pool = await found_once(server, monkeypatch)
    names.answers.clear()
    for _ in range(2):
        await without_connections(server)
        phases: Phases = {}
        assert isinstance(await ask(pool, phases), Answer)
        assert set(phases) == {"connect", "request"}
    assert names.asked == [NAME] * 2  # and the second joined the look-up that hangs
    async with Scripted(OK) as moved:
        names.found = Names(("127.0.0.1", moved.port)).found
        names.answers.set()
        await without_connections(server)
        assert isinstance(await ask(pool), Answer)
        assert moved.connections == 1
        await pool.aclose()


@pytest.mark.usefixtures("soon_old")
async def test_a_resolver_that_fails_costs_nothing_where_an_address_was_known_shortly_before(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, pool = await found_once(server, monkeypatch)
    names.found = []
    for _ in range(3):
        await without_connections(server)
        assert isinstance(await ask(pool), Answer)
    assert len(names.asked) == 4
    await pool.aclose()


@pytest.mark.usefixtures("soon_old")
async def test_an_address_is_not_believed_for_ever(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, pool = await found_once(server, monkeypatch)
    await without_connections(server)
    monkeypatch.setattr(connector, "_STALE_MOST", 0.0)
    names.found = []
    phases: Phases = {}
    assert isinstance(await ask(pool, phases), httpx.ConnectError)
    assert set(phases) == {"name_lookup"}
    await pool.aclose()


async def test_an_api_that_moved_is_found_after_one_connection_that_failed(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "_AGAIN", 0.0)
    names = Names(("127.0.0.1", 1))
    names_are(monkeypatch, names)
    pool = pool_of(server)
    names.found = Names(("127.0.0.1", 1)).found
    words = f"cannot connect to {NAME} port {server.port}: connection refused"
    assert str(await ask(pool)) == words
    names.found = Names(("127.0.0.1", 1), ("127.0.0.1", server.port)).found
    assert str(await ask(pool)) == words  # and it looks again
    await asyncio.sleep(0.01)
    assert isinstance(await ask(pool), Answer)
    await pool.aclose()


async def test_an_api_that_is_down_is_not_looked_up_for_each_call(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "_AGAIN", 60.0)
    names = Names(("127.0.0.1", 1))
    names_are(monkeypatch, names)
    pool = pool_of(server)
    for _ in range(20):
        assert isinstance(await ask(pool), httpx.ConnectError)
        await asyncio.sleep(0)
    assert names.asked == [NAME]
    await pool.aclose()


async def test_closing_leaves_a_look_up_that_hangs(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(("127.0.0.1", server.port))
    names.answers.clear()
    names_are(monkeypatch, names)
    pool = pool_of(server)
    asking = asyncio.create_task(ask(pool))
    await asyncio.sleep(0.01)
    await pool.aclose()
    assert isinstance(await asking, httpx.ConnectError)
    assert len(asyncio.all_tasks()) == 1
