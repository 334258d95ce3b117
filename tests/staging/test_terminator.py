"""What nobody claimed is ended at the API, off every call's path, and its failure is counted."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from pydantic import SecretStr

from sip_stager.events import Event, StagingTerminated, StagingWasted
from sip_stager.staging import terminator
from sip_stager.staging.outcome import Staged
from sip_stager.staging.rounded import RoundedApi
from sip_stager.staging.terminator import Terminator

if TYPE_CHECKING:
    import pytest

    from sip_stager.demo.api import FakeApi
    from sip_stager.ports import Call


async def ended(client: RoundedApi, call: Call, call_id: str) -> Event:
    heard: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
    Terminator(client, heard.set_result)(StagingWasted(call, call_id))
    return await asyncio.wait_for(heard, 20)


async def test_a_wasted_call_is_ended(fake: FakeApi, client: RoundedApi, call: Call) -> None:
    staged = await client.stage(call, {}, sync=True)
    assert isinstance(staged, Staged)
    assert await ended(client, call, staged.call_id) == StagingTerminated(staged.call_id, "ended")
    assert fake._calls[staged.call_id].terminated


async def test_a_failure_is_told_in_its_word(client: RoundedApi, call: Call) -> None:
    assert await ended(client, call, "nobody") == StagingTerminated("nobody", "refused")


async def test_an_api_that_does_not_answer_is_not_awaited_for_ever(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminator, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        async with RoundedApi(f"http://{host}:{port}", SecretStr("key")) as client:
            assert await ended(client, call, "call-1") == StagingTerminated("call-1", "over_time")


async def test_only_so_many_are_ended_at_a_time_and_none_after_the_stop(
    client: RoundedApi, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminator, "MOST", 2)
    told: list[Event] = []
    ending = Terminator(client, told.append)
    for number in range(5):
        ending(StagingWasted(call, f"call-{number}"))
    assert len(ending._tasks) == 2
    await ending.stop()
    assert told == []
