"""One call's attempts to be staged, with their polls and the pauses between, within one deadline.

Theory of operation.  Each call has one coroutine.  It sends nothing while the API's rate limit is
used up, and nothing more once a circuit breaker has opened since it gave the call its ticket:

    +---> wait for the rate limit -----> used up past the deadline, or breaker open ---> failure
    |                |
    |                v
    |           POST /stage -----------> sync mode: staged ----------------------------> staged
    |            |        |
    |            |        | async mode: the response has an id
    |            |        v
    |            |     poll again and again -----> staged -----------------------------> staged
    |            |        |
    |            v        v
    |          any final failure ------> not repeatable, no time left, or breaker open -> failure
    |                |
    |                v
    +--- pause, ask the breaker ------> breaker open ----------------------------------> failure

When the API's breaker opens, all waits that come before an attempt end at once
(``reject_waiting``), so that those calls go to their numbers' policies without delay; when an
agent's does, those of its calls (``reject_waiting_for``).  Polls go on: such a call is at the
API already, may well be staged, and a second staging would be a second call.

The polls of all calls share a budget, which ``poll_schedule.py`` spreads fairly.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from sip_stager.events import StagingPolled, StagingRetried, StagingWasted
from sip_stager.http_client import PhaseTimer, Priority, Waiters
from sip_stager.model.vocabulary import RetryCause, WasteReason
from sip_stager.platform.outcome import NOT_SENT, BreakerOpen, Failure, Refused, Staged
from sip_stager.staging.poll_queue import PollQueue
from sip_stager.staging.poll_schedule import next_due
from sip_stager.staging.retry import Retries, fits, spread

if TYPE_CHECKING:
    from sip_stager.http_client import Phases
    from sip_stager.model.call import Call
    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify
    from sip_stager.staging.breakers import Breakers, Ticket

Mode = Literal["sync", "async"]

_random = random.Random().random  # noqa: S311  # it spreads calls out; no secret hangs on it
_CLAIMED = frozenset({"ringing", "in_progress", "connected"})
_OVER = frozenset({"failed", "busy", "no_answer", "canceled", "completed", "redirection_completed"})


class Attempts:
    """Stages calls, as often as ``retries`` allow and the API's rate limit permits.

    ``breakers`` decide whether a call may make another attempt.  ``mode`` and the settings of
    polls are as in ``ApiStager``.
    """

    def __init__(
        self,
        api: RoundedApi,
        report: Notify,
        breakers: Breakers,
        mode: Mode,
        poll_interval_min: float,
        poll_interval_max: float,
        max_polls_per_second: int,
        retries: Retries,
    ) -> None:
        self._api = api
        self._reject_waiting = api.http.reject_waiting
        self._report = report
        self._breakers = breakers
        self._mode = mode
        self._poll_interval_min = poll_interval_min
        self._poll_interval_max = poll_interval_max
        self._retries = retries
        self._loop = asyncio.get_running_loop()
        self._pausing: dict[str, Waiters] = {}  # by agent
        self._polls = PollQueue(max_polls_per_second)

    @property
    def polls_delayed(self) -> int:
        """How many polls are due and wait for the budget of all polls."""
        return self._polls.delayed

    def reject_waiting(self) -> None:
        """End all waits that come before an attempt: the API is to be left alone."""
        for waiters in self._pausing.values():
            waiters.reject_all()
        self._reject_waiting()

    def reject_waiting_for(self, agent_id: str) -> None:
        """End the waits of an agent's calls that come before an attempt."""
        if (waiters := self._pausing.get(agent_id)) is not None:
            waiters.reject_all()
        self._reject_waiting(agent_id)

    async def stage(
        self, call: Call, phases: Phases, deadline: float, ticket: Ticket
    ) -> Staged | Failure:
        """Stage a call; the caller of this function enforces ``deadline``, a time of the loop."""
        retry: StagingRetried | None = None
        attempts = 0
        while True:
            if self._held(ticket.agent):
                refused = await self._wait_for_rate_limit(phases, deadline, ticket)
                if refused is not None:
                    return refused
            # Reported only here: the rate limit may still have ended the call instead.
            if retry is not None:
                self._report(retry)
            if self._mode == "sync":
                outcome = await self._post(call, phases)
            else:
                outcome = await self._post_and_poll(call, phases, deadline)
            if isinstance(outcome, Staged):
                return outcome
            if isinstance(outcome, BreakerOpen):
                return self._breakers.refusal(ticket, outcome.text)
            attempts += 1
            delay = self._next_delay(outcome, attempts, deadline, call.agent_id)
            # Asked before the pause, since the breaker may have opened during the attempt, and
            # after it, since it may have opened during the pause (which reject_waiting then ends).
            if delay is None or not self._breakers.is_current(ticket):
                return outcome
            await self._pause(ticket.agent, delay, phases, "retry_wait")
            if not self._breakers.is_current(ticket):
                return outcome
            retry = StagingRetried(call, outcome.kind, outcome.http_status, delay)

    def _held(self, agent_id: str) -> float:
        """Return the seconds for which requests for an agent are held, 0 if one may go now."""
        limit, now = self._api.rate_limit, perf_counter()
        delay = limit.delay(now, agent_id)
        return 0.0 if delay and limit.take_try(now, agent_id) else delay

    def _next_delay(
        self, failure: Failure, attempts: int, deadline: float, agent_id: str
    ) -> float | None:
        left = deadline - self._loop.time()
        reset = self._api.rate_limit.delay(perf_counter(), agent_id)
        return self._retries.next_delay(failure, attempts, left, _random(), reset)

    async def _wait_for_rate_limit(
        self, phases: Phases, deadline: float, ticket: Ticket
    ) -> Failure | None:
        """Wait until the API takes requests again; return a failure if that is too late."""
        # A loop: an answer to another call may have prolonged the limit during the wait.
        while delay := self._held(ticket.agent):
            left = deadline - self._loop.time()
            if not fits(delay, left):
                text = f"the API's rate limit is used up for another {delay:.1f} s"
                return Refused(NOT_SENT, text, ceil(delay))
            await self._pause(ticket.agent, spread(delay, left, _random()), phases, "rate_limit")
            if not self._breakers.is_current(ticket):
                text = "the API failed too often while its rate limit was waited for"
                return self._breakers.refusal(ticket, text)
        return None

    async def _pause(self, agent_id: str, seconds: float, phases: Phases, phase: str) -> None:
        """Wait so many seconds, or until the waits of that agent's calls are ended."""
        waiters = self._pausing.setdefault(agent_id, Waiters())
        try:
            with PhaseTimer(phases, phase), suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await waiters.wait()
        finally:
            if not waiters and self._pausing.get(agent_id) is waiters:
                del self._pausing[agent_id]

    async def _post_and_poll(self, call: Call, phases: Phases, deadline: float) -> Staged | Failure:
        staged = await self._post(call, phases)
        if not isinstance(staged, Staged):
            return staged
        outcome: Staged | Failure | None = None
        # "finally", as a cancellation (the caller hung up, the deadline passed) abandons it, too.
        try:
            outcome = await self._poll(call, staged, phases, deadline)
        finally:
            if _abandoned(outcome):
                self._report(StagingWasted(call, staged.staged_id, WasteReason.ABANDONED))
        return outcome

    async def _post(self, call: Call, phases: Phases) -> Staged | Failure:
        """Send the staging request, and report where the HTTP client had to send it twice."""
        # The client sends a request again by itself only when it crossed the server's close of a
        # kept connection, so that the server never saw it: both phases have then grown.
        closed, sent = phases.get("closed"), phases.get("request")
        try:
            return await self._api.stage(call, phases, sync=self._mode == "sync")
        finally:
            if phases.get("closed") != closed and phases.get("request") != sent:
                self._report(StagingRetried(call, RetryCause.CLOSED, 0, 0.0))

    async def _poll(
        self, call: Call, staged: Staged, phases: Phases, deadline: float
    ) -> Staged | Failure:
        """Ask for the call's status until it is staged, over, or cannot be asked for in time."""
        interval, asked_delay, first = self._poll_interval_min, 0.0, True
        while True:
            now = self._loop.time()
            limited = self._api.rate_limit.delay(perf_counter(), call.agent_id)
            if limited and limited > deadline - now:
                text = f"not staged yet, and no poll is allowed for another {limited:.1f} s"
                return Refused(NOT_SENT, text, ceil(limited))
            due = next_due(now, interval, self._poll_interval_min, deadline)
            with PhaseTimer(phases, "poll"):
                due = max(due, now + asked_delay, now + limited)
                await self._polls.wait(due, deadline, first=first)
            if self._api.rate_limit.delay(perf_counter(), call.agent_id):
                continue  # the response to another call has used it up during the wait
            first = False
            answer = await self._api.status(staged.staged_id, phases, Priority.HIGH, call)
            if isinstance(answer, str):
                self._report(StagingPolled(call, staged.staged_id, answer))
            if (failure := _final_failure(answer)) or answer == "staged":
                return failure or staged
            interval = min(2 * interval, self._poll_interval_max)
            asked_delay = 0.0
            if isinstance(answer, Refused) and answer.retry_after:
                asked_delay = answer.retry_after
                if asked_delay > deadline - self._loop.time():  # no poll would come in time
                    return answer


def _abandoned(outcome: Staged | Failure | None) -> bool:
    """Return True if the API goes on staging a call in vain; None stands for a cancelled one."""
    # A refusal with 200 is the call's own status, claimed or over: nothing is staged in vain then.
    over = isinstance(outcome, Refused) and outcome.http_status == 200
    return not (over or isinstance(outcome, Staged))


def _final_failure(answer: str | Failure) -> Refused | None:
    """Return the failure that ends the polling, None if the next poll may do better."""
    match answer:
        case str() if answer in _CLAIMED:
            return Refused(
                200, f"the staged call was claimed by another call: its status is {answer}"
            )
        case str() if answer in _OVER:
            return Refused(200, f"the call ended before it was staged: its status is {answer}")
        case Refused(http_status=status) if status < 500 and status != 429:
            return answer
    # An unknown status, a failed connection, a 429 or 5xx: a poll is safe to repeat.
    return None
