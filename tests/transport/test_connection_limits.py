"""The number of TCP connections: of peers, and of strangers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from sip_stager.model.flow import Flow
from sip_stager.transport import connections
from sip_stager.transport.connections import Connections, source_of
from tests.support.torture import ANSWER, USUAL
from tests.transport.endpoints import Endpoint, OnlyPeers, TcpPeer, TcpServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sip_stager.transport.stream import TcpConnection

    Listen = Callable[..., Awaitable[Endpoint]]

TRUNK, STRANGER, OTHER_STRANGER = "127.0.1.1", "127.0.3.1", "127.0.3.2"


@pytest.fixture(autouse=True)
def nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no connection count as new, but where a test says so."""
    monkeypatch.setattr(connections, "NEW_FOR", 0.0)
    monkeypatch.setattr(connections, "LIVE_INTERVAL", 0.0)


async def connect(endpoint: Endpoint, stack: AsyncExitStack, *hosts: str) -> list[TcpPeer]:
    """Connect from each host, one after another; each sends a message."""
    peers = []
    for host in hosts:
        peers.append(await stack.enter_async_context(await endpoint.connect(host)))
        peers[-1].send(USUAL)
        await endpoint.next()
        await asyncio.sleep(0.005)  # the clock of a loop may have steps of a millisecond
    return peers


async def assert_served(endpoint: Endpoint, *peers: TcpPeer) -> None:
    for peer in peers:
        peer.send(ANSWER)
        assert (await endpoint.next())[0] == ANSWER


@pytest.mark.parametrize("bound", ["connections", "connections_per_source"])
async def test_the_connections_of_strangers_are_limited(listen: Listen, bound: str) -> None:
    """Beyond the RFCs: the connections of strangers are limited, in all and per source."""
    endpoint = await listen(OnlyPeers(), **{bound: 1})
    async with await endpoint.connect() as first:
        first.send(USUAL)
        assert (await endpoint.next())[0] == USUAL
        async with await endpoint.connect() as second:
            assert await second.closed()
        assert endpoint.dropped == ["too_many_connections"]
        await assert_served(endpoint, first)
    await endpoint.until_connections_are(0)
    async with await endpoint.connect() as third:
        await assert_served(endpoint, third)


async def test_an_address_of_a_trunk_is_limited_by_the_connections_in_all_alone(
    listen: Listen,
) -> None:
    """A carrier may open a connection for each call, from one address."""
    endpoint = await listen(OnlyPeers(TRUNK), connections=30, connections_per_source=2)
    async with AsyncExitStack() as stack:
        peers = await connect(endpoint, stack, *[TRUNK] * 30)
        await assert_served(endpoint, *peers)
    assert endpoint.dropped == []


async def test_strangers_take_no_connection_of_a_trunk(listen: Listen) -> None:
    endpoint = await listen(OnlyPeers(TRUNK), connections=8, connections_of_strangers=4)
    async with AsyncExitStack() as stack:
        trunks = await connect(endpoint, stack, *[TRUNK] * 5)
        strangers = await connect(endpoint, stack, *[f"127.0.3.{each}" for each in range(1, 20)])
        await assert_served(endpoint, *trunks, *strangers[-3:])
        for cut in strangers[:-3]:
            assert await cut.closed()


async def test_a_trunk_finds_room_at_the_cost_of_strangers(listen: Listen) -> None:
    """The stranger's connection that is idle longest goes, whatever a trunk's is."""
    endpoint = await listen(OnlyPeers(TRUNK), connections=3)
    async with AsyncExitStack() as stack:
        trunk, idle, used = await connect(endpoint, stack, TRUNK, STRANGER, OTHER_STRANGER)
        (newcomer,) = await connect(endpoint, stack, TRUNK)
        assert await idle.closed()
        await assert_served(endpoint, trunk, used, newcomer)
        await connect(endpoint, stack, TRUNK)
        assert await used.closed()
        await assert_served(endpoint, trunk, newcomer)
    assert endpoint.dropped == ["too_many_connections"] * 2


async def test_the_connection_of_peers_that_is_idle_longest_gives_way_to_a_newcomer(
    listen: Listen,
) -> None:
    endpoint = await listen(OnlyPeers(TRUNK), connections=3)
    async with AsyncExitStack() as stack:
        old, busy, young = await connect(endpoint, stack, *[TRUNK] * 3)
        await assert_served(endpoint, old)  # so the second is idle for longest
        (newcomer,) = await connect(endpoint, stack, TRUNK)
        assert await busy.closed()
        await assert_served(endpoint, old, young, newcomer)


