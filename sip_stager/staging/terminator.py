"""Ends staged calls that nobody claimed, off every call's path, as well as it goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.events import StagingTerminated, StagingWasted

if TYPE_CHECKING:
    from sip_stager.events import Event
    from sip_stager.ports import Notify
    from sip_stager.staging.rounded import RoundedApi

MOST = 32
"""Requests under way; what is wasted while so many are is left to end by itself within a minute."""
PATIENCE = 10.0
"""Seconds for one request; nobody waits for it."""


class Terminator:
    """An observer of events."""

    def __init__(self, api: RoundedApi, notify: Notify) -> None:
        self._api = api
        self._notify = notify
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, event: Event) -> None:
        """Begin to end a staged call that was wasted."""
        if isinstance(event, StagingWasted) and len(self._tasks) < MOST:
            task = asyncio.get_running_loop().create_task(self._end(event.call_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end(self, call_id: str) -> None:
        outcome = "over_time"
        try:
            async with asyncio.timeout(PATIENCE):
                outcome = await self._api.terminate(call_id)
        except TimeoutError:
            pass
        self._notify(StagingTerminated(call_id, outcome))
