"""The platform's numbers, fetched at start and again all the while, off every call's path."""

from __future__ import annotations

import asyncio
from time import time
from typing import TYPE_CHECKING

import structlog

from sip_stager.events import NumbersNotRefreshed, NumbersRefreshed
from sip_stager.platform.number_list import fetch_number_list
from sip_stager.platform.outcome import (
    Failure,
    InternalError,
    InvalidResponse,
    Refused,
    describe_failure,
)
from sip_stager.trunks.platform_numbers import PlatformTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify

log = structlog.get_logger()

_AFTER_FAILURE = 10.0  # seconds, where the API is unwell and asks for no longer ones
_LONGEST = 3600.0  # seconds that a Retry-After may ask for


class NumberWatch:
    """Keeps the list of the platform's numbers; ``take`` gets each that could be had.

    It is fetched once in ``every`` seconds, never where that is 0.  Whatever goes wrong, the last
    good list stays.  ``api`` is its own, and is closed by ``stop``.
    """

    def __init__(
        self,
        api: RoundedApi,
        notify: Notify,
        take: Callable[[PlatformTable], None],
        every: float,
    ) -> None:
        self.table: PlatformTable | None = None
        self.refreshed_at: float | None = None
        self._api = api
        self._notify = notify
        self._take = take
        self._every = every
        self._doubtful = False
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many numbers of the last good list are of which use."""
        return (self.table or PlatformTable()).counts

    async def start(self, patience: float) -> str:
        """Begin, and wait for the first list, ``patience`` seconds at most.

        Gives what went wrong with it, in words; empty where nothing did, or it takes longer.
        """
        if not self._every:
            return ""
        loop = asyncio.get_running_loop()
        first = loop.create_task(self._refresh())
        self._task = loop.create_task(self._run(first))
        await asyncio.wait([first], timeout=patience)
        failure = first.result() if first.done() else None
        return describe_failure(failure) if failure else ""

    async def stop(self) -> None:
        """End it, with the question that is under way."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._api.aclose()

    async def _run(self, first: asyncio.Task[Failure | InternalError | None]) -> None:
        failure = await first
        while True:
            await asyncio.sleep(self._pause(failure))
            failure = await self._refresh()

    async def _refresh(self) -> Failure | InternalError | None:
        """Fetch the list and take it; give what went wrong."""
        answer: PlatformTable | Failure | InternalError
        try:
            answer = self._trusted(await fetch_number_list(self._api, self.table))
            if isinstance(answer, PlatformTable):
                self._learn(answer)
                return None
        except Exception:  # a mistake of our own costs no more than this list
            log.exception("numbers_not_read")
            answer = InternalError("internal error; the log says more")
        self._notify(NumbersNotRefreshed(answer.kind, answer.http_status, answer.text))
        return answer

    def _trusted(self, answer: PlatformTable | Failure) -> PlatformTable | Failure:
        """Believe in a list that is all at once empty only when the next one is, too."""
        had = self.table is not None and bool(self.table.rows)
        emptied = had and isinstance(answer, PlatformTable) and not answer.rows
        self._doubtful = emptied and not self._doubtful
        return InvalidResponse("the list is empty all at once") if self._doubtful else answer

    def _learn(self, table: PlatformTable) -> None:
        differs = table.settle()
        news = differs or self.table is None or table.counts != self.table.counts
        self.table, self.refreshed_at = table, time()
        self._take(table)
        self._notify(NumbersRefreshed(table.counts, tuple(table.wrong), news))

    def _pause(self, failure: Failure | InternalError | None) -> float:
        """Give the seconds until the next question: soon where the API may be well again soon."""
        soon = min(self._every, _AFTER_FAILURE)
        if not isinstance(failure, Refused):
            return soon if failure else self._every
        pause = self._every if failure.http_status < 500 else soon
        return max(pause, min(failure.retry_after or 0, _LONGEST))
