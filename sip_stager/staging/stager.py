"""The staging of one call with the API: a coroutine under one deadline, the only await in a call.

Whatever happens in it, the core gets one value: ``done`` is called once with a decision, unless
the call was cancelled.

Nothing on a call's path leaves a reference cycle, as the garbage collector is off while calls are
up.  Here that means: no exception stays bound to a name after its handler, for its traceback holds
the frame that would hold it; and a task is dropped, by the set here and by whoever may cancel it,
once it is over or cancelled, for its coroutine leads back to them by way of ``done``.

A held call is a task that waits, and most of what it takes is the frames of its coroutines.  So
they are few: what need not wait is a plain function, and all deadlines share a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from time import perf_counter  # uvloop's clock has steps of a millisecond
from typing import TYPE_CHECKING, cast

from sip_stager.events import AgentBreakerMoved, BreakerMoved, StagingEnded, StagingStarted
from sip_stager.model.vocabulary import BreakerState
from sip_stager.platform.outcome import (
    Cancelled,
    InternalError,
    Outcome,
    Staged,
    Stopped,
    TimedOut,
)
from sip_stager.staging.attempts import Attempts
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.breakers import Breakers, Ticket
from sip_stager.staging.deadlines import Deadlines, EndedBy
from sip_stager.staging.decision import decide
from sip_stager.staging.evidence import EvidenceRules
from sip_stager.staging.retry import Retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event
    from sip_stager.http_client import Phases
    from sip_stager.model.call import Call, Decision
    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify
    from sip_stager.staging.attempts import Mode

log = logging.getLogger(__name__)

_RETRIES = Retries()
_BREAKER = BreakerRules()


class ApiStager:
    """Stages every call with the API; ``claims.Claims`` decides which calls need it.

    ``mode`` "sync" is one request that the API answers once the call is staged; "async" polls,
    the first time after ``poll_interval_min`` seconds, then at doubling intervals up to
    ``poll_interval_max``, and shortly before the deadline.  All calls together poll at most
    ``max_polls_per_second`` times.  The call's deadline covers everything, ``retries`` included.
    ``agents`` returns how many agents calls may be for.
    """

    def __init__(
        self,
        api: RoundedApi,
        notify: Notify,
        *,
        mode: Mode = "sync",
        poll_interval_min: float = 0.1,
        poll_interval_max: float = 1.0,
        max_polls_per_second: int = 1000,
        retries: Retries = _RETRIES,
        breaker: BreakerRules = _BREAKER,
        agents: Callable[[], int] = lambda: 1,
    ) -> None:
        self._notify = notify
        self._mode = mode
        self._breakers = Breakers(
            breaker, self._breaker_changed, self._agent_breaker_changed, agents
        )
        self._attempts = Attempts(
            api,
            self._report,
            self._breakers,
            mode,
            poll_interval_min,
            poll_interval_max,
            max_polls_per_second,
            retries,
        )
        self._deadlines = Deadlines()
        self._evidence = EvidenceRules(mode, breaker.slow_call)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_trunk: Counter[str] = Counter()

    def adopt(self, breaker: BreakerRules) -> None:
        """Use another bound for slow calls from now on; all other rules need a restart."""
        self._evidence = EvidenceRules(self._mode, breaker.slow_call)

    @property
    def waiting(self) -> int:
        """How many calls are being staged."""
        return len(self._tasks)

    def waiting_of(self, trunk: str) -> int:
        """Return how many calls of a trunk are being staged."""
        return self._by_trunk[trunk]

    @property
    def polls_delayed(self) -> int:
        """How many polls are due and wait for the budget of all polls."""
        return self._attempts.polls_delayed

    @property
    def breaker_state(self) -> BreakerState:
        """The state of the circuit breaker in front of the API."""
        return self._breakers.state

    @property
    def agent_breakers(self) -> dict[str, int]:
        """How many agents' circuit breakers are open or half open."""
        return self._breakers.agent_states

    @property
    def rejects_calls(self) -> bool:
        """True while the API's circuit breaker lets no call through."""
        return self._breakers.rejects(perf_counter())

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> asyncio.Task[None]:
        """Stage a call, and call ``done`` later, once, within the call's deadline.

        Cancelling the task closes its HTTP request, and ``done`` is not called any more.
        """
        task = self._loop.create_task(self._run(call, done))
        self._tasks.add(task)
        self._by_trunk[call.trunk] += 1
        task.add_done_callback(partial(self._forget, call.trunk))
        return task

    def _forget(self, trunk: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._by_trunk[trunk] -= 1

    async def stop(self) -> None:
        """Refuse the calls that are being staged, and close their HTTP requests."""
        # A task that has not begun would be cancelled before it has a deadline.
        await asyncio.sleep(0)
        self._deadlines.end_all(EndedBy.STOP)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, call: Call, done: Callable[[Decision], None]) -> None:
        began = perf_counter()
        phases: Phases = {}
        ticket = self._breakers.admit(call.agent_id, began)
        due = self._loop.time() + call.deadline
        deadline = self._deadlines.start(due, cast("asyncio.Task[None]", asyncio.current_task()))
        outcome: Outcome = Cancelled()
        try:
            if not isinstance(ticket, Ticket):
                outcome = ticket
            else:
                self._report(StagingStarted(call, self._mode))
                outcome = await self._attempts.stage(call, phases, due, ticket)
        except asyncio.CancelledError:
            if not deadline.caller_is_there:
                raise
            timed_out = deadline.ended_by is EndedBy.TIMEOUT
            outcome = TimedOut.after(call.deadline) if timed_out else Stopped()
        except Exception:  # whatever it is, the caller must get an answer
            log.exception("staging_failed", extra={"call_id": call.call_id})
            outcome = InternalError()
        finally:
            self._deadlines.discard(deadline)
            if isinstance(ticket, Ticket):  # a cancelled call's, too: it may be the probe
                evidence = self._evidence.of(call, outcome, phases)
                self._breakers.record(ticket, perf_counter(), evidence)
            self._report(_ended(call, outcome, perf_counter() - began, phases))
        try:
            done(decide(outcome))
        except Exception:  # nobody awaits this task: the core's error would go unseen
            log.exception("staging_result_failed", extra={"call_id": call.call_id})

    def _breaker_changed(self, event: BreakerMoved) -> None:
        self._report(event)
        if event.state is BreakerState.OPEN:
            self._attempts.reject_waiting()

    def _agent_breaker_changed(self, event: AgentBreakerMoved) -> None:
        self._report(event)
        if event.state is BreakerState.OPEN:
            self._attempts.reject_waiting_for(event.agent_id)

    def _report(self, event: Event) -> None:
        try:
            self._notify(event)
        except Exception:  # an observer's error costs no call
            log.exception("notify_failed", extra={"notified": type(event).__name__})


def _ended(call: Call, outcome: Outcome, elapsed: float, phases: Phases) -> StagingEnded:
    staged_id = outcome.staged_id if isinstance(outcome, Staged) else ""
    return StagingEnded(
        call, outcome.kind, elapsed, phases, staged_id, outcome.http_status, outcome.text
    )
