"""Many busy connections share each turn of the loop, and hold nothing else up."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from sip_stager.transport.turns import IN_A_TURN, Turns
from tests.support.torture import ANSWER

if TYPE_CHECKING:
    from sip_stager.ports import Flow
    from tests.transport.listening import Listening

LARGE = b"A sip:a@b SIP/2.0\r\nl:%d\r\n\r\n" % 60_000 + b"x" * 60_000


@pytest.fixture
async def turns() -> Turns:
    return Turns(asyncio.get_running_loop())


async def test_what_was_spent_in_a_turn_is_there_again_in_the_next(turns: Turns) -> None:
    free = []
    for spent in (IN_A_TURN - 1, 1):
        turns.spend(spent)
        free.append(turns.free)
    await asyncio.sleep(0)
    assert [*free, turns.free] == [True, False, True]


async def test_who_waits_is_served_in_order_as_long_as_the_turn_lasts(turns: Turns) -> None:
    served: list[str] = []

    def take(name: str) -> None:
        served.append(name)
        turns.spend(IN_A_TURN // 2)
        turns.wait(partial(take, name))

    for name in "abc":
        turns.wait(partial(take, name))
    assert not turns.free  # who comes now is behind them
    for so_far in ("", "ab", "abca", "abcabc"):
        assert "".join(served) == so_far
        await asyncio.sleep(0)


async def test_connections_take_together_in_a_turn_what_one_may(edge: Listening) -> None:
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
            edge.loop.call_soon(ended)
        taken[-1] += 1
        edge.receive(data, flow)

    edge.edge.attach(receive)
    with ExitStack() as peers:
        for _ in range(20):  # all have sent before the loop looks at any
            address = ("127.0.0.1", edge.ports[2])
            peers.enter_context(socket.create_connection(address)).sendall(LARGE)
        for _ in range(20):
            await edge.next()
    assert max(taken) <= 4  # what waited, and what came meanwhile; each may go over by one


async def test_who_sends_little_does_not_wait_until_others_have_sent_much(edge: Listening) -> None:
    async with AsyncExitStack() as peers:
        for _ in range(5):
            peer = await peers.enter_async_context(await edge.connect())
            peer.send(LARGE * 200)
        await edge.next()
        other = await peers.enter_async_context(await edge.connect())
        other.send(ANSWER)
        ahead = 0
        while (await edge.next())[0] != ANSWER:
            ahead += 1
    assert ahead < 500  # of a thousand
