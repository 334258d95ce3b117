"""A call's way to the API: its attempts, their polls, and the pauses, all in one budget."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from itertools import count
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from sip_stager.events import StagingPolled, StagingRetried, StagingWasted
from sip_stager.http_client.phases import Timed
from sip_stager.http_client.slots import Rank
from sip_stager.http_client.waiters import Line
from sip_stager.model.vocabulary import CLOSED, WasteReason
from sip_stager.platform.outcome import NOT_SENT, BreakerOpen, Failure, Refused, Staged
from sip_stager.staging.retry import Retries, fits, spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.http_client.phases import Phases
    from sip_stager.model.call import Call
    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify

Mode = Literal["sync", "async"]

_chance = random.Random().random  # noqa: S311  # it spreads calls out; no secret hangs on it
_CLAIMED = frozenset({"ringing", "in_progress", "connected"})
_OVER = frozenset({"failed", "busy", "no_answer", "canceled", "completed", "redirection_completed"})


class Attempts:
    """Stages as often as ``retries`` allow, and never against the API's rate limit.

    ``mode``, ``poll_interval_min`` and ``poll_interval_max`` are as in ``ApiStager``.
    """

    def __init__(
        self,
        api: RoundedApi,
        report: Notify,
        mode: Mode,
        poll_interval_min: float,
        poll_interval_max: float,
        retries: Retries,
    ) -> None:
        self._api = api
        self._report = report
        self._mode = mode
        self._poll_interval_min = poll_interval_min
        self._poll_interval_max = poll_interval_max
        self._retries = retries
        self._loop = asyncio.get_running_loop()
        self._pausing = Line()

    def give_up(self) -> None:
        """End all waits that come before an attempt: the API is to be left alone."""
        self._pausing.send_away()
        self._api.send_away()

    async def stage(
        self, call: Call, phases: Phases, deadline: float, again: Callable[[], bool]
    ) -> Staged | Failure:
        """Stage; ``deadline`` is a time of the loop, which the caller sees to.

        ``again`` tells whether another attempt may be made at all.
        """
        retry: StagingRetried | None = None
        for attempt in count(1):
            if (refused := await self._rate_limited(phases, deadline, again)) is not None:
                return refused
            if retry is not None:
                self._report(retry)
            outcome = await self._attempt(call, phases, deadline)
            if isinstance(outcome, Staged):
                return outcome
            left = deadline - self._loop.time()
            reset = self._api.rate_limit.delay(perf_counter())
            wait = self._retries.next_delay(outcome, attempt, left, _chance(), reset)
            if wait is None or not again():
                return outcome
            await self._wait(wait, phases, "retry_wait")
            if not again():
                return outcome
            retry = StagingRetried(call, outcome.kind, outcome.http_status, wait)
        raise AssertionError

    async def _rate_limited(
        self, phases: Phases, deadline: float, again: Callable[[], bool]
    ) -> Failure | None:
        """Wait until the API takes requests again; give a refusal where that is too late."""
        while wait := self._api.rate_limit.delay(perf_counter()):
            left = deadline - self._loop.time()
            if not fits(wait, left):
                text = f"the API's rate limit is used up for {wait:.1f} s more"
                return Refused(NOT_SENT, text, ceil(wait))
            await self._wait(spread(wait, left, _chance()), phases, "rate_limit")
            if not again():
                return BreakerOpen("the API failed too often while its rate limit was waited for")
        return None

    async def _wait(self, seconds: float, phases: Phases, phase: str) -> None:
        """Wait so long, or until it is given up."""
        with Timed(phases, phase), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pausing.wait()

    async def _attempt(self, call: Call, phases: Phases, deadline: float) -> Staged | Failure:
        staged = await self._stage(call, phases)
        if self._mode == "sync" or not isinstance(staged, Staged):
            return staged
        outcome: Staged | Failure | None = None
        try:
            outcome = await self._polled(call, staged, phases, deadline)
        finally:
            if _given_up(outcome):
                self._report(StagingWasted(call, staged.staged_id, WasteReason.ABANDONED))
        return outcome

    async def _stage(self, call: Call, phases: Phases) -> Staged | Failure:
        """Stage, and tell where the request was sent twice: the first had crossed a close."""
        closed, sent = phases.get("closed"), phases.get("request")
        try:
            return await self._api.stage(call, phases, sync=self._mode == "sync")
        finally:
            if phases.get("closed") != closed and phases.get("request") != sent:
                self._report(StagingRetried(call, CLOSED, 0, 0.0))

    async def _polled(
        self, call: Call, staged: Staged, phases: Phases, deadline: float
    ) -> Staged | Failure:
        """Ask until the call is staged; a question that fails for the moment is asked again.

        A failure whose Retry-After comes after the deadline is the end.
        """
        pause, asked = self._poll_interval_min, 0.0
        while True:
            limited = self._api.rate_limit.delay(perf_counter())
            if limited and limited > deadline - self._loop.time():
                text = f"the API is not to be asked for {limited:.1f} s, and the call is not staged"
                return Refused(NOT_SENT, text, ceil(limited))
            with Timed(phases, "poll"):
                await asyncio.sleep(max(pause, asked, limited))
            answer = await self._api.status(staged.staged_id, phases, Rank.POLL)
            if isinstance(answer, str):
                self._report(StagingPolled(call, staged.staged_id, answer))
            if (failure := _failure(answer)) or answer == "staged":
                return failure or staged
            pause = min(2 * pause, self._poll_interval_max)
            asked = 0.0
            if isinstance(answer, Refused) and answer.retry_after:
                asked = answer.retry_after
                if asked > deadline - self._loop.time():
                    return answer


def _given_up(outcome: Staged | Failure | None) -> bool:
    """Tell whether the API goes on staging a call in vain; None is one that was cancelled."""
    over = isinstance(outcome, Refused) and outcome.http_status == 200  # the call's own word
    return not (over or isinstance(outcome, Staged))


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
