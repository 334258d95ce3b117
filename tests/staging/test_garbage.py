"""A call leaves no cycles behind: the program looks for them only while no call is up."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, get_args

import pytest

from sip_stager.demo.behaviour import Behaviour, Fault
from sip_stager.staging.stager import Staging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.demo.api import FakeApi
    from sip_stager.ports import Call, Decision
    from sip_stager.staging.rounded import RoundedApi

OURS = ("sip_stager.staging", "httpx", "httptools")


class Owner:
    """Keeps the task until the call is decided, as who holds an INVITE does."""

    def __init__(self) -> None:
        self.staging: asyncio.Task[None] | None = None

    def decided(self, decision: Decision) -> None:
        self.staging = None


@pytest.fixture
def found() -> Iterator[list[object]]:
    """Give what the collector will find, and nothing from before."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def ours(found: list[object]) -> set[str]:
    gc.collect()
    return {type(each).__qualname__ for each in found if type(each).__module__.startswith(OURS)}


@pytest.mark.parametrize("fault", get_args(Fault))
async def test_an_answer_leaves_no_cycle(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, found: list[object]
) -> None:
    fake.default = Behaviour(fault=fault)
    try:
        async with asyncio.timeout(0.1):
            await client.stage(call, {}, sync=True)
    except TimeoutError:
        pass
    await asyncio.sleep(0.02)
    assert ours(found) == set()


@pytest.mark.parametrize("after", [0.0, 0.05])
async def test_a_cancelled_call_leaves_no_cycle(
    fake: FakeApi, client: RoundedApi, call: Call, after: float, found: list[object]
) -> None:
    fake.default = Behaviour(delay=1)
    owner = Owner()
    staging = Staging(client, lambda _: None)
    owner.staging = staging.start(call, owner.decided)
    await asyncio.sleep(after)
    owner.staging.cancel()
    owner.staging = None
    await asyncio.sleep(0.02)
    assert ours(found) == set()
