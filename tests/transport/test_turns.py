"""Many busy connections share each turn of the loop, and hold nothing else up."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sip_stager.transport.turns import MAX_TURN_BYTES, Turns
from tests.support.torture import ANSWER
from tests.transport.endpoints import PATIENCE

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from tests.transport.endpoints import Endpoint

LARGE = b"A sip:a@b SIP/2.0\r\nl:%d\r\n\r\n" % 60_000 + b"x" * 60_000


@pytest.fixture
async def turns() -> Turns:
    return Turns(asyncio.get_running_loop())


async def test_what_was_spent_in_a_turn_is_there_again_in_the_next(turns: Turns) -> None:
    free = []
    for spent in (MAX_TURN_BYTES - 1, 1):
        turns.spend(spent)
        free.append(turns.free)
    await asyncio.sleep(0)
    assert [*free, turns.free] == [True, False, True]


async def test_who_waits_is_served_in_order_as_long_as_the_turn_lasts(turns: Turns) -> None:
    served: list[str] = []

    def take(name: str) -> None:
        served.append(name)
        turns.spend(MAX_TURN_BYTES // 2)
        turns.wait("host", partial(take, name))

    for name in "abc":
        turns.wait("host", partial(take, name))
    assert not turns.free  # who comes now is behind them
    for so_far in ("", "ab", "abca", "abcabc"):
        assert "".join(served) == so_far
        await asyncio.sleep(0)


async def test_a_host_with_many_connections_is_served_as_often_as_one_with_a_single_one(
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


async def test_one_that_raises_holds_up_nobody_who_waits(
    turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    served: list[str] = []

    def mistaken() -> None:
        raise LookupError("a mistake of ours")

    for host in "ab":
        turns.wait(host, mistaken)
        turns.wait(host, partial(served.append, host))
    assert not turns.free
    for _ in range(3):
        await asyncio.sleep(0)
    assert (served, turns.free) == (["a", "b"], True)
    assert len(caplog.records) == 2


async def test_nothing_is_kept_of_hosts_that_have_taken_all(turns: Turns) -> None:
    served: list[int] = []
    for number in range(1000):
        turns.wait(f"host {number % 500}", partial(served.append, number))
    await asyncio.sleep(0)
    assert served == list(range(1000))
    assert (len(turns._waiting), turns.free, turns._scheduled) == (0, True, False)


async def test_connections_take_together_in_a_turn_what_one_may(endpoint: Endpoint) -> None:
    """Beyond the RFCs: all connections share a turn of the loop, so that many busy ones delay
    nothing else.
    """
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
        for _ in range(20):  # all have sent before the loop looks at any
            address = ("127.0.0.1", endpoint.ports[2])
            peers.enter_context(socket.create_connection(address)).sendall(LARGE)
        for _ in range(20):
            await endpoint.next()
    assert max(taken) <= 4  # what waited, and what came meanwhile; each may go over by one


async def test_a_peer_with_one_connection_waits_for_hosts_and_not_for_their_connections(
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
            await asyncio.wait_for(taken.wait(), PATIENCE)
        assert ahead < 200  # of eight hundred


async def test_who_sends_little_does_not_wait_until_others_have_sent_much(
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
    assert ahead < 500  # of a thousand
