"""What is done about a call once it goes on: its record is labelled, and it is looked at again."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import structlog

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
from sip_stager.model.vocabulary import SKIPPED, AftercareKind, CallOutcome, StagingOutcome
from sip_stager.platform.outcome import TimedOut
from sip_stager.staging.background import BackgroundQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sip_stager.http_client.phases import Phases
    from sip_stager.model.call import Call
    from sip_stager.platform.api import RoundedApi
    from sip_stager.platform.outcome import Failure
    from sip_stager.platform.rate_limit import RateLimit
    from sip_stager.ports import Handlers, Notify
    from sip_stager.staging.background import Work

log = structlog.get_logger()
T = TypeVar("T")

ENDS_SHARE = 4
"""One of so many connections is for ends of wasted calls: a staged call lives only a minute."""
MOST_WAITING = 1_000
"""Requests of each of the two that wait; what comes past them is left out, and counted."""
MOST_LOOKED_AT = 10_000
"""Answered calls that wait to be looked at again."""
MOST_REMEMBERED = 10_000
"""Staged calls that were not forwarded yet, whose phases are remembered."""
LOOK_AFTER = 75.0
"""Seconds after the answer: by then a staged call that nobody claimed is ``no_answer``."""
OVER = frozenset({400, 404, 409, 410, 422})
"""What the API may say to the end of a call that is over there, or that it knows no more."""
PATIENCE = 10.0
"""Seconds for one request."""
STOP_PATIENCE = 1.0
"""Seconds for the ends of wasted calls when the program stops."""


class Aftercare:
    """An observer of events: labels (PATCH), reconciles (GET) and ends what was wasted (POST).

    ``api`` is its own, with so many ``connections``, and is closed by ``stop``.  ``calls_limit`` is
    what the API said to the calls of its rate limit; nothing is asked while they wait for it.
    """

    def __init__(
        self,
        api: RoundedApi,
        calls_limit: RateLimit,
        notify: Notify,
        *,
        connections: int,
        label: bool,
        reconcile: bool,
        terminate: bool,
    ) -> None:
        self._api = api
        self._limits = calls_limit, api.rate_limit
        self._notify = notify
        self._label, self._reconcile, self._terminate = label, reconcile, terminate
        ends = max(1, connections // ENDS_SHARE) if terminate else 0
        self._records = BackgroundQueue(max(1, connections - ends), MOST_WAITING)
        self._ends = BackgroundQueue(ends, MOST_WAITING)
        self._looks = BackgroundQueue(1, MOST_LOOKED_AT)  # each is due after all before it
        self._phases: dict[str, Phases] = {}

    @property
    def handlers(self) -> Handlers:
        """Itself, for what it acts on."""
        return dict.fromkeys((StagingEnded, InviteForwarded, CallEnded, StagingWasted), self)

    def __call__(self, event: Event) -> None:
        """Begin what an event asks for, where the settings want it."""
        match event:
            case StagingEnded(_, StagingOutcome.STAGED) if self._label:
                self._remember(event)
            case InviteForwarded(call, str(staged_id), attempt=1) if self._label and staged_id:
                work = partial(self._labelled, call, staged_id, self._metadata(event))
                self._begin(self._records, work, call, staged_id, AftercareKind.LABEL)
            case CallEnded(call, str(staged_id), CallOutcome.ANSWERED) if (
                self._reconcile and staged_id
            ):
                due = asyncio.get_running_loop().time() + LOOK_AFTER
                work = partial(self._due, due, call, staged_id)
                self._begin(self._looks, work, call, staged_id, AftercareKind.RECONCILE)
            case StagingWasted(call, staged_id):
                self._phases.pop(staged_id, None)
                if self._terminate:
                    work = partial(self._ended, call, staged_id)
                    self._begin(self._ends, work, call, staged_id, AftercareKind.TERMINATE)

    async def stop(self) -> None:
        """Leave what is under way; only the ends of wasted calls get a moment."""
        left = await self._looks.stop() + await self._records.stop()
        left += await self._ends.stop(STOP_PATIENCE)
        if left:
            log.warning(
                "aftercare_left", requests=left, text="the program stopped before they were done"
            )
        await self._api.aclose()

    def _begin(
        self, where: BackgroundQueue, work: Work, call: Call, staged_id: str, kind: AftercareKind
    ) -> None:
        if not where.begin(work):
            self._notify(AftercareFailed(call, staged_id, kind, SKIPPED))

    def _remember(self, event: StagingEnded) -> None:
        while len(self._phases) >= MOST_REMEMBERED:
            del self._phases[next(iter(self._phases))]
        self._phases[event.staged_id] = event.phases

    def _metadata(self, event: InviteForwarded) -> dict[str, str | float]:
        phases = self._phases.pop(event.staged_id, {})
        return {
            "sip_call_id": event.call.call_id,
            "trunk": event.call.trunk,
            "staging_seconds": round(event.elapsed, 3),
            **{f"staging_{phase}_seconds": round(phases[phase], 3) for phase in phases},
        }

    async def _labelled(self, call: Call, staged_id: str, metadata: dict[str, str | float]) -> None:
        failure = await self._asked(lambda: self._api.label(staged_id, metadata))
        if failure is not None:
            self._failed(call, staged_id, AftercareKind.LABEL, failure)

    async def _due(self, due: float, call: Call, staged_id: str) -> None:
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        work = partial(self._looked, call, staged_id)
        self._begin(self._records, work, call, staged_id, AftercareKind.RECONCILE)

    async def _looked(self, call: Call, staged_id: str) -> None:
        """Ask what became of an answered call: where nobody claimed it, its header was lost."""
        status = await self._asked(lambda: self._api.status(staged_id, {}))
        if not isinstance(status, str):
            self._failed(call, staged_id, AftercareKind.RECONCILE, status)
        elif status == "no_answer":
            self._notify(HeaderLost(call, staged_id))

    async def _ended(self, call: Call, staged_id: str) -> None:
        failure = await self._asked(lambda: self._api.terminate(staged_id))
        if failure is None:
            self._notify(StagingTerminated(staged_id, "ended"))
        elif failure.http_status in OVER:
            self._notify(StagingTerminated(staged_id, "over"))
        else:
            self._notify(StagingTerminated(staged_id, failure.kind))
            self._failed(call, staged_id, AftercareKind.TERMINATE, failure)

    def _failed(self, call: Call, staged_id: str, kind: AftercareKind, failure: Failure) -> None:
        event = AftercareFailed(
            call, staged_id, kind, failure.kind, failure.http_status, failure.text
        )
        self._notify(event)

    async def _asked(self, request: Callable[[], Awaitable[T]]) -> T | TimedOut:
        """Send a request once the rate limit has room, and wait for its answer in bounds."""
        while wait := self._wait():  # noqa: ASYNC110  # a rate limit can wake nobody
            await asyncio.sleep(wait)
        try:
            async with asyncio.timeout(PATIENCE):
                return await request()
        except TimeoutError:
            return TimedOut(f"no answer within {PATIENCE:g} s")

    def _wait(self) -> float:
        return max(limit.delay(perf_counter()) for limit in self._limits)
