"""Strangers' datagrams are handled after those of peers, within a budget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.events import MessageDropped
from sip_stager.model.flow import Flow
from sip_stager.transport import strangers
from sip_stager.transport.strangers import MAX_BATCH, MAX_WAITING
from tests.support.messages import request
from tests.transport.endpoints import TIMEOUT, Endpoint, OnlyPeers, UdpPeer
from tests.transport.test_udp import wait_in_the_socket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    Listen = Callable[..., Awaitable[Endpoint]]

TRUNK, STRANGER, OTHER_STRANGER = "127.0.1.1", "127.0.3.1", "127.0.3.2"
BURST = 3000
INVITE = bytes(request())


def send(source: str, data: bytes, endpoint: Endpoint, count: int = 1) -> None:
    with UdpPeer(source) as peer:
        for _ in range(count):
            peer.socket.sendto(data, ("127.0.0.1", endpoint.ports[0]))


async def test_a_peers_message_does_not_wait_for_the_burst_of_a_stranger_ahead_of_it(
    listen: Listen,
) -> None:
    """Beyond the RFCs: what a stranger sent before is handled after it, and no more than fits."""
    endpoint = await listen(OnlyPeers(TRUNK), datagrams_per_source=50)
    send(STRANGER, INVITE, endpoint, BURST)
    send(TRUNK, b"call", endpoint)
    wait_in_the_socket()
    assert (await endpoint.next())[0] == b"call"
    for _ in range(50):
        assert (await endpoint.next())[0] == INVITE
    await asyncio.sleep(0.05)
    assert endpoint.arrived.empty()


async def test_a_peers_message_does_not_wait_for_all_that_a_stranger_may_send(
    listen: Listen,
) -> None:
    """Of the datagrams within the budget a few are handled in each turn of the loop."""
    endpoint = await listen(OnlyPeers(TRUNK), datagrams_per_source=200)
    send(STRANGER, INVITE, endpoint, 200)
    wait_in_the_socket()
    order = [(await endpoint.next())[0]]
    send(TRUNK, b"call", endpoint)
    while order[-1] != b"call":
        order.append((await endpoint.next())[0])
    assert len(order) <= 10 * MAX_BATCH  # of 200


async def test_the_datagrams_of_strangers_have_a_budget_in_all_and_per_source(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "WINDOW", 0.2)
    endpoint = await listen(OnlyPeers(), datagrams_of_strangers=5, datagrams_per_source=3)
    for source in (STRANGER, OTHER_STRANGER):
        send(source, INVITE, endpoint, 10)
    await asyncio.sleep(0.1)
    hosts = [endpoint.arrived.get_nowait()[1].host for _ in range(endpoint.arrived.qsize())]
    assert hosts == [STRANGER] * 3 + [OTHER_STRANGER] * 2
    async with asyncio.timeout(TIMEOUT):
        while not endpoint.events:  # noqa: ASYNC110  nothing signals it
            await asyncio.sleep(0.01)
    (event,) = endpoint.events  # one for all of them
    assert isinstance(event, MessageDropped)
    assert (event.cause, event.count) == ("stranger", 15)
    send(STRANGER, INVITE, endpoint)  # the next window has a budget of its own
    assert (await endpoint.next())[1].host == STRANGER


async def test_a_host_that_a_request_was_sent_to_is_no_stranger(listen: Listen) -> None:
    """It is a party of a call, such as an agent behind the upstream."""
    endpoint = await listen(OnlyPeers(), datagrams_per_source=1)
    with UdpPeer(STRANGER) as party:
        target = Flow("UDP", STRANGER, party.port, 0)
        endpoint.send(b"SIP/2.0 403 Forbidden\r\n", target)  # a response makes no party
        await party.next()
        send(STRANGER, INVITE, endpoint, 3)
        await asyncio.sleep(0.05)
        assert endpoint.arrived.qsize() == 1
        endpoint.send(b"BYE sip:agent SIP/2.0\r\n", target)
        await party.next()
    send(STRANGER, b"SIP/2.0 200 OK", endpoint, 3)
    assert [(await endpoint.next())[0] for _ in range(4)] == [INVITE] + [b"SIP/2.0 200 OK"] * 3


async def test_the_parties_that_are_remembered_are_limited(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "MAX_PARTIES", 2)
    endpoint = await listen(OnlyPeers())
    for host in ("127.0.4.1", "127.0.4.2", "127.0.4.3"):
        endpoint.send(b"BYE sip:agent SIP/2.0\r\n", Flow("UDP", host, 9, 0))
    assert list(endpoint.sockets._strangers.parties) == ["127.0.4.2", "127.0.4.3"]


async def test_strangers_wait_in_a_bounded_queue(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While peers keep the loop busy none of theirs is handled."""
    endpoint = await listen(OnlyPeers(), datagrams_of_strangers=10_000, datagrams_per_source=10_000)
    queue = endpoint.sockets._udp[0]._strangers
    monkeypatch.setattr(queue, "_read_peers", lambda: False)
    for _ in range(10):
        send(STRANGER, INVITE, endpoint, MAX_WAITING // 5)
        await asyncio.sleep(0.01)
    assert len(queue._waiting) == MAX_WAITING
    assert endpoint.arrived.empty()


async def test_nothing_is_handled_after_close(listen: Listen) -> None:
    endpoint = await listen(OnlyPeers())
    send(STRANGER, INVITE, endpoint, 20)
    wait_in_the_socket()
    endpoint.sockets._udp[0]._read_batch()
    await endpoint.sockets.close()
    await asyncio.sleep(0.01)
    assert endpoint.arrived.empty()
