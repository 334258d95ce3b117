"""A call's staging: one coroutine under one deadline, the only await in a call."""

from __future__ import annotations

import asyncio
from time import perf_counter  # uvloop's clock has steps of a millisecond
from typing import TYPE_CHECKING, Literal

import structlog

from sip_stager.events import StagingEnded, StagingPolled, StagingStarted
from sip_stager.staging.outcome import (
    Cancelled,
    Failure,
    Outcome,
    OverTime,
    OwnMistake,
    Refused,
    Staged,
    Stopping,
)
from sip_stager.staging.policy import decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event
    from sip_stager.ports import Call, Decision, Notify
    from sip_stager.staging.phases import Phases
    from sip_stager.staging.rounded import RoundedApi

log = structlog.get_logger()

_STOPPING = "stopping"
_CLAIMED = frozenset({"ringing", "in_progress", "connected"})
_OVER = frozenset({"failed", "busy", "no_answer", "canceled", "completed", "redirection_completed"})


class Staging:
    """Stages calls with the API (``ports.Stager``).

    ``mode`` "sync" is one request that the API holds until the call is staged; "async" polls,
    the first time after ``poll_first`` seconds, then at doubling intervals up to ``poll_most``.
    """

    def __init__(
        self,
        api: RoundedApi,
        notify: Notify,
        *,
        mode: Literal["sync", "async"] = "sync",
        poll_first: float = 0.1,
        poll_most: float = 1.0,
    ) -> None:
        self._api = api
        self._notify = notify
        self._mode = mode
        self._poll_first = poll_first
        self._poll_most = poll_most
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""
        return len(self._tasks)

    def start(self, call: Call, done: Callable[[Decision], None]) -> asyncio.Task[None]:
        """Call ``done`` later, once, within the call's deadline; never after ``cancel()``.

        Cancelling the task closes its HTTP request.
        """
        task = self._loop.create_task(self._run(call, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Refuse the calls that are being staged; their HTTP requests are closed."""
        await asyncio.sleep(0)  # a task that has not begun could not be told why it is cancelled
        for task in self._tasks:
            task.cancel(_STOPPING)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, call: Call, done: Callable[[Decision], None]) -> None:
        began = perf_counter()
        phases: Phases = {}
        outcome: Outcome = Cancelled()
        self._report(StagingStarted(call, self._mode))
        try:
            outcome = await self._within_deadline(call, phases)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (_STOPPING,):
                raise
            outcome = Stopping()
        except Exception:  # whatever it is, the caller must get an answer
            log.exception("staging_failed", sip_call_id=call.sip_call_id)
            outcome = OwnMistake()
        finally:
            self._report(_ended(call, outcome, perf_counter() - began, phases))
        try:
            done(decide(outcome))
        except Exception:
            log.exception("staging_result_failed", sip_call_id=call.sip_call_id)

    async def _within_deadline(self, call: Call, phases: Phases) -> Staged | Failure:
        try:
            async with asyncio.timeout(call.deadline):
                if self._mode == "sync":
                    return await self._api.stage(call, phases, sync=True)
                return await self._asynchronously(call, phases)
        except TimeoutError:
            return OverTime(f"the API did not stage the call within {call.deadline:g} s")

    async def _asynchronously(self, call: Call, phases: Phases) -> Staged | Failure:
        staged = await self._api.stage(call, phases, sync=False)
        if not isinstance(staged, Staged):
            return staged
        pause = self._poll_first
        while True:
            await self._wait(pause, phases)
            answer = await self._api.status(staged.call_id, phases)
            if isinstance(answer, str):
                self._report(StagingPolled(call, staged.call_id, answer))
            if (failure := _failure(answer)) or answer == "staged":
                return failure or staged
            pause = min(2 * pause, self._poll_most)
            if isinstance(answer, Refused) and answer.retry_after:
                pause = max(pause, answer.retry_after)

    async def _wait(self, pause: float, phases: Phases) -> None:
        began = perf_counter()
        try:
            await asyncio.sleep(pause)
        finally:
            phases["poll"] = phases.get("poll", 0.0) + perf_counter() - began

    def _report(self, event: Event) -> None:
        try:
            self._notify(event)
        except Exception:  # an observer's mistake costs no call
            log.exception("notify_failed", notified=type(event).__name__)


def _failure(answer: str | Failure) -> Refused | None:
    """Tell whether a poll's answer ends the waiting; what may pass is asked again."""
    match answer:
        case str() if answer in _CLAIMED:
            return Refused(200, f"somebody else has taken the staged call: it is {answer}")
        case str() if answer in _OVER:
            return Refused(200, f"the call ended before it was staged: it is {answer}")
        case Refused(http_status=status) if status < 500 and status != 429:
            return answer
    return None


def _ended(call: Call, outcome: Outcome, elapsed: float, phases: Phases) -> StagingEnded:
    call_id = outcome.call_id if isinstance(outcome, Staged) else ""
    return StagingEnded(
        call, outcome.word, elapsed, phases, call_id, outcome.http_status, outcome.text
    )
