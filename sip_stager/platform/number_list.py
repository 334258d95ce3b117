"""The platform's list of numbers, fetched page by page and used only if it is complete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_stager.platform.background_timeout import answer_within
from sip_stager.platform.outcome import Failure, InvalidResponse
from sip_stager.trunks.platform_numbers import PlatformNumbers

if TYPE_CHECKING:
    from sip_stager.platform.api import RoundedApi

PAGE_SIZES = (1_000, 997, 991)
"""Numbers per page, by attempt: with another size the pages begin and end elsewhere."""
MAX_PAGE_BYTES = PAGE_SIZES[0] << 10
"""Bytes of a page, a kilobyte per number: to parse so many takes the loop a few ms."""
MAX_NUMBERS = 250_000
"""Numbers of a list; a longer one is not used."""
MAX_PAGES = 1_000
"""Pages of a list, in case the API sends shorter ones than it was asked for."""
REQUEST_TIMEOUT = 10.0
"""Seconds for a page."""

_SLICE = 200  # numbers that are read in one turn of the loop: about half a ms


async def fetch_number_list(
    api: RoundedApi, before: PlatformNumbers | None = None
) -> PlatformNumbers | Failure:
    """Fetch the whole list; a list that breaks off or has gaps is a failure."""
    # Pages are asked for by number, not by cursor: the API's cursor is a time, and skips numbers
    # that were created in the same moment as the last one of a page.  But numbers of one moment
    # have no order, and may change places between two pages: a number that comes twice is taken
    # once, and a missing one is looked for in pages of another size.
    reading = _Reading(api, PlatformNumbers(before))
    for page_size in PAGE_SIZES:
        failure = await reading.read(page_size)
        if failure is not None:
            return failure
        if len(reading.seen) >= reading.total:
            break
    if len(reading.seen) == reading.total:
        return _plausible(reading.table)
    return InvalidResponse(
        f"the list is not complete: it should have {reading.total} numbers, but "
        f"{len(reading.seen)} different ones came"
    )


class _Reading:
    """One list as it comes; ``total`` is its length by the API's word, -1 before the first page."""

    def __init__(self, api: RoundedApi, table: PlatformNumbers) -> None:
        self.table = table
        self.seen: set[int] = set()
        self.total = -1
        self._api = api
        self._nameless = 0

    async def read(self, page_size: int) -> Failure | None:
        """Read all pages of that size; return the failure, if any."""
        read = self._nameless = 0
        for number in range(1, MAX_PAGES + 1):
            page = await answer_within(REQUEST_TIMEOUT, self._api.numbers(page_size, number))
            if not isinstance(page, tuple):
                return page
            items, total = page
            if error := self._error(len(items), page_size, total):
                return InvalidResponse(error)
            await self._add(items)
            read += len(items)
            if not items or read >= total:
                return None
        return InvalidResponse(f"there are more than {MAX_PAGES} pages")

    def _error(self, count: int, page_size: int, total: int) -> str:
        if count > page_size:
            return f"a page has more than the {page_size} numbers that were asked for"
        if total > MAX_NUMBERS:
            return f"there are more than {MAX_NUMBERS} numbers"
        if self.total not in {-1, total}:
            return f"the list changed while it was read: it had {self.total} numbers, now {total}"
        self.total = total
        return ""

    async def _add(self, items: list[object]) -> None:
        for begin in range(0, len(items), _SLICE):
            self.table.add([each for each in items[begin : begin + _SLICE] if self._is_new(each)])
            await asyncio.sleep(0)  # calls get their turn between two slices

    def _is_new(self, item: object) -> bool:
        """Remember an item; return False if it was seen before."""
        named = (item.get("id") or item.get("number")) if isinstance(item, dict) else None
        if not named or not isinstance(named, str | int):
            # With neither id nor number: told apart by how many such came before in this pass.
            self._nameless += 1
            named = (self._nameless,)
        # The hash alone is kept, which bounds the memory however long the texts are.  It is that
        # of the repr, since -1 and -2 themselves have the same hash.
        key = hash(repr(named))
        if key in self.seen:
            return False
        self.seen.add(key)
        return True


def _plausible(table: PlatformNumbers) -> PlatformNumbers | InvalidResponse:
    """Refuse a list without one usable number: the API sent something else than numbers."""
    if table.unusable and table.unusable == sum(table.counts.values()):
        text = f"none of its {table.unusable} numbers is usable: {table.problems[0]}"
        return InvalidResponse(text)
    return table
