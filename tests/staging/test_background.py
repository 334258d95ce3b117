"""Background work has few workers and a bounded queue."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from sip_stager.staging.background_queue import BackgroundQueue

if TYPE_CHECKING:
    import pytest


class Works:
    """Items that end once ``may_end`` is set, and the numbers of those begun and done."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done: list[int] = []
        self.may_end = asyncio.Event()

    async def work(self, number: int) -> None:
        self.begun.append(number)
        await self.may_end.wait()
        self.done.append(number)


async def test_workers_and_queued_items_are_limited() -> None:
    works, queue = Works(), BackgroundQueue(2, 3)
    taken = []
    for number in range(7):
        taken.append(queue.enqueue(partial(works.work, number)))
        await asyncio.sleep(0)
    assert taken == [True] * 5 + [False] * 2
    assert works.begun == [0, 1]
    assert len(queue) == 5
    works.may_end.set()
    while len(queue):  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0)
    assert sorted(works.done) == [0, 1, 2, 3, 4]
    assert queue.enqueue(partial(works.work, 7))
    assert await queue.stop(20) == 0
    assert works.done[5:] == [7]


async def test_stopping_drops_the_items_that_are_not_done_in_time() -> None:
    works, queue = Works(), BackgroundQueue(1, 3)
    for number in range(3):
        queue.enqueue(partial(works.work, number))
    await asyncio.sleep(0)
    assert await queue.stop(0.01) == 3
    works.may_end.set()
    await asyncio.sleep(0)
    assert (works.begun, works.done, len(queue)) == ([0], [], 0)
    assert not queue.enqueue(partial(works.work, 3))


async def test_an_exception_costs_its_own_item_alone(caplog: pytest.LogCaptureFixture) -> None:
    works, queue = Works(), BackgroundQueue(1, 3)

    async def wrong() -> None:
        raise ValueError("our own")

    works.may_end.set()
    queue.enqueue(wrong)
    queue.enqueue(partial(works.work, 1))
    assert await queue.stop(20) == 0
    assert works.done == [1]
    assert caplog.messages == ["background_work_failed"]
