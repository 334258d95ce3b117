from __future__ import annotations

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_stager.http_client.slots import Places, Rank


async def _turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_the_urgent_go_first_and_equals_in_the_order_they_came() -> None:
    places, order = Places(1), list[str]()
    assert places.take()
    assert not places.take()

    async def one(name: str, rank: Rank) -> None:
        assert await places.wait(rank)
        order.append(name)
        places.leave()

    waiting = [
        asyncio.create_task(one(name, rank))
        for name, rank in (
            ("label", Rank.ASIDE),
            ("new 1", Rank.STAGE),
            ("poll 1", Rank.POLL),
            ("new 2", Rank.STAGE),
            ("poll 2", Rank.POLL),
        )
    ]
    await _turn()
    assert (places.taken, places.waiting) == (1, 5)
    places.leave()
    await asyncio.gather(*waiting)
    assert order == ["poll 1", "poll 2", "new 1", "new 2", "label"]
    assert (places.taken, places.waiting) == (0, 0)


async def test_only_those_of_a_rank_are_sent_away() -> None:
    places = Places(1)
    places.take()
    waiting = {rank: asyncio.create_task(places.wait(rank)) for rank in Rank}
    await _turn()
    places.send_away(Rank.STAGE)
    assert await waiting[Rank.STAGE] is False
    assert places.waiting == 2
    for rank in (Rank.POLL, Rank.ASIDE):
        places.leave()
        assert await waiting[rank] is True


async def test_a_place_that_was_given_is_not_taken_back() -> None:
    places = Places(1)
    places.take()
    waiting = asyncio.create_task(places.wait(Rank.STAGE))
    await _turn()
    places.leave()
    places.send_away(Rank.STAGE)
    assert await waiting is True


async def test_a_place_given_to_one_who_hangs_up_at_that_moment_goes_to_the_next() -> None:
    places = Places(1)
    places.take()
    waiting = [asyncio.create_task(places.wait(Rank.STAGE)) for _ in range(3)]
    await _turn()
    places.leave()
    waiting[0].cancel()
    waiting[1].cancel()
    assert await waiting[2] is True
    assert (places.taken, places.waiting) == (1, 0)


async def test_many_are_sent_away_a_few_at_a_time_and_none_of_them_gets_a_place() -> None:
    places = Places(1)
    places.take()
    waiting = [asyncio.create_task(places.wait(Rank.STAGE)) for _ in range(100)]
    await _turn()
    places.send_away(Rank.STAGE)
    places.leave()
    assert (places.taken, places.waiting) == (0, 0)
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
            st.sampled_from(["come", "leave", "hang_up", "send_away", "turn"]),
            st.sampled_from(Rank),
            st.integers(0, 9),
        ),
        max_size=60,
    )
)
def test_whatever_happens_no_place_is_lost_and_none_is_given_twice(
    steps: list[tuple[str, Rank, int]],
) -> None:
    asyncio.run(_happened(steps))


async def _happened(steps: list[tuple[str, Rank, int]]) -> None:
    most, places = 3, Places(3)
    holding, waiting = 0, list[asyncio.Task[bool]]()
    for what, rank, which in steps:
        match what:
            case "come" if places.take():
                holding += 1
            case "come":
                waiting.append(asyncio.create_task(places.wait(rank)))
                await asyncio.sleep(0)  # who finds none free waits in the same breath
            case "leave" if holding:
                places.leave()
                holding -= 1
            case "hang_up" if waiting:
                waiting[which % len(waiting)].cancel()
            case "send_away":
                places.send_away(rank)
            case "turn":
                await _turn()
                over = [task for task in waiting if task.done()]
                waiting = [task for task in waiting if not task.done()]
                holding += sum(not task.cancelled() and task.result() for task in over)
                assert places.taken == holding <= most
                assert places.waiting == len(waiting)
                assert holding == most or not waiting
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
