from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import uvloop

from sip_stager.config import Limits
from tests.transport.endpoints import Endpoint, HandLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sip_stager.transport.types import Peers


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on both loops: the transports and errors of uvloop differ from asyncio's."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> HandLoop:
    """Move the clock of connections by hand, so that a slow machine makes none idle or late."""
    clock = HandLoop()
    stands_in = SimpleNamespace(get_running_loop=lambda: clock)
    monkeypatch.setattr("sip_stager.transport.stream.asyncio", stands_in)
    return clock


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., Awaitable[Endpoint]]]:
    """Start an endpoint on loopback, with limits that the test chooses."""
    made: list[Endpoint] = []

    async def start(peers: Peers | None = None, **limits: float) -> Endpoint:
        made.append(Endpoint(Limits.model_validate(limits), peers))
        await made[-1].start()
        return made[-1]

    yield start
    for each in made:
        await each.sockets.close()


@pytest.fixture
async def endpoint(listen: Callable[..., Awaitable[Endpoint]]) -> Endpoint:
    """Listen on loopback: 0 is UDP, 1 is UDP over IPv6, 2 is TCP."""
    return await listen()
