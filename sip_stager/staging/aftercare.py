"""Requests about a call that no call waits for: labels, reconciliation, and ends of wasted calls.

Theory of operation.  Aftercare observes events, and each kind of request has a queue of its own:

    event                          work                             queue
    -----------------------------  -------------------------------  -------------------------------
    StagingEnded (staged)          remember its phases              none
    InviteForwarded (1st attempt)  PATCH: label the call's record   records
    CallEnded (answered)           75 s later: GET its status       reconciliations, then records
    StagingWasted                  POST: terminate it               terminations

                     due in 75 s              AftercareFailed
    CallEnded ---> reconciliations ---+         ^        ^
                                      v         |        |
    InviteForwarded ----------------> records --+--> HeaderLost (nobody claimed the staged call)
                                                |
    StagingWasted ------------------> terminations --> StagingTerminated

All of it stays out of the calls' way: the connections are its own, the queues are bounded and what
does not fit is skipped and counted, and nothing is sent while either rate limit is used up.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

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
from sip_stager.model.vocabulary import (
    AftercareKind,
    AftercareOutcome,
    CallOutcome,
    StagingOutcome,
    TerminationOutcome,
)
from sip_stager.platform.background_timeout import answer_within
from sip_stager.staging.background_queue import BackgroundQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from sip_stager.http_client import Phases
    from sip_stager.model.call import Call
    from sip_stager.platform.api import RoundedApi
    from sip_stager.platform.outcome import Failure, TimedOut
    from sip_stager.platform.rate_limit import RateLimit
    from sip_stager.ports import Handlers, Notify
    from sip_stager.staging.background_queue import Work

log = logging.getLogger(__name__)
T = TypeVar("T")

TERMINATIONS_SHARE = 4
"""One of so many connections is for terminations: they are urgent, as a staged call lives a minute,
and may not wait behind labels."""
MAX_QUEUED = 1_000
"""Queued requests, of records and of terminations each."""
MAX_RECONCILIATIONS = 10_000
"""Answered calls that wait for their reconciliation."""
MAX_REMEMBERED = 10_000
"""Staged calls whose phases are remembered until they are forwarded."""
RECONCILE_DELAY = 75.0
"""Seconds after the answer: by then a staged call that nobody claimed is ``no_answer``."""
ENDED_STATUSES = frozenset({400, 404, 409, 410, 422})
"""HTTP statuses of a termination that mean that the call has ended, or is not known any more."""
REQUEST_TIMEOUT = 10.0
"""Seconds for one request."""
STOP_TIMEOUT = 1.0
"""Seconds for terminations when the program stops."""


class Aftercare:
    """An observer of events that labels (PATCH), reconciles (GET) and terminates (POST) calls.

    It owns ``api``, which has so many ``connections``, and closes it in ``stop``.  ``calls_limit``
    is the rate limit as the calls' own client knows it.
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
        reserved = max(1, connections // TERMINATIONS_SHARE) if terminate else 0
        self._records = BackgroundQueue(max(1, connections - reserved), MAX_QUEUED)
        self._terminations = BackgroundQueue(reserved, MAX_QUEUED)
        # One worker that sleeps is enough: the delay is the same for all, so that each is due
        # after all before it.
        self._reconciliations = BackgroundQueue(1, MAX_RECONCILIATIONS)
        self._phases: dict[str, Phases] = {}

    @property
    def handlers(self) -> Handlers:
        """The events that aftercare acts on, each with its handler."""
        return dict.fromkeys((StagingEnded, InviteForwarded, CallEnded, StagingWasted), self)

    def __call__(self, event: Event) -> None:
        """Enqueue the work that an event asks for, if the settings want it."""
        match event:
            case StagingEnded(_, StagingOutcome.STAGED) if self._label:
                self._remember(event)
            case InviteForwarded(call, str(staged_id), attempt=1) if self._label and staged_id:
                work = partial(self._label_record, call, staged_id, self._metadata(event))
                self._enqueue(self._records, work, call, staged_id, AftercareKind.LABEL)
            case CallEnded(call, str(staged_id), CallOutcome.ANSWERED) if (
                self._reconcile and staged_id
            ):
                due = asyncio.get_running_loop().time() + RECONCILE_DELAY
                work = partial(self._reconcile_when_due, due, call, staged_id)
                self._enqueue(self._reconciliations, work, call, staged_id, AftercareKind.RECONCILE)
            case StagingWasted(call, staged_id):
                self._phases.pop(staged_id, None)
                if self._terminate:
                    work = partial(self._terminate_call, call, staged_id)
                    self._enqueue(
                        self._terminations, work, call, staged_id, AftercareKind.TERMINATE
                    )

    def replace_key(self, key: SecretStr) -> None:
        """Send another API key from now on."""
        self._api.replace_key(key)

    async def stop(self) -> None:
        """Drop the work that is left; only terminations get a moment."""
        dropped = await self._reconciliations.stop() + await self._records.stop()
        # The stop itself has wasted the reserved calls: without a termination each agent would
        # wait out its minute.
        dropped += await self._terminations.stop(STOP_TIMEOUT)
        if dropped:
            log.warning(
                "aftercare_dropped",
                extra={
                    "requests": dropped,
                    "text": "the program stopped before these requests were done",
                },
            )
        await self._api.aclose()

    def _enqueue(
        self, queue: BackgroundQueue, work: Work, call: Call, staged_id: str, kind: AftercareKind
    ) -> None:
        if not queue.enqueue(work):
            self._notify(AftercareFailed(call, staged_id, kind, AftercareOutcome.SKIPPED))

    def _remember(self, event: StagingEnded) -> None:
        while len(self._phases) >= MAX_REMEMBERED:
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

    async def _label_record(
        self, call: Call, staged_id: str, metadata: dict[str, str | float]
    ) -> None:
        failure = await self._send(lambda: self._api.label(staged_id, metadata))
        if failure is not None:
            self._report_failure(call, staged_id, AftercareKind.LABEL, failure)

    async def _reconcile_when_due(self, due: float, call: Call, staged_id: str) -> None:
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        work = partial(self._reconcile_call, call, staged_id)
        self._enqueue(self._records, work, call, staged_id, AftercareKind.RECONCILE)

    async def _reconcile_call(self, call: Call, staged_id: str) -> None:
        """Report a lost header if nobody claimed the staged call of an answered one."""
        status = await self._send(lambda: self._api.status(staged_id, {}))
        if not isinstance(status, str):
            self._report_failure(call, staged_id, AftercareKind.RECONCILE, status)
        elif status == "no_answer":
            self._notify(HeaderLost(call, staged_id))

    async def _terminate_call(self, call: Call, staged_id: str) -> None:
        failure = await self._send(lambda: self._api.terminate(staged_id))
        if failure is None:
            self._notify(StagingTerminated(staged_id, TerminationOutcome.ENDED))
        elif failure.http_status in ENDED_STATUSES:
            self._notify(StagingTerminated(staged_id, TerminationOutcome.OVER))
        else:
            self._notify(StagingTerminated(staged_id, failure.kind))
            self._report_failure(call, staged_id, AftercareKind.TERMINATE, failure)

    def _report_failure(
        self, call: Call, staged_id: str, kind: AftercareKind, failure: Failure
    ) -> None:
        event = AftercareFailed(
            call, staged_id, kind, failure.kind, failure.http_status, failure.text
        )
        self._notify(event)

    async def _send(self, request: Callable[[], Awaitable[T]]) -> T | TimedOut:
        """Send a request once neither rate limit forbids it, and return its answer."""
        # A loop that polls: a rate limit has no event to wait for, and calls, which go first, may
        # use it up again during the sleep.
        while delay := max(limit.delay(perf_counter()) for limit in self._limits):  # noqa: ASYNC110
            await asyncio.sleep(delay)
        return await answer_within(REQUEST_TIMEOUT, request())
