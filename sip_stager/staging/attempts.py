"""A call's way to the API: its attempts, their polls, and the pauses, all in one budget."""

from __future__ import annotations

import asyncio
from itertools import count
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from sip_stager.events import StagingPolled, StagingRetried
from sip_stager.staging.outcome import Failure, Refused, Staged
from sip_stager.staging.phases import Timed
from sip_stager.staging.retry import Retries, fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Call, Notify
    from sip_stager.staging.phases import Phases
    from sip_stager.staging.rounded import RoundedApi

Mode = Literal["sync", "async"]

_CLAIMED = frozenset({"ringing", "in_progress", "connected"})
_OVER = frozenset({"failed", "busy", "no_answer", "canceled", "completed", "redirection_completed"})


class Attempts:
    """Stages as often as ``retries`` allow, and never against the API's rate limit.

    ``mode``, ``poll_first`` and ``poll_most`` are as in ``Staging``.
    """

    def __init__(
        self,
        api: RoundedApi,
        report: Notify,
        mode: Mode,
        poll_first: float,
        poll_most: float,
        retries: Retries,
    ) -> None:
        self._api = api
        self._report = report
        self._mode = mode
        self._poll_first = poll_first
        self._poll_most = poll_most
        self._retries = retries
        self._loop = asyncio.get_running_loop()

    async def stage(
        self, call: Call, phases: Phases, deadline: float, again: Callable[[], bool]
    ) -> Staged | Failure:
        """Stage; ``deadline`` is a time of the loop, which the caller sees to.

        ``again`` tells whether another attempt may be made at all.
        """
        for attempt in count(1):
            if (refused := await self._rate_limited(phases, deadline)) is not None:
                return refused
            outcome = await self._attempt(call, phases)
            if isinstance(outcome, Staged):
                return outcome
            wait = self._retries.wait(outcome, attempt, deadline - self._loop.time())
            if wait is None or not again():
                return outcome
            self._report(StagingRetried(call, outcome.word, outcome.http_status, wait))
            await _pause(wait, phases, "retry_wait")
            if not again():
                return outcome
        raise AssertionError

    async def _rate_limited(self, phases: Phases, deadline: float) -> Refused | None:
        """Wait until the API takes requests again; give a refusal where that is too late."""
        while wait := self._api.rate_limit.wait(perf_counter()):
            if not fits(wait, deadline - self._loop.time()):
                text = f"the API's rate limit is used up for {wait:.1f} s more"
                return Refused(429, text, ceil(wait))
            await _pause(wait, phases, "rate_limit")
        return None

    async def _attempt(self, call: Call, phases: Phases) -> Staged | Failure:
        if self._mode == "sync":
            return await self._api.stage(call, phases, sync=True)
        staged = await self._api.stage(call, phases, sync=False)
        if isinstance(staged, Staged):
            return await self._polled(call, staged, phases)
        return staged

    async def _polled(self, call: Call, staged: Staged, phases: Phases) -> Staged | Failure:
        """Ask until the call is staged; a question that fails for the moment is asked again."""
        pause = self._poll_first
        while True:
            limited = self._api.rate_limit.wait(perf_counter())
            await _pause(max(pause, limited), phases, "poll")
            answer = await self._api.status(staged.call_id, phases)
            if isinstance(answer, str):
                self._report(StagingPolled(call, staged.call_id, answer))
            if (failure := _failure(answer)) or answer == "staged":
                return failure or staged
            pause = min(2 * pause, self._poll_most)
            if isinstance(answer, Refused) and answer.retry_after:
                pause = max(pause, answer.retry_after)


async def _pause(seconds: float, phases: Phases, phase: str) -> None:
    with Timed(phases, phase):
        await asyncio.sleep(seconds)


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
