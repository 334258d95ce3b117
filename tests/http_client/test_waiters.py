from __future__ import annotations

import asyncio

import pytest

from sip_stager.http_client import Waiters


async def _turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_waiters_are_woken_one_by_one_in_order_of_arrival() -> None:
    waiters, order = Waiters(), list[str]()

    async def one(name: str) -> None:
        assert await waiters.wait()
        order.append(name)

    tasks = [asyncio.create_task(one(name)) for name in ("first", "second")]
    await _turn()
    assert waiters.wake_first()
    await _turn()
    assert order == ["first"]
    assert waiters.wake_first()
    assert not waiters.wake_first()
    await asyncio.gather(*tasks)
    assert order == ["first", "second"]


async def test_a_waiter_that_comes_after_a_rejection_is_not_rejected() -> None:
    waiters = Waiters()
    before = asyncio.create_task(waiters.wait())
    await _turn()
    waiters.reject_all()
    after = asyncio.create_task(waiters.wait())
    await _turn()
    assert (await before, len(waiters)) == (False, 1)
    waiters.wake_first()
    assert await after is True


async def test_a_cancelled_waiter_leaves_the_queue_and_is_not_woken() -> None:
    waiters = Waiters()
    tasks = [asyncio.create_task(waiters.wait()) for _ in range(2)]
    await _turn()
    tasks[0].cancel()
    waiters.wake_first()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await tasks[1] is True
    assert len(waiters) == 0
