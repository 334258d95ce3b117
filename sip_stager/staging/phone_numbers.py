"""The platform's numbers, fetched at start and again all the while, off every call's path."""

from __future__ import annotations

import asyncio
from time import time
from typing import TYPE_CHECKING

import structlog

from sip_stager.events import NumbersNotRefreshed, NumbersRefreshed
from sip_stager.staging.outcome import (
    Failure,
    Nonsense,
    OverTime,
    OwnMistake,
    Refused,
    in_words,
)
from sip_stager.trunks.platform import PlatformTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Notify
    from sip_stager.staging.rounded import RoundedApi

log = structlog.get_logger()

PAGE = 1_000
"""Numbers of a page; the API gives no more of them at a time."""
BODY_MOST = PAGE << 10
"""Bytes of a page, a kilobyte for each number: to read so many takes the loop a few ms."""
MOST = 250_000
"""Numbers of a list; a longer one is not taken."""
MOST_PAGES = 1_000
"""Pages of a list, so that a cursor which never ends does."""
PATIENCE = 10.0
"""Seconds for a page."""

_SLICE = 200  # numbers that are read in one go: about half a ms of the loop
_AFTER_FAILURE = 10.0  # seconds, where the API is unwell and asks for no longer ones
_LONGEST = 3600.0  # seconds that a Retry-After may ask for


async def fetched(api: RoundedApi, before: PlatformTable | None = None) -> PlatformTable | Failure:
    """Fetch the whole list; of a list that breaks off nothing is taken."""
    table, cursor = PlatformTable(before), ""
    for _ in range(MOST_PAGES):
        page = await _page(api, cursor)
        if not isinstance(page, tuple):
            return page
        items, following = page
        if len(items) > PAGE:
            return Nonsense(f"a page has more than the {PAGE} numbers that were asked for")
        for begin in range(0, len(items), _SLICE):
            table.add(items[begin : begin + _SLICE])
            await asyncio.sleep(0)
        if sum(table.counts.values()) > MOST:
            return Nonsense(f"there are more than {MOST} numbers")
        if not items or not following:
            return _sane(table)
        if following == cursor:
            return Nonsense("the cursor of the next page leads back to the same page")
        cursor = following
    return Nonsense(f"there are more than {MOST_PAGES} pages")


def _sane(table: PlatformTable) -> PlatformTable | Nonsense:
    """Refuse a list of nothing but nonsense: something else than numbers was said."""
    if table.unusable and table.unusable == sum(table.counts.values()):
        return Nonsense(f"none of its {table.unusable} numbers makes sense: {table.wrong[0]}")
    return table


async def _page(api: RoundedApi, cursor: str) -> tuple[list[object], str] | Failure:
    try:
        async with asyncio.timeout(PATIENCE):
            return await api.numbers(PAGE, cursor)
    except TimeoutError:
        return OverTime(f"no answer within {PATIENCE:g} s")


class PhoneNumbers:
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
        return in_words(failure) if failure else ""

    async def stop(self) -> None:
        """End it, with the question that is under way."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._api.aclose()

    async def _run(self, first: asyncio.Task[Failure | OwnMistake | None]) -> None:
        failure = await first
        while True:
            await asyncio.sleep(self._pause(failure))
            failure = await self._refresh()

    async def _refresh(self) -> Failure | OwnMistake | None:
        """Fetch the list and take it; give what went wrong."""
        answer: PlatformTable | Failure | OwnMistake
        try:
            answer = self._trusted(await fetched(self._api, self.table))
            if isinstance(answer, PlatformTable):
                self._learn(answer)
                return None
        except Exception:  # a mistake of our own costs no more than this list
            log.exception("numbers_not_read")
            answer = OwnMistake("internal error; the log says more")
        self._notify(NumbersNotRefreshed(answer.word, answer.http_status, answer.text))
        return answer

    def _trusted(self, answer: PlatformTable | Failure) -> PlatformTable | Failure:
        """Believe in a list that is all at once empty only when the next one is, too."""
        had = self.table is not None and bool(self.table.rows)
        emptied = had and isinstance(answer, PlatformTable) and not answer.rows
        self._doubtful = emptied and not self._doubtful
        return Nonsense("the list is empty all at once") if self._doubtful else answer

    def _learn(self, table: PlatformTable) -> None:
        differs = table.settle()
        news = differs or self.table is None or table.counts != self.table.counts
        self.table, self.refreshed_at = table, time()
        self._take(table)
        self._notify(NumbersRefreshed(table.counts, tuple(table.wrong), news))

    def _pause(self, failure: Failure | OwnMistake | None) -> float:
        """Give the seconds until the next question: soon where the API may be well again soon."""
        soon = min(self._every, _AFTER_FAILURE)
        if not isinstance(failure, Refused):
            return soon if failure else self._every
        pause = self._every if failure.http_status < 500 else soon
        return max(pause, min(failure.retry_after or 0, _LONGEST))
