from __future__ import annotations

import asyncio
import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_stager.http_client.fair_queue import LeastHeld, Share
from sip_stager.http_client.slots import NORMAL_TURN, Priority, Slots


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
        max_size=80,
    )
)
def test_no_slot_is_lost_or_handed_out_twice_in_any_order_of_events(
    steps: list[tuple[str, Priority, int]],
) -> None:
    asyncio.run(_run(steps))


SHARES = [Share("a", "1"), Share("a", "2"), Share("b", "1"), Share("c", "3")]


async def _run(steps: list[tuple[str, Priority, int]]) -> None:
    limit, slots = 3, Slots(3)
    holding, waiting = list[Share](), dict[asyncio.Task[bool], Share]()
    for what, priority, which in steps:
        share = SHARES[which % len(SHARES)]
        match what:
            case "take" if slots.take(share):
                holding.append(share)
            case "take":
                waiting[asyncio.create_task(slots.wait(priority, share))] = share
                await asyncio.sleep(0)  # it joins the queue before anything else happens
            case "release" if holding:
                slots.release(holding.pop(which % len(holding)))
            case "cancel" if waiting:
                list(waiting)[which % len(waiting)].cancel()
            case "reject":
                slots.reject(priority, share.group if which % 2 else None)
            case "turn":
                await _turn()
                holding += _woken(waiting)
                assert slots.taken == len(holding) <= limit
                assert slots.waiting == len(waiting)
                assert len(holding) == limit or not waiting
                assert slots._held.by_share == Counter(holding)
                assert slots._held.by_tenant == Counter(share.tenant for share in holding)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for queue in slots._queues:
        assert (len(queue), queue._waiters, queue._shares) == (0, {}, {})
        assert not queue._tenants


def _woken(waiting: dict[asyncio.Task[bool], Share]) -> list[Share]:
    """Forget the waiters whose wait is over, and return the shares of those that got a slot."""
    over = [task for task in waiting if task.done()]
    return [
        share
        for task in over
        for share in [waiting.pop(task)]
        if not task.cancelled() and task.result()
    ]


class Load:
    """Requests that wait for slots; ``order`` has the shares in the order of their turns."""

    def __init__(self, limit: int) -> None:
        self.slots = Slots(limit)
        self.order: list[Share] = []
        self.tasks: list[asyncio.Task[bool]] = []

    async def take(self, share: Share, times: int) -> None:
        for _ in range(times):
            assert self.slots.take(share)

    async def wait(
        self, share: Share, times: int, priority: Priority = Priority.NORMAL
    ) -> list[asyncio.Task[bool]]:
        async def one() -> bool:
            woken = await self.slots.wait(priority, share)
            if woken:
                self.order.append(share)
            return woken

        tasks = [asyncio.create_task(one()) for _ in range(times)]
        self.tasks += tasks
        await _turn()
        return tasks

    async def release(self, share: Share, times: int = 1) -> None:
        for _ in range(times):
            self.slots.release(share)
        await _turn()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_flood_of_one_tenant_lets_another_wait_for_one_slot_alone() -> None:
    flood, other = Share("a", "1"), Share("b", "2")
    load = Load(20)
    await load.take(flood, 20)
    await load.wait(flood, 500)
    await load.wait(other, 1)
    await load.release(flood)
    assert load.order == [other]
    await load.close()


async def test_a_slow_group_leaves_a_tenth_of_the_slots_to_others() -> None:
    slots, slow, quick = Slots(60), Share("a", "slow"), Share("a", "quick")
    assert slots.take(quick)
    slots.release(quick)
    while slots.take(slow):
        pass
    assert slots.taken == 54
    assert slots.take(quick)
    slots.release(quick)
    assert slots.take(Share("b", "3"))


async def test_a_tenant_of_many_groups_leaves_slots_to_another() -> None:
    slots = Slots(100)
    groups = [Share("a", str(number)) for number in range(50)]
    for _ in range(10):
        for share in groups:
            slots.take(share)
    assert slots.taken == 95
    assert slots.take(Share("b", "1"))


async def test_whoever_is_alone_has_all_slots() -> None:
    slots = Slots(100)
    for _ in range(100):
        assert slots.take(Share("a", "1"))


async def test_a_release_wakes_all_waiters_that_it_lets_through() -> None:
    load = Load(30)
    slow, quick = Share("a", "slow"), Share("a", "quick")
    await load.take(quick, 2)
    while load.slots.take(slow):
        pass
    before = load.slots.taken
    await load.wait(slow, 30)
    await load.release(quick, 2)
    assert load.slots.taken == 27
    assert len(load.order) == 27 - before + 2
    await load.close()


async def test_tenants_that_wait_get_equal_shares_of_the_slots() -> None:
    load = Load(12)
    await load.take(Share("a", "1"), 12)
    await load.wait(Share("a", "1"), 50)
    await load.wait(Share("b", "2"), 50)
    await load.wait(Share("c", "3"), 50)
    await load.release(Share("a", "1"), 8)
    assert load.slots._held.by_tenant == {"a": 4, "b": 4, "c": 4}
    await load.close()


async def test_a_slow_group_of_a_tenant_lets_another_group_have_half() -> None:
    slow, quick = Share("a", "slow"), Share("a", "quick")
    load = Load(10)
    await load.take(slow, 10)
    await load.wait(slow, 50)
    await load.wait(quick, 50)
    await load.release(slow, 5)
    assert load.order == [quick] * 5
    for _ in range(20):
        await load.release(quick)
    assert set(load.order) == {quick}
    await load.close()


async def test_shares_that_hold_as_many_slots_take_turns() -> None:
    load = Load(1)
    shares = [Share("a", "1"), Share("b", "1"), Share("c", "1")]
    assert load.slots.take(Share("d", "1"))
    held = Share("d", "1")
    for share in shares:
        await load.wait(share, 3)
    for _ in range(6):
        await load.release(held)
        held = load.order[-1]
    assert load.order == shares * 2
    await load.close()


async def test_polls_leave_every_fourth_slot_to_new_requests() -> None:
    load = Load(1)
    poll, new = Share("a", "poll"), Share("a", "new")
    assert load.slots.take(poll)
    held = poll
    await load.wait(poll, 50, Priority.HIGH)
    await load.wait(new, 50)
    for _ in range(4 * NORMAL_TURN):
        await load.release(held)
        held = load.order[-1]
    assert load.order == ([poll] * (NORMAL_TURN - 1) + [new]) * 4
    await load.close()


async def test_the_waiters_of_one_group_are_rejected_for_all_tenants() -> None:
    load = Load(1)
    assert load.slots.take()
    rejected = [*await load.wait(Share("a", "2"), 3), *await load.wait(Share("b", "2"), 3)]
    await load.wait(Share("a", "1"), 2)
    load.slots.reject(Priority.NORMAL, "2")
    assert await asyncio.gather(*rejected) == [False] * 6
    assert load.slots.waiting == 2
    await load.close()


def test_the_key_that_holds_the_fewest_is_first_and_equal_ones_take_turns() -> None:
    held = {"a": 2, "b": 1}
    waiting = LeastHeld(held)
    for key in "abc":
        waiting.add(key)
    order = []
    for _ in range(6):
        key = waiting.first()
        order.append(key)
        held[key] = held.get(key, 0) + 1
        waiting.update(key)
    assert "".join(order) == "cbcabc"
    for key in "abc":
        waiting.discard(key)
    assert not waiting
