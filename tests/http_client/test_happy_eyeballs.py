from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from sip_stager.http_client.happy_eyeballs import _interleave, race
from tests.support.black_hole import black_hole, port_of
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.http_client.happy_eyeballs import AddressInfo


def info(port: int, family: int = socket.AF_INET) -> AddressInfo:
    return (family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))


@pytest.fixture
def hole() -> Iterator[int]:
    with black_hole() as listener:
        yield port_of(listener)


async def test_an_address_without_a_reply_costs_a_moment(hole: int) -> None:
    async with Scripted() as server:
        won = await race([info(hole), info(server.port)])
        assert isinstance(won, socket.socket)
        assert won.getpeername()[1] == server.port
        won.close()


async def test_an_address_that_refuses_costs_nothing(hole: int) -> None:
    async with Scripted() as server:
        won = await race([info(1), info(server.port), info(hole)])
        assert isinstance(won, socket.socket)
        assert won.getpeername()[1] == server.port
        won.close()


async def test_the_last_error_is_returned_if_all_addresses_fail() -> None:
    assert isinstance(await race([info(1), info(2)]), ConnectionRefusedError)
    assert isinstance(await race([info(1, -1)]), OSError)


async def test_a_cancelled_race_leaves_no_connection_open(hole: int) -> None:
    trying = asyncio.create_task(race([info(hole), info(hole)]))
    await asyncio.sleep(0.3)
    trying.cancel()
    await asyncio.wait([trying])
    assert trying.cancelled()
    await asyncio.sleep(0.01)  # an open socket would be a warning, and warnings are errors
    assert len(asyncio.all_tasks()) == 1


async def test_of_two_that_connect_one_is_closed() -> None:
    async with Scripted() as server:
        for _ in range(20):
            won = await race([info(server.port)] * 2)
            assert isinstance(won, socket.socket)
            won.close()
        await server.connections_have_ended(server.connections)


def test_families_alternate_and_the_resolvers_first_choice_is_first() -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    found = [info(1, six), info(2, six), info(3, six), info(4, four), info(5, four)]
    assert [one[4][1] for one in _interleave(found)] == [1, 4, 2, 5, 3]
    assert _interleave([info(1)]) == [info(1)]
