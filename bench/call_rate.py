"""Calls placed by the built-in caller, at a rate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.demo.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from sip_stager.demo.caller import CallReport


async def place(
    port: int, rate: int, calls: int, call: Callable[[Caller, int], Coroutine[Any, Any, CallReport]]
) -> list[CallReport]:
    """Begin so many calls, ``rate`` of them a second, and see each to its end.

    ``call`` makes the one of an ordinal, from 0 on.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Caller(port) as caller, asyncio.TaskGroup() as group:
        placed = []
        for ordinal in range(calls):
            await asyncio.sleep(max(0.0, began + ordinal / rate - loop.time()))
            placed.append(group.create_task(call(caller, ordinal)))
    return [each.result() for each in placed]
