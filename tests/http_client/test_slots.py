from __future__ import annotations

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_stager.http_client.slots import Priority, Slots


async def _turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_a_high_priority_goes_first_and_equal_ones_in_order_of_arrival() -> None:
    slots, order = Slots(1), list[str]()
    assert slots.take()
    assert not slots.take()

    async def one(name: str, priority: Priority) -> None:
        assert await slots.wait(priority)
        order.append(name)
        slots.release()

    waiting = [
        asyncio.create_task(one(name, priority))
        for name, priority in (
            ("label", Priority.LOW),
            ("new 1", Priority.NORMAL),
            ("poll 1", Priority.HIGH),
            ("new 2", Priority.NORMAL),
            ("poll 2", Priority.HIGH),
        )
    ]
    await _turn()
    assert (slots.taken, slots.waiting) == (1, 5)
    slots.release()
    await asyncio.gather(*waiting)
    assert order == ["poll 1", "poll 2", "new 1", "new 2", "label"]
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_only_waiters_of_the_given_priority_are_rejected() -> None:
    slots = Slots(1)
    slots.take()
    waiting = {priority: asyncio.create_task(slots.wait(priority)) for priority in Priority}
    await _turn()
    slots.reject(Priority.NORMAL)
    assert await waiting[Priority.NORMAL] is False
    assert slots.waiting == 2
    for priority in (Priority.HIGH, Priority.LOW):
        slots.release()
        assert await waiting[priority] is True


async def test_a_waiter_that_was_woken_is_not_rejected() -> None:
    slots = Slots(1)
    slots.take()
    waiting = asyncio.create_task(slots.wait(Priority.NORMAL))
    await _turn()
    slots.release()
    slots.reject(Priority.NORMAL)
    assert await waiting is True


async def test_a_slot_passed_to_a_waiter_that_is_cancelled_goes_to_the_next() -> None:
    slots = Slots(1)
    slots.take()
    waiting = [asyncio.create_task(slots.wait(Priority.NORMAL)) for _ in range(3)]
    await _turn()
    slots.release()
    waiting[0].cancel()
    waiting[1].cancel()
    assert await waiting[2] is True
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_waiters_are_rejected_in_batches_and_none_of_them_gets_a_slot() -> None:
    slots = Slots(1)
    slots.take()
    waiting = [asyncio.create_task(slots.wait(Priority.NORMAL)) for _ in range(100)]
    await _turn()
    slots.reject(Priority.NORMAL)
    slots.release()
    assert (slots.taken, slots.waiting) == (0, 0)
    over = []
    while not all(task.done() for task in waiting):
        await asyncio.sleep(0)
        over.append(sum(task.done() for task in waiting))
    assert max(later - sooner for sooner, later in itertools.pairwise([0, *over])) < 20
    assert not any(task.result() for task in waiting)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["take", "release", "cancel", "reject", "turn"]),
            st.sampled_from(Priority),
            st.integers(0, 9),
        ),
        max_size=60,
    )
)
def test_no_slot_is_lost_or_handed_out_twice_in_any_order_of_events(
    steps: list[tuple[str, Priority, int]],
) -> None:
    asyncio.run(_run(steps))


async def _run(steps: list[tuple[str, Priority, int]]) -> None:
    limit, slots = 3, Slots(3)
    holding, waiting = 0, list[asyncio.Task[bool]]()
    for what, priority, which in steps:
        match what:
            case "take" if slots.take():
                holding += 1
            case "take":
                waiting.append(asyncio.create_task(slots.wait(priority)))
                await asyncio.sleep(0)  # it joins the queue before anything else happens
            case "release" if holding:
                slots.release()
                holding -= 1
            case "cancel" if waiting:
                waiting[which % len(waiting)].cancel()
            case "reject":
                slots.reject(priority)
            case "turn":
                await _turn()
                over = [task for task in waiting if task.done()]
                waiting = [task for task in waiting if not task.done()]
                holding += sum(not task.cancelled() and task.result() for task in over)
                assert slots.taken == holding <= limit
                assert slots.waiting == len(waiting)
                assert holding == limit or not waiting
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
