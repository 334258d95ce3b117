from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.http_client.connection import Connection
from sip_stager.http_client.connector import Connector
from sip_stager.http_client.messages import HttpResponse, RequestHead
from sip_stager.http_client.pool import Pool
from sip_stager.http_client.results import Broken, ConnectFailed, Unanswered
from sip_stager.http_client.slots import Priority
from tests.support.fakes import FakeClock
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sip_stager.http_client.phase_times import Phases
    from sip_stager.http_client.results import Result
    from sip_stager.ports import Cancellable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = RequestHead("GET", b"/", b"Host: a\r\n")


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with Scripted(OK, OK, OK) as server:
        yield server


@pytest.fixture
async def slow() -> AsyncIterator[Scripted]:
    """A server whose answers a test writes by itself."""
    async with Scripted(b"", b"", b"", b"") as server:
        yield server


def pool_of(server: Scripted, host: str = "127.0.0.1", **kwargs: Any) -> Pool:
    settings = {"connections": 2, "max_body_bytes": 64} | kwargs
    return Pool(Connector(host, server.port, None), **settings)


async def ask(pool: Pool, phases: Phases | None = None) -> Result:
    return await pool.exchange(GET, b"", {} if phases is None else phases, Priority.NORMAL)


async def _received(server: Scripted, requests: int) -> None:
    while len(server.requests) < requests:  # noqa: ASYNC110  # a counter can wake nobody
        await asyncio.sleep(0.005)


async def test_requests_that_wait_for_a_connection_are_sent_in_order_of_arrival(
    slow: Scripted,
) -> None:
    pool = pool_of(slow, connections=1)
    order: list[int] = []

    async def one(number: int) -> None:
        assert isinstance(await ask(pool), HttpResponse)
        order.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(4)]
    for requests in range(1, 5):
        await _received(slow, requests)
        await asyncio.sleep(0.01)
        assert (len(slow.requests), len(order)) == (requests, requests - 1)
        slow.writers[0].write(OK)
    await asyncio.gather(*tasks)
    await pool.aclose()
    assert order == [0, 1, 2, 3]
    assert slow.connections == 1


async def test_a_deadline_ends_the_wait_for_a_connection(slow: Scripted) -> None:
    pool = pool_of(slow, connections=1)
    first = asyncio.create_task(ask(pool))
    await _received(slow, 1)
    phases: Phases = {}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await ask(pool, phases)
    assert set(phases) == {"queue"}
    assert phases["queue"] >= 0.015
    last = asyncio.create_task(ask(pool))
    slow.writers[0].write(OK)
    assert isinstance(await first, HttpResponse)
    await _received(slow, 2)
    slow.writers[0].write(OK)
    assert isinstance(await last, HttpResponse)
    await pool.aclose()


async def test_requests_under_way_and_waiting_are_counted(slow: Scripted) -> None:
    pool = pool_of(slow, connections=1)
    phases: list[Phases] = [{}, {}, {}]
    first, hung_up, last = (asyncio.create_task(ask(pool, one)) for one in phases)
    await _received(slow, 1)
    assert (pool.slots.taken, pool.slots.waiting) == (1, 2)
    hung_up.cancel()
    await asyncio.wait([hung_up])
    assert (pool.slots.taken, pool.slots.waiting) == (1, 1)
    slow.writers[0].write(OK)
    await first
    await _received(slow, 2)
    slow.writers[0].write(OK)
    await last
    assert (pool.slots.taken, pool.slots.waiting) == (0, 0)
    await pool.aclose()
    assert [set(one) for one in phases] == [{"connect", "request"}, {"queue"}, {"queue", "request"}]


async def test_a_cancelled_request_closes_its_connection_and_frees_its_slot(
    slow: Scripted,
) -> None:
    pool = pool_of(slow, connections=1)
    cancelled = asyncio.create_task(ask(pool))
    await _received(slow, 1)
    cancelled.cancel()
    await slow.connections_have_ended(1)
    waiting = asyncio.create_task(ask(pool))
    await _received(slow, 2)
    slow.writers[1].write(OK)
    assert isinstance(await waiting, HttpResponse)
    await pool.aclose()


class HandLoop(FakeClock):
    def call_at(self, when: float, callback: Callable[..., object]) -> Cancellable:
        return self.call_later(when - self.now, callback)


async def test_an_idle_connection_expires(server: Scripted) -> None:
    pool, clock = pool_of(server, idle_timeout=10), HandLoop()
    pool._loop = clock  # type: ignore[assignment]
    for _ in range(2):
        await asyncio.gather(ask(pool), ask(pool))
        clock.advance(6)
    assert (server.connections, len(pool._idle)) == (2, 2)
    clock.advance(4)
    await server.connections_have_ended(2)
    assert not pool._idle
    await pool.aclose()


async def test_the_connection_used_last_is_used_first(slow: Scripted) -> None:
    """Those of a busy hour then expire in a quiet one."""
    pool = pool_of(slow)
    tasks = [asyncio.create_task(ask(pool)) for _ in range(2)]
    await _received(slow, 2)
    first, last = slow.writers
    last.write(OK)
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    first.write(OK)
    await asyncio.wait(tasks)
    assert not pool._busy
    again = asyncio.create_task(ask(pool))
    await _received(slow, 3)
    first.write(OK)
    assert isinstance(await again, HttpResponse)
    await pool.aclose()


