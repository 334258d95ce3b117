"""The memory of the calls that are held in staging: thousands of them must fit."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.platform.api import RoundedApi
from sip_stager.staging.stager import ApiStager
from tests.interop.fake_api import KEY, FakeApiProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sip_stager.model.call import Call
    from sip_stager.staging.attempts import Mode

CALLS = 200
CONNECTIONS = {"sync": 2 * CALLS, "async": 10}
MAX_BYTES = {"sync": 5800, "async": 5170}
"""Bytes that staging keeps for a held call; in sync mode a connection is among them.

In async mode a hundred of them tell the id from those of other calls.
"""


@pytest.fixture
def held_by(tmp_path: Path) -> Iterator[FakeApiProcess]:
    """Yield an API in a process of its own, which holds every call."""
    api = FakeApiProcess(tmp_path, delay=60)
    api.wait_ready()
    yield api
    api.stop()


async def hold(staging: ApiStager, api: FakeApiProcess, call: Call) -> list[asyncio.Task[None]]:
    before = api.stats()["stage_requests"]
    tasks = [staging.start_staging(call, lambda _: None) for _ in range(CALLS)]
    while api.stats()["stage_requests"] < before + CALLS:  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    return tasks


if sys.version_info[:2] == (3, 11):  # others have frames of another size

    @pytest.mark.parametrize("mode", ["sync", "async"])
    async def test_a_held_call_takes_no_more_memory_than_its_share(
        held_by: FakeApiProcess, call: Call, mode: Mode
    ) -> None:
        async with RoundedApi(held_by.url, SecretStr(KEY), connections=CONNECTIONS[mode]) as client:
            staging = ApiStager(client, lambda _: None, mode=mode)
            traced = sys.gettrace()
            sys.settrace(None)  # a measurement of coverage keeps more for each frame
            tasks = await hold(staging, held_by, call)
            gc.collect()
            tracemalloc.start()
            tasks += await hold(staging, held_by, call)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            sys.settrace(traced)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        assert held / CALLS <= MAX_BYTES[mode], f"{held / CALLS:.0f} bytes for each"
