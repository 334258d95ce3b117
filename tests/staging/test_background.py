"""Work off the path of calls: few at a time, in a line that has an end."""

from __future__ import annotations

import asyncio
from functools import partial

from structlog.testing import capture_logs

from sip_stager.staging.background import BackgroundQueue


class Works:
    """Work that is done once it may be, and what was begun and done."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done: list[int] = []
        self.may = asyncio.Event()

    async def work(self, number: int) -> None:
        self.begun.append(number)
        await self.may.wait()
        self.done.append(number)


async def test_only_so_much_goes_on_at_a_time_and_only_so_much_waits() -> None:
    works, off_path = Works(), BackgroundQueue(2, 3)
    taken = []
    for number in range(7):
        taken.append(off_path.enqueue(partial(works.work, number)))
        await asyncio.sleep(0)
    assert taken == [True] * 5 + [False] * 2
    assert works.begun == [0, 1]
    assert len(off_path) == 5
    works.may.set()
    while len(off_path):  # noqa: ASYNC110  # a line can wake nobody
        await asyncio.sleep(0)
    assert sorted(works.done) == [0, 1, 2, 3, 4]
    assert off_path.enqueue(partial(works.work, 7))
    assert await off_path.stop(20) == 0
    assert works.done[5:] == [7]


async def test_the_stop_leaves_what_is_not_done_in_time() -> None:
    works, off_path = Works(), BackgroundQueue(1, 3)
    for number in range(3):
        off_path.enqueue(partial(works.work, number))
    await asyncio.sleep(0)
    assert await off_path.stop(0.01) == 3
    works.may.set()
    await asyncio.sleep(0)
    assert (works.begun, works.done, len(off_path)) == ([0], [], 0)
    assert not off_path.enqueue(partial(works.work, 3))


async def test_a_mistake_costs_no_more_than_its_own_work() -> None:
    works, off_path = Works(), BackgroundQueue(1, 3)

    async def wrong() -> None:
        raise ValueError("our own")

    works.may.set()
    off_path.enqueue(wrong)
    off_path.enqueue(partial(works.work, 1))
    with capture_logs() as lines:
        assert await off_path.stop(20) == 0
    assert works.done == [1]
    assert [line["event"] for line in lines] == ["background_work_failed"]
