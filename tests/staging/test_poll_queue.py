"""Calls that wait for their polls on a real event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.staging.poll_queue import PollQueue
from sip_stager.staging.stager import ApiStager

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from sip_stager.model.call import Call, Decision
    from sip_stager.platform.api import RoundedApi


def poll(polls: PollQueue, after: float = 0.0) -> asyncio.Task[None]:
    loop = asyncio.get_running_loop()
    due = loop.time() + after
    return loop.create_task(polls.wait(due, due + 10, first=True))


async def test_a_poll_waits_until_it_is_due() -> None:
    polls, loop = PollQueue(1000), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(poll(polls, 0.05), poll(polls, 0.03))
    assert loop.time() >= began + 0.045
    assert (len(polls), polls._timer.is_set) == (0, False)


async def test_polls_of_many_calls_keep_to_the_budget() -> None:
    polls, loop = PollQueue(200), asyncio.get_running_loop()
    began = loop.time()
    tasks = [poll(polls) for _ in range(50)]
    await asyncio.sleep(0.02)
    assert polls.delayed > 30
    await asyncio.gather(*tasks)
    assert loop.time() - began >= 0.2


async def test_a_cancelled_poll_leaves_nothing_behind() -> None:
    polls = PollQueue(1000)
    tasks = [poll(polls, 60.0) for _ in range(100)]
    await asyncio.sleep(0)
    assert len(polls) == 100
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (len(polls), polls._schedule.entries, polls._timer.is_set) == (0, 0, False)


async def test_no_poll_goes_while_a_rate_limit_that_was_used_up_during_its_wait_lasts(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=60)
    staging = ApiStager(client, lambda _: None, mode="async", poll_interval_min=0.1)
    task = staging.start_staging(call, lambda _: None)
    while not fake.stats.stage_requests:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)
    limit = [(b"ratelimit-remaining", b"0"), (b"ratelimit-reset", b"1")]
    began = time.perf_counter()
    client.rate_limit.update(200, limit, began, time.time())
    while not fake.stats.polls:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)
    assert time.perf_counter() >= began + 0.99
    task.cancel()
    await asyncio.wait([task])


async def test_a_new_call_is_polled_in_time_while_many_calls_that_are_never_ready_are_held(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=60)
    fake.behaviours["+33100000000"] = Behaviour()
    events: list[Event] = []
    staging = ApiStager(
        client,
        events.append,
        mode="async",
        poll_interval_min=0.02,
        poll_interval_max=0.02,
        max_polls_per_second=100,
    )
    tasks = [staging.start_staging(call, lambda _: None) for _ in range(60)]
    await asyncio.sleep(1.0)  # until each of them has been polled once
    assert staging.polls_delayed > 20
    decisions: list[Decision] = []
    loop = asyncio.get_running_loop()
    began = loop.time()
    quick = call._replace(to_number="+33100000000")
    await staging.start_staging(quick, decisions.append)
    assert loop.time() - began < 0.3
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert staging.polls_delayed == 0
