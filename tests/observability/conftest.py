from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on both loops: the transports of uvloop are no ``asyncio.Transport``."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
