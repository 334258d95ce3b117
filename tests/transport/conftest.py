from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

from tests.transport.listening import Listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test under both loops: uvloop's transports and errors are not asyncio's."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def edge() -> AsyncIterator[Listening]:
    """Listen on loopback: 0 is UDP, 1 is UDP over IPv6, 2 is TCP."""
    listening = Listening()
    await listening.start()
    yield listening
    await listening.edge.close()
