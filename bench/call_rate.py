"""Calls at a constant rate, placed by the built-in caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.demo.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sip_stager.demo.caller import CallReport


async def place_calls(
    port: int, rate: int, calls: int, call: Callable[[Caller, int], Coroutine[Any, Any, CallReport]]
) -> list[CallReport]:
    """Start ``calls`` calls, ``rate`` per second, and return their reports once all have ended.

    ``call`` places the call with the given ordinal, counted from 0.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with Caller(port) as caller, asyncio.TaskGroup() as group:
        placed = []
        for ordinal in range(calls):
            # Against the clock, so that a late start of one call does not delay all others.
            await asyncio.sleep(max(0.0, started + ordinal / rate - loop.time()))
            placed.append(group.create_task(call(caller, ordinal)))
    return [each.result() for each in placed]
