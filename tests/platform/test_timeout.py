"""A request that no call waits for has a timeout, and its end by it is a value."""

from __future__ import annotations

import asyncio

import pytest

from sip_stager.platform.background_timeout import answer_within
from sip_stager.platform.outcome import TimedOut


async def test_an_answer_in_time_is_returned() -> None:
    assert await answer_within(20, asyncio.sleep(0, "answer")) == "answer"


async def test_an_answer_that_takes_longer_is_a_timeout() -> None:
    assert await answer_within(0.01, asyncio.sleep(20)) == TimedOut("no answer within 0.01 s")


async def test_cancelling_is_not_taken_for_a_timeout() -> None:
    task = asyncio.create_task(answer_within(20, asyncio.sleep(20)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