@pytest.mark.parametrize("named", ["number", "address"])
async def test_a_connection_that_a_live_transaction_needs_gives_way_last(
    listen: Listen, named: str
) -> None:
    """Its response, or ours, could not be sent any more."""
    endpoint = await listen(OnlyPeers(TRUNK), connections=2)
    async with AsyncExitStack() as stack:
        waiting, idle = await connect(endpoint, stack, *[TRUNK] * 2)
        flow = next(
            each.flow
            for each in endpoint.sockets._tcp.accepted
            if each.flow[1:3] == waiting.address
        )
        endpoint.live = {flow.connection if named == "number" else flow[1:3]}
        (newcomer,) = await connect(endpoint, stack, TRUNK)
        assert await idle.closed()
        await assert_served(endpoint, waiting, newcomer)


async def test_a_connection_that_is_seconds_old_gives_way_last(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first message may be on the way."""
    monkeypatch.setattr(connections, "NEW_FOR", 0.2)
    endpoint = await listen(OnlyPeers(TRUNK), connections=2)
    async with AsyncExitStack() as stack:
        (old,) = await connect(endpoint, stack, TRUNK)
        await asyncio.sleep(0.2)
        new = await stack.enter_async_context(await endpoint.connect(TRUNK))
        await endpoint.until_connections_are(2)
        await assert_served(endpoint, old)  # used after the new one was
        (newcomer,) = await connect(endpoint, stack, TRUNK)
        assert await old.closed()
        await assert_served(endpoint, new, newcomer)


async def test_the_stranger_with_the_most_connections_gives_one_up(listen: Listen) -> None:
    """Else a stranger who came first would keep all others out; the longest unused one goes."""
    endpoint = await listen(OnlyPeers(), connections_of_strangers=3)
    async with AsyncExitStack() as stack:
        other, old, used = await connect(endpoint, stack, OTHER_STRANGER, STRANGER, STRANGER)
        (newcomer,) = await connect(endpoint, stack, "127.0.3.3")
        assert await old.closed()
        await assert_served(endpoint, other, used, newcomer)
        late = await stack.enter_async_context(await endpoint.connect(STRANGER))
        assert await late.closed()  # none has more than this one
        await assert_served(endpoint, other, used, newcomer)


def test_the_addresses_of_an_ipv6_network_count_as_one_source() -> None:
    """A stranger with a /64 has as many addresses as they want."""
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert source_of("2001:db8:0:1::1") != source_of("2001:db8::1")
    assert source_of("192.0.2.1") == "192.0.2.1"
    kept = Connections(10, 10, 2, OnlyPeers(), lambda: 0.0)
    hosts = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]
    made = [
        cast("TcpConnection", SimpleNamespace(flow=Flow("TCP", host, 5060, 0, number)))
        for number, host in enumerate(hosts, 1)
    ]
    assert [kept.add(each) for each in made] == [True, True, False, True]
    kept.discard(made[0])
    kept.discard(made[2])  # it was not added
    assert kept.add(made[2])


async def test_the_connections_that_we_open_are_limited(listen: Listen) -> None:
    """Beyond the RFCs: to hosts that are no peers, and to each of them."""
    endpoint = await listen(OnlyPeers(), connections_per_source=1)
    async with TcpServer() as one, TcpServer() as other:
        endpoint.send(b"1", Flow("TCP", "127.0.0.1", one.port, 2))
        peer = await one.next()
        endpoint.send(b"2", Flow("TCP", "127.0.0.1", other.port, 2))
        assert endpoint.failures.empty()
        assert await endpoint.failure() == "too many connections"
        peer.writer.close()
        await endpoint.until_connections_are(0)
        endpoint.send(b"3", Flow("TCP", "127.0.0.1", other.port, 2))
        assert await (await other.next()).read(1) == b"3"


async def test_a_connection_that_is_being_opened_does_not_give_way(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages that wait for it would be lost."""
    endpoint = await listen(connections=1)

    async def hang(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    async with TcpServer() as server:
        monkeypatch.setattr(endpoint.sockets._tcp, "_connect", hang)
        endpoint.send(b"1", Flow("TCP", "127.0.0.1", 9, 2))
        endpoint.send(b"2", Flow("TCP", "127.0.0.1", server.port, 2))
        assert await endpoint.failure() == "too many connections"


async def test_a_connection_that_we_opened_gives_way_too_and_is_reported(listen: Listen) -> None:
    """Else answers to strangers who are gone would keep requests from leaving."""
    endpoint = await listen(OnlyPeers("127.0.0.3"), connections=2)
    async with TcpServer() as one, TcpServer() as two, TcpServer("127.0.0.3") as upstream:
        flows = [Flow("TCP", "127.0.0.1", server.port, 2) for server in (one, two)]
        for flow, server in zip(flows, (one, two), strict=True):
            endpoint.send(b"1", flow)
            assert await (peer := await server.next()).read(1) == b"1"
            await asyncio.sleep(0.005)
        endpoint.send(b"2", Flow("TCP", "127.0.0.3", upstream.port, 2))
        assert await (await upstream.next()).read(1) == b"2"
        assert await endpoint.lost_flow() == flows[0]
        endpoint.send(b"3", flows[1])
        assert await peer.read(1) == b"3"
    assert endpoint.dropped == ["too_many_connections"]
