"""Busy connections share each turn of the loop, and do not hold up anything else."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sip_stager.transport.turns import MAX_TURN_BYTES, Turns
from tests.support.torture import ANSWER
from tests.transport.endpoints import TIMEOUT

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from tests.transport.endpoints import Endpoint

LARGE = b"A sip:a@b SIP/2.0\r\nl:%d\r\n\r\n" % 60_000 + b"x" * 60_000


@pytest.fixture
async def turns() -> Turns:
    return Turns(asyncio.get_running_loop())


async def test_each_turn_has_its_bytes_anew(turns: Turns) -> None:
    free = []
    for spent in (MAX_TURN_BYTES - 1, 1):
        turns.spend(spent)
        free.append(turns.free)
    await asyncio.sleep(0)
    assert [*free, turns.free] == [True, False, True]


async def test_waiting_connections_are_served_in_order_until_the_turn_is_used_up(
    turns: Turns,
) -> None:
    served: list[str] = []

    def take(name: str) -> None:
        served.append(name)
        turns.spend(MAX_TURN_BYTES // 2)
        turns.wait("host", partial(take, name))

    for name in "abc":
        turns.wait("host", partial(take, name))
    assert not turns.free  # a new connection is behind them
    for so_far in ("", "ab", "abca", "abcabc"):
        assert "".join(served) == so_far
        await asyncio.sleep(0)


async def test_a_host_with_many_connections_is_served_as_often_as_a_host_with_one(
    turns: Turns,
) -> None:
    served: list[str] = []

    def take(host: str) -> None:
        served.append(host)
        turns.spend(MAX_TURN_BYTES // 2)
        turns.wait(host, partial(take, host))

    for host in (*"aaaaaa", "b", "c"):
        turns.wait(host, partial(take, host))
    for _ in range(6):
        await asyncio.sleep(0)
    assert "".join(served) == "abcabcabcabc"


async def test_a_callback_that_raises_does_not_hold_up_the_others(
    turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    served: list[str] = []

    def buggy() -> None:
        raise LookupError("a bug")

    for host in "ab":
        turns.wait(host, buggy)
        turns.wait(host, partial(served.append, host))
    assert not turns.free
    for _ in range(3):
        await asyncio.sleep(0)
    assert (served, turns.free) == (["a", "b"], True)
    assert len(caplog.records) == 2


async def test_a_host_with_nothing_waiting_is_forgotten(turns: Turns) -> None:
    served: list[int] = []
    for number in range(1000):
        turns.wait(f"host {number % 500}", partial(served.append, number))
    await asyncio.sleep(0)
    assert served == list(range(1000))
    assert (len(turns._waiting), turns.free, turns._scheduled) == (0, True, False)


async def test_all_connections_share_the_bytes_of_a_turn(endpoint: Endpoint) -> None:
    """Beyond the RFCs: all connections share a turn of the loop: busy ones delay nothing else."""
    taken: list[int] = []
    begun = False

    def ended() -> None:
        nonlocal begun
        begun = False

    def receive(data: bytes, flow: Flow) -> None:
        nonlocal begun
        if not begun:
            begun = True
            taken.append(0)
            endpoint.loop.call_soon(ended)
        taken[-1] += 1
        endpoint.receive(data, flow)

    endpoint.sockets.attach(receive)
    with ExitStack() as peers:
        for _ in range(20):  # all have sent before the loop reads any
            address = ("127.0.0.1", endpoint.ports[2])
            peers.enter_context(socket.create_connection(address)).sendall(LARGE)
        for _ in range(20):
            await endpoint.next()
    assert max(taken) <= 4  # waiting and new messages; each may exceed it by one


async def test_a_connection_waits_for_other_hosts_and_not_for_their_connections(
    endpoint: Endpoint,
) -> None:
    """Beyond the RFCs: hosts take turns, so that a host with many connections does not delay one
    with a single one.
    """
    ahead = 0
    taken = asyncio.Event()

    def receive(data: bytes, _: Flow) -> None:
        nonlocal ahead
        if data == ANSWER:
            taken.set()
        else:
            ahead += 1

    async with AsyncExitStack() as peers:
        other = await peers.enter_async_context(await endpoint.connect())
        for number in range(40):
            peer = await peers.enter_async_context(
                await endpoint.connect(f"127.0.1.{1 + number % 2}")
            )
            peer.send(LARGE * 20)
        endpoint.sockets.attach(receive)
        for _ in range(10):
            taken.clear()
            other.send(ANSWER)
            await asyncio.wait_for(taken.wait(), TIMEOUT)
        assert ahead < 200  # of 800


async def test_a_small_message_does_not_wait_for_all_of_a_large_stream(
    endpoint: Endpoint,
) -> None:
    async with AsyncExitStack() as peers:
        for _ in range(5):
            peer = await peers.enter_async_context(await endpoint.connect())
            peer.send(LARGE * 200)
        await endpoint.next()
        other = await peers.enter_async_context(await endpoint.connect())
        other.send(ANSWER)
        ahead = 0
        while (await endpoint.next())[0] != ANSWER:
            ahead += 1
    assert ahead < 500  # of 1,000
