"""What is done about a call once it goes on: its record is labelled, and it is looked at again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.events import (
    AftercareFailed,
    CallEnded,
    Event,
    HeaderLost,
    InviteForwarded,
    StagingEnded,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.staging.off_path import PATIENCE, OffPath

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sip_stager.ports import Call, Notify
    from sip_stager.staging.outcome import Failure
    from sip_stager.staging.phases import Phases
    from sip_stager.staging.rounded import RoundedApi

MOST_REQUESTS = 32
"""Requests under way; what comes past them is left out, for no call depends on it."""
MOST_LOOKED_AT = 10_000
"""Answered calls that wait to be looked at again."""
MOST_STAGED = 10_000
"""Stagings whose phases are kept until their calls go on."""
LOOK_AFTER = 75.0
"""Seconds after the answer: by then a staged call that nobody claimed is ``no_answer``."""


class Aftercare:
    """An observer of events: labels (PATCH), reconciles (GET) and ends what was wasted (POST)."""

    def __init__(
        self, api: RoundedApi, notify: Notify, *, label: bool, reconcile: bool, terminate: bool
    ) -> None:
        self._api = api
        self._notify = notify
        self._label, self._reconcile, self._terminate = label, reconcile, terminate
        self._phases: dict[str, Phases] = {}  # by the API's call_id
        self._requests = OffPath(MOST_REQUESTS)
        self._looked_at = OffPath(MOST_LOOKED_AT)

    def __call__(self, event: Event) -> None:
        """Begin what an event asks for, where the settings want it."""
        match event:
            case StagingEnded(outcome="staged") if self._label:
                self._remember(event)
            case InviteForwarded(call, str(call_id), attempt=1) if self._label and call_id:
                self._requests.begin(self._labelled(call, call_id, event.elapsed))
            case CallEnded(call, str(call_id), "answered") if self._reconcile and call_id:
                self._looked_at.begin(self._looked(call, call_id))
            case StagingWasted(_, call_id) if self._terminate:
                self._requests.begin(self._ended(call_id))

    async def stop(self) -> None:
        """Leave what is under way."""
        await self._requests.stop()
        await self._looked_at.stop()

    def _remember(self, event: StagingEnded) -> None:
        while len(self._phases) >= MOST_STAGED:
            del self._phases[next(iter(self._phases))]
        self._phases[event.call_id] = event.phases

    async def _labelled(self, call: Call, call_id: str, elapsed: float) -> None:
        metadata: dict[str, str | float] = {
            "sip_call_id": call.sip_call_id,
            "trunk": call.trunk,
            "staging_seconds": round(elapsed, 3),
        }
        for phase, seconds in self._phases.pop(call_id, {}).items():
            metadata[f"staging_{phase}_seconds"] = round(seconds, 3)
        failure = await _in_time(self._api.label(call_id, metadata))
        if failure:
            self._notify(AftercareFailed("label", failure))

    async def _looked(self, call: Call, call_id: str) -> None:
        """Ask what became of an answered call: where nobody claimed it, its header was lost."""
        await asyncio.sleep(LOOK_AFTER)
        status = ""

        async def ask() -> str:
            nonlocal status
            answer: str | Failure = await self._api.status(call_id, {})
            status = answer if isinstance(answer, str) else ""
            return "" if status else getattr(answer, "word", "")

        failure = await _in_time(ask())
        if status == "no_answer":
            self._notify(HeaderLost(call, call_id))
        elif failure:
            self._notify(AftercareFailed("reconcile", failure))

    async def _ended(self, call_id: str) -> None:
        failure = await _in_time(self._api.terminate(call_id))
        self._notify(StagingTerminated(call_id, failure or "ended"))


async def _in_time(request: Awaitable[str]) -> str:
    """Give the word of what went wrong, empty where nothing did."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await request
    except TimeoutError:
        return "over_time"
