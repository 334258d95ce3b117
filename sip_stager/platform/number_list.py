"""The platform's list of numbers, read page by page and taken only where it is whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.platform.outcome import Failure, InvalidResponse
from sip_stager.platform.timeout import answer_within
from sip_stager.trunks.platform_numbers import PlatformTable

if TYPE_CHECKING:
    from sip_stager.platform.api import RoundedApi

LIMITS = (1_000, 997, 991)
"""Numbers of a page, by attempt: with another size pages begin and end elsewhere."""
BODY_MOST = LIMITS[0] << 10
"""Bytes of a page, a kilobyte for each number: to read so many takes the loop a few ms."""
MOST = 250_000
"""Numbers of a list; a longer one is not taken."""
MOST_PAGES = 1_000
"""Pages of a list, where those that come are shorter than they were asked to be."""
REQUEST_TIMEOUT = 10.0
"""Seconds for a page."""

_SLICE = 200  # numbers that are read in one go: about half a ms of the loop


async def fetch_number_list(
    api: RoundedApi, before: PlatformTable | None = None
) -> PlatformTable | Failure:
    """Fetch the whole list; of a list that breaks off or has gaps nothing is taken.

    Pages are asked for by number, as the API's cursor is a time: it leaves out what was created in
    the same moment as the last of a page.  Such numbers may still change places from page to page,
    so what comes twice is taken once, and what is missing is looked for in pages of another size.
    """
    reading = _Reading(api, PlatformTable(before))
    for limit in LIMITS:
        failure = await reading.read(limit)
        if failure is not None:
            return failure
        if len(reading.seen) >= reading.total:
            break
    if len(reading.seen) == reading.total:
        return _sane(reading.table)
    return InvalidResponse(
        f"the list is not whole: it is said to have {reading.total} numbers, and "
        f"{len(reading.seen)} different ones came"
    )


class _Reading:
    """One list as it comes; ``total`` is how many numbers the API says there are."""

    def __init__(self, api: RoundedApi, table: PlatformTable) -> None:
        self.table = table
        self.seen: set[int] = set()
        self.total = -1
        self._api = api
        self._nameless = 0

    async def read(self, limit: int) -> Failure | None:
        """Read all pages of that many numbers; give what went wrong."""
        read = self._nameless = 0
        for number in range(1, MOST_PAGES + 1):
            page = await _page(self._api, limit, number)
            if not isinstance(page, tuple):
                return page
            items, total = page
            if wrong := self._wrong(len(items), limit, total):
                return InvalidResponse(wrong)
            await self._take(items)
            read += len(items)
            if not items or read >= total:
                return None
        return InvalidResponse(f"there are more than {MOST_PAGES} pages")

    def _wrong(self, count: int, limit: int, total: int) -> str:
        if count > limit:
            return f"a page has more than the {limit} numbers that were asked for"
        if total > MOST:
            return f"there are more than {MOST} numbers"
        if self.total not in {-1, total}:
            return f"the list changed while it was read: it had {self.total} numbers, now {total}"
        self.total = total
        return ""

    async def _take(self, items: list[object]) -> None:
        for begin in range(0, len(items), _SLICE):
            self.table.add([each for each in items[begin : begin + _SLICE] if self._is_new(each)])
            await asyncio.sleep(0)

    def _is_new(self, item: object) -> bool:
        """Take note of an item; a hash says which it is, however long its texts are.

        Those with neither id nor number are told apart by how many of them came before.
        """
        named = (item.get("id") or item.get("number")) if isinstance(item, dict) else None
        if not named or not isinstance(named, str | int):
            self._nameless += 1
            named = (self._nameless,)
        key = hash(repr(named))  # -1 and -2 have the same hash
        if key in self.seen:
            return False
        self.seen.add(key)
        return True


def _sane(table: PlatformTable) -> PlatformTable | InvalidResponse:
    """Refuse a list of nothing but invalid_response: something else than numbers was said."""
    if table.unusable and table.unusable == sum(table.counts.values()):
        return InvalidResponse(
            f"none of its {table.unusable} numbers makes sense: {table.wrong[0]}"
        )
    return table


async def _page(api: RoundedApi, limit: int, number: int) -> tuple[list[object], int] | Failure:
    return await answer_within(REQUEST_TIMEOUT, api.numbers(limit, number))