async def test_no_request_is_sent_on_a_connection_that_is_closing(server: Scripted) -> None:
    pool = pool_of(server)
    await ask(pool)
    [idle] = pool._idle
    idle.data_received(b"bytes that no request asked for")
    assert isinstance(await ask(pool), HttpResponse)  # the loop has not reported the end yet
    assert server.connections == 2
    await pool.aclose()


async def test_closing_ends_idle_connections_and_their_timer_and_opens_no_other(
    server: Scripted,
) -> None:
    pool, clock = pool_of(server), HandLoop()
    pool._loop = clock  # type: ignore[assignment]
    await ask(pool)
    assert clock.waiting == 1
    await pool.aclose()
    await server.connections_have_ended(1)
    assert clock.waiting == 0
    assert await ask(pool) == ConnectFailed("this program has closed its connections")
    assert server.connections == 1


async def test_the_end_of_a_new_connection_never_crosses_its_request() -> None:
    async with Scripted(b"", closes=True) as server:
        pool = pool_of(server)
        phases: Phases = {}
        assert type(await ask(pool, phases)) is Unanswered
        await pool.aclose()
    assert set(phases) == {"connect", "request"}
    assert (server.connections, len(server.requests)) == (1, 1)


async def test_a_connection_that_the_server_closes_while_idle_is_forgotten_at_once(
    server: Scripted,
) -> None:
    pool = pool_of(server)
    await ask(pool)
    assert len(pool._idle) == 1
    server.writers[0].close()
    while pool._idle:  # noqa: ASYNC110  # that it ends is the test
        await asyncio.sleep(0.001)
    phases: Phases = {}
    assert isinstance(await ask(pool, phases), HttpResponse)
    await pool.aclose()
    assert set(phases) == {"connect", "request"}
    assert len(server.requests) == 2


@pytest.mark.usefixtures("noticed_at_once")
async def test_a_request_that_crosses_the_close_of_an_idle_connection_is_sent_again(
    server: Scripted,
) -> None:
    pool = pool_of(server)
    assert isinstance(await ask(pool), HttpResponse)
    server.close(0)
    phases: Phases = {}
    assert isinstance(await ask(pool, phases), HttpResponse)
    await pool.aclose()
    assert set(phases) == {"closed", "connect", "request"}
    assert (server.connections, len(server.requests)) == (2, 2)


async def test_a_request_that_the_server_took_before_it_closed_is_not_sent_again() -> None:
    async with Scripted(OK, b"") as server:
        pool = pool_of(server)
        assert isinstance(await ask(pool), HttpResponse)
        [idle] = pool._idle
        phases: Phases = {}
        asking = asyncio.create_task(ask(pool, phases))
        await _received(server, 2)
        await asyncio.sleep(idle.crossing_window + 0.05)
        server.close(0)
        assert type(await asking) is Unanswered
        await pool.aclose()
    assert 0.1 < idle.crossing_window < 0.15  # loopback has the shortest round trip there is
    assert set(phases) == {"request"}
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_a_request_whose_answer_has_begun_is_not_sent_again() -> None:
    async with Scripted(OK, b"H", closes=True) as server:
        pool = pool_of(server)
        assert isinstance(await ask(pool), HttpResponse)
        assert isinstance(await ask(pool), Broken)
        await pool.aclose()
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_closing_fails_requests_under_way_and_sends_no_other(slow: Scripted) -> None:
    pool = pool_of(slow)
    tasks = [asyncio.create_task(ask(pool)) for _ in range(3)]
    await _received(slow, 2)
    await pool.aclose()
    results = await asyncio.gather(*tasks)
    assert {type(result) for result in results} == {Broken, ConnectFailed}
    assert {getattr(result, "text", "") for result in results} == {
        "this program has closed its connections"
    }
    await slow.connections_have_ended(2)
    assert len(slow.requests) == 2


async def test_a_request_on_a_connection_that_has_ended_fails_at_once(
    server: Scripted,
) -> None:
    connection = Connection(64, lambda _: None)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, "127.0.0.1", server.port)
    connection.abort()
    await server.connections_have_ended(1)
    assert isinstance(await connection.send(GET, b""), Unanswered)


async def test_a_connection_is_not_used_beyond_its_age_however_busy_it_is(
    server: Scripted,
) -> None:
    """The host's name may lead elsewhere since it was made."""
    pool = pool_of(server, max_age=0.05)
    assert isinstance(await ask(pool), HttpResponse)
    await asyncio.sleep(0.06)
    assert isinstance(await ask(pool), HttpResponse)
    assert server.connections == 2
    await server.connections_have_ended(1)
    await pool.aclose()


async def test_a_connection_whose_age_ends_within_a_request_is_closed_after_it(
    slow: Scripted,
) -> None:
    pool = pool_of(slow, max_age=0.02)
    asked = asyncio.create_task(ask(pool))
    await slow.received.wait()
    await asyncio.sleep(0.03)
    slow.writers[0].write(OK)
    assert isinstance(await asked, HttpResponse)
    await slow.connections_have_ended(1)
    assert not pool._idle
    await pool.aclose()


async def test_connections_that_were_made_together_do_not_retire_together(
    server: Scripted,
) -> None:
    pool = pool_of(server, max_age=100.0)
    now = asyncio.get_running_loop().time()
    ages = {round(pool._make_connection().retires_at - now, 6) for _ in range(20)}
    assert len(ages) > 15
    assert all(80 <= age <= 101 for age in ages)
    await pool.aclose()
