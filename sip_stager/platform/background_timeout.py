"""A timeout for requests that no call waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from sip_stager.platform.outcome import TimedOut

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def answer_within(seconds: float, answer: Awaitable[T]) -> T | TimedOut:
    """Return the API's answer, or the fact that none came within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        return TimedOut(f"no answer within {seconds:g} s")
