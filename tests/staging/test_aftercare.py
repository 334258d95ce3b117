"""What is done about a call off its path: labels, a second look, and an end to what was wasted."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from pydantic import SecretStr

from sip_stager.events import (
    AftercareFailed,
    CallEnded,
    Event,
    HeaderLost,
    InviteForwarded,
    StagingEnded,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.ports import Flow
from sip_stager.staging import aftercare
from sip_stager.staging.aftercare import Aftercare
from sip_stager.staging.off_path import OffPath
from sip_stager.staging.outcome import Staged
from sip_stager.staging.rounded import RoundedApi

if TYPE_CHECKING:
    import pytest

    from sip_stager.demo.api import FakeApi
    from sip_stager.ports import Call

AGENT = Flow("UDP", "192.0.2.2", 5060)


class Care:
    """Aftercare with everything switched on, and what it told."""

    def __init__(self, client: RoundedApi, *, wanted: bool = True) -> None:
        self.told: asyncio.Queue[Event] = asyncio.Queue()
        self.care = Aftercare(
            client, self.told.put_nowait, label=wanted, reconcile=wanted, terminate=wanted
        )

    async def event(self) -> Event:
        return await asyncio.wait_for(self.told.get(), 20)

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        under_way = [*self.care._requests._tasks, *self.care._looked_at._tasks]
        await asyncio.gather(*under_way)


async def staged(client: RoundedApi, call: Call) -> str:
    outcome = await client.stage(call, {}, sync=True)
    assert isinstance(outcome, Staged)
    return outcome.call_id


async def test_a_calls_record_is_labelled(fake: FakeApi, client: RoundedApi, call: Call) -> None:
    call_id, care = await staged(client, call), Care(client)
    care.care(InviteForwarded(call, call_id, AGENT, 0.21))
    await care.idle()
    assert fake._calls[call_id].metadata == {
        "sip_call_id": "sip-call-1",
        "trunk": "paris",
        "staging_seconds": 0.21,
    }
    assert care.told.empty()


async def test_a_label_says_where_the_time_went(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    call_id, care = await staged(client, call), Care(client)
    care.care(StagingEnded(call, "staged", 0.2, {"queue": 0.05, "request": 0.1501}, call_id))
    care.care(InviteForwarded(call, call_id, AGENT, 0.21))
    await care.idle()
    metadata = fake._calls[call_id].metadata
    assert (metadata["staging_queue_seconds"], metadata["staging_request_seconds"]) == (0.05, 0.15)
    assert not care.care._phases


async def test_what_is_kept_for_labels_is_bounded(
    client: RoundedApi, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "MOST_STAGED", 3)
    care = Care(client)
    for number in range(9):
        care.care(StagingEnded(call, "staged", 0.2, {}, str(number)))
    assert list(care.care._phases) == ["6", "7", "8"]


async def test_a_label_that_fails_is_counted(client: RoundedApi, call: Call) -> None:
    care = Care(client)
    care.care(InviteForwarded(call, "nobody", AGENT, 0.21))
    assert await care.event() == AftercareFailed("label", "refused")


async def test_an_answered_call_that_nobody_claimed_has_lost_its_header(
    fake: FakeApi, client: RoundedApi, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "LOOK_AFTER", 0.0)
    call_id, care = await staged(client, call), Care(client)
    answered = CallEnded(call, call_id, "answered", 200, 1.0)
    care.care(answered)
    await care.idle()
    assert care.told.empty()
    fake._calls[call_id].created -= 100
    care.care(answered)
    assert await care.event() == HeaderLost(call, call_id)


async def test_a_second_look_that_fails_is_counted(
    client: RoundedApi, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "LOOK_AFTER", 0.0)
    care = Care(client)
    care.care(CallEnded(call, "nobody", "answered", 200, 1.0))
    assert await care.event() == AftercareFailed("reconcile", "refused")


async def test_a_wasted_call_is_ended(fake: FakeApi, client: RoundedApi, call: Call) -> None:
    call_id, care = await staged(client, call), Care(client)
    care.care(StagingWasted(call, call_id))
    assert await care.event() == StagingTerminated(call_id, "ended")
    assert fake._calls[call_id].terminated
    care.care(StagingWasted(call, "nobody"))
    assert await care.event() == StagingTerminated("nobody", "refused")


async def test_an_api_that_does_not_answer_is_not_awaited_for_ever(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        async with RoundedApi(f"http://{host}:{port}", SecretStr("key")) as client:
            care = Care(client)
            care.care(StagingWasted(call, "call-1"))
            assert await care.event() == StagingTerminated("call-1", "over_time")


async def test_nothing_is_done_that_the_settings_do_not_want(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    call_id, care = await staged(client, call), Care(client, wanted=False)
    for event in (
        InviteForwarded(call, call_id, AGENT, 0.2),
        CallEnded(call, call_id, "answered", 200, 1.0),
        StagingWasted(call, call_id),
    ):
        care.care(event)
    assert not care.care._requests
    assert not care.care._looked_at
    assert fake._calls[call_id].metadata == {}


async def test_a_call_that_went_on_without_a_staged_agent_is_left_alone(
    client: RoundedApi, call: Call
) -> None:
    care = Care(client)
    care.care(InviteForwarded(call, "", AGENT, 0.2))
    care.care(CallEnded(call, "", "answered", 200, 1.0))
    assert not care.care._requests
    assert not care.care._looked_at


async def test_only_so_much_goes_on_at_a_time_and_nothing_after_the_stop() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(20)
        done.append(number)

    off_path = OffPath(2)
    for number in range(5):
        off_path.begin(work(number))
    assert len(off_path) == 2
    await off_path.stop()
    assert done == []
