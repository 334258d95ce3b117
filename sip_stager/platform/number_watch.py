"""The platform's numbers, fetched at start and then periodically, off every call's path."""

from __future__ import annotations

import asyncio
import logging
from time import time
from typing import TYPE_CHECKING

from sip_stager.events import NumbersNotRefreshed, NumbersRefreshed
from sip_stager.platform.number_list import fetch_number_list
from sip_stager.platform.outcome import (
    Failure,
    InternalError,
    InvalidResponse,
    Refused,
    describe_failure,
)
from sip_stager.trunks.platform_numbers import PlatformNumbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from sip_stager.platform.api import RoundedApi
    from sip_stager.ports import Notify

log = logging.getLogger(__name__)

_RETRY_DELAY = 10.0  # seconds after a failure, unless the API asks for more
_MAX_RETRY_AFTER = 3600.0  # seconds; a longer Retry-After is cut to it


class NumberWatch:
    """The last good list of the platform's numbers; ``apply`` is called with each new one.

    It is fetched every ``interval`` seconds, never if that is 0.  It owns ``api``, and closes it in
    ``stop``.
    """

    def __init__(
        self,
        api: RoundedApi,
        notify: Notify,
        apply: Callable[[PlatformNumbers], None],
        interval: float,
    ) -> None:
        self.table: PlatformNumbers | None = None
        self.refreshed_at: float | None = None
        self._api = api
        self._notify = notify
        self._apply = apply
        self._interval = interval
        self._doubtful = False
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many numbers of the last good list are of each use."""
        return (self.table or PlatformNumbers()).counts

    def replace_key(self, key: SecretStr) -> None:
        """Send another API key from now on."""
        self._api.replace_key(key)

    async def start(self, wait: float) -> str:
        """Start fetching, and wait for the first list for at most ``wait`` seconds.

        Return what went wrong with it; empty if nothing did, or if it takes longer.
        """
        if not self._interval:
            return ""
        loop = asyncio.get_running_loop()
        first = loop.create_task(self._refresh())
        self._task = loop.create_task(self._run(first))
        await asyncio.wait([first], timeout=wait)
        failure = first.result() if first.done() else None
        return describe_failure(failure) if failure else ""

    async def stop(self) -> None:
        """Stop, and drop the request that is under way."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._api.aclose()

    async def _run(self, first: asyncio.Task[Failure | InternalError | None]) -> None:
        failure = await first
        while True:
            await asyncio.sleep(self._delay(failure))
            failure = await self._refresh()

    async def _refresh(self) -> Failure | InternalError | None:
        """Fetch the list and apply it; return what went wrong."""
        answer: PlatformNumbers | Failure | InternalError
        try:
            answer = self._confirmed(await fetch_number_list(self._api, self.table))
            if isinstance(answer, PlatformNumbers):
                self._learn(answer)
                return None
        except Exception:  # our own error costs this list alone, not the watch
            log.exception("numbers_not_read")
            answer = InternalError("internal error; the log has the traceback")
        self._notify(NumbersNotRefreshed(answer.kind, answer.http_status, answer.text))
        return answer

    def _confirmed(self, answer: PlatformNumbers | Failure) -> PlatformNumbers | Failure:
        """Doubt an empty list after one that was not, until a second one confirms it."""
        # More likely an API that has lost its data for a moment than an operator who deleted
        # every number; to believe it at once would refuse all calls.
        had_numbers = self.table is not None and bool(self.table.rows)
        emptied = had_numbers and isinstance(answer, PlatformNumbers) and not answer.rows
        self._doubtful = emptied and not self._doubtful
        return InvalidResponse("the list is suddenly empty") if self._doubtful else answer

    def _learn(self, table: PlatformNumbers) -> None:
        differs = table.finish()
        news = differs or self.table is None or table.counts != self.table.counts
        self.table, self.refreshed_at = table, time()
        self._apply(table)
        self._notify(NumbersRefreshed(table.counts, tuple(table.problems), news))

    def _delay(self, failure: Failure | InternalError | None) -> float:
        """Return the seconds until the next request."""
        soon = min(self._interval, _RETRY_DELAY)
        if not isinstance(failure, Refused):
            return soon if failure else self._interval
        # A 4xx will not pass by itself: a wrong key is asked with no sooner than usual.
        delay = self._interval if failure.http_status < 500 else soon
        return max(delay, min(failure.retry_after or 0, _MAX_RETRY_AFTER))
