"""A call's staging: one coroutine under one deadline, the only await in a call."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter  # uvloop's clock has steps of a millisecond
from typing import TYPE_CHECKING

import structlog

from sip_stager.events import BreakerMoved, StagingEnded, StagingStarted
from sip_stager.model.vocabulary import BreakerState
from sip_stager.platform.outcome import (
    ApiUnreachable,
    BreakerOpen,
    Cancelled,
    Failure,
    InternalError,
    InvalidResponse,
    Outcome,
    Refused,
    Staged,
    Stopped,
    TimedOut,
)
from sip_stager.staging.attempts import Attempts
from sip_stager.staging.breaker import Breaker, BreakerRules
from sip_stager.staging.decision import decide
from sip_stager.staging.retry import Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event
    from sip_stager.http_client.phases import Phases
    from sip_stager.model.call import Call, Decision
    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify
    from sip_stager.staging.attempts import Mode

log = structlog.get_logger()

_STOPPING = "the program stops"  # the cancellation message, to tell it from a hang-up
_OUR_SIDE = frozenset({"queue", "rate_limit", "retry_wait"})  # phases that do not touch the API
_RETRIES = Retries()
_BREAKER = BreakerRules()


class ApiStager:
    """Stages calls with the API (``ports.Stager``).

    ``mode`` "sync" is one request that the API holds until the call is staged; "async" polls,
    the first time after ``poll_interval_min`` seconds, then at doubling intervals up to
    ``poll_interval_max``.
    All of it, ``retries`` included, happens within the call's deadline.
    """

    def __init__(
        self,
        api: RoundedApi,
        notify: Notify,
        *,
        mode: Mode = "sync",
        poll_interval_min: float = 0.1,
        poll_interval_max: float = 1.0,
        retries: Retries = _RETRIES,
        breaker: BreakerRules = _BREAKER,
    ) -> None:
        self._notify = notify
        self._mode = mode
        self._attempts = Attempts(
            api, self._report, mode, poll_interval_min, poll_interval_max, retries
        )
        self._breaker = Breaker(breaker, self._moved)
        self._slow = breaker.slow_call
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""
        return len(self._tasks)

    @property
    def breaker_state(self) -> BreakerState:
        """Whether calls are let through to the API."""
        return self._breaker.state

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
        try:
            outcome = await self._within_deadline(call, phases)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (_STOPPING,):
                raise
            outcome = Stopped()
        except Exception:  # whatever it is, the caller must get an answer
            log.exception("staging_failed", call_id=call.call_id)
            outcome = InternalError()
        finally:
            self._report(_ended(call, outcome, perf_counter() - began, phases))
        try:
            done(decide(outcome))
        except Exception:
            log.exception("staging_result_failed", call_id=call.call_id)

    async def _within_deadline(self, call: Call, phases: Phases) -> Staged | Failure:
        now = perf_counter()
        ticket = self._breaker.admit(now)
        if ticket is None:
            pause = self._breaker.seconds_to_probe(now)
            until = f"for {pause:.1f} s more" if pause else "but for one call that tries it"
            return BreakerOpen(f"the API failed too often; it is left alone {until}")
        self._report(StagingStarted(call, self._mode))
        outcome: Staged | Failure | None = None
        deadline = self._loop.time() + call.deadline
        try:
            async with asyncio.timeout_at(deadline):
                again = partial(self._breaker.is_current, ticket)
                outcome = await self._attempts.stage(call, phases, deadline, again)
        except TimeoutError:
            outcome = TimedOut.of(call.deadline)
        finally:
            failed = self._failed(call, outcome, phases)
            self._breaker.record(ticket, perf_counter(), failed=failed)
        return outcome

    def _failed(self, call: Call, outcome: Staged | Failure | None, phases: Phases) -> bool | None:
        """Tell the breaker whether the API failed; None where nobody can know.

        An API that says no is well: a wrong key or an unknown agent is its operator's business, and
        too many requests are the rate limit's.  A call that had little time for it, by its caller's
        wish or its number's, after our queue, or to leave some for another agent, proves nothing.
        """
        had = sum(spent for phase, spent in phases.items() if phase not in _OUR_SIDE)
        match outcome:
            case Staged():
                return False
            case TimedOut(http_status=0) if had:
                return True if had >= self._slow and not call.another_follows else None
            case TimedOut() | ApiUnreachable() | InvalidResponse():
                return True if had else None
            case Refused(http_status=status):
                return status >= 500 if had else None
        return None

    def _moved(self, event: BreakerMoved) -> None:
        self._report(event)
        if event.state is BreakerState.OPEN:
            self._attempts.give_up()

    def _report(self, event: Event) -> None:
        try:
            self._notify(event)
        except Exception:  # an observer's mistake costs no call
            log.exception("notify_failed", notified=type(event).__name__)


def _ended(call: Call, outcome: Outcome, elapsed: float, phases: Phases) -> StagingEnded:
    staged_id = outcome.staged_id if isinstance(outcome, Staged) else ""
    return StagingEnded(
        call, outcome.kind, elapsed, phases, staged_id, outcome.http_status, outcome.text
    )
