"""No response of the API is taken for another call's: an agent would answer the wrong caller."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sip_stager.http_client import Priority
from sip_stager.model.call import Call
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import InvalidResponse, Staged
from sip_stager.platform.staged_ids import LIFETIME, StagedIds, is_record_of
from tests.support.scripted_api import Scripted, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "key-that-nobody-may-see"


class OneTooMany:
    """An API that sends its first response twice, the second time under the next request."""

    def __init__(self) -> None:
        self.asked = 0
        self.connections = self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                self.asked += 1
                if self.asked == 2:
                    writer.write(_staged(1))
                    await asyncio.sleep(0.05)
                writer.write(_staged(self.asked))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self.open -= 1


def _staged(number: int) -> bytes:
    return answer(b'{"data": {"call_id": "call-%d"}}' % number)


@asynccontextmanager
async def client_of(server: OneTooMany) -> AsyncIterator[RoundedApi]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        async with RoundedApi(f"http://127.0.0.1:{port}", SecretStr(KEY), connections=1) as client:
            yield client
        while server.open:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)


def numbered(call: Call, number: int) -> Call:
    return call._replace(call_id=f"call-id-{number}")


async def test_an_id_that_was_sent_for_another_call_is_refused_and_the_connection_closed(
    call: Call,
) -> None:
    """One response too many, while the second request is under way, reaches nobody's agent."""
    server = OneTooMany()
    async with client_of(server) as client:
        assert await client.stage(numbered(call, 1), {}, sync=True) == Staged("call-1")
        second = await client.stage(numbered(call, 2), {}, sync=True)
        third = await client.stage(numbered(call, 3), {}, sync=True)
    assert isinstance(second, InvalidResponse)
    assert second.text == "the API's answer has the id of another call; its connection is closed"
    assert third == Staged("call-3")  # its own, and not that of the second
    assert server.connections == 2


RECORD = {"id": "abc", "status": "staged", "transcript": None}


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("id", "abc", True),
        ("id", "def", False),
        ("agent_id", "AGENT", True),
        ("agent_id", "another", False),
        ("to_number", "33612345678", True),
        ("to_number", "+33699999999", False),
        ("to_number", None, True),
        ("agent_id", 7, True),
    ],
)
async def test_a_polled_record_is_of_the_id_the_agent_and_the_number_that_were_asked_for(
    call: Call, key: str, value: object, *, right: bool
) -> None:
    call = call._replace(agent_id="agent", to_number="+33612345678")
    record = answer(json.dumps({"data": RECORD | {key: value}}).encode(), "200 OK")
    why = "the API's answer is the record of another call; its connection is closed"
    async with (
        Scripted(record, record) as server,
        RoundedApi(f"http://127.0.0.1:{server.port}", SecretStr(KEY)) as client,
    ):
        for _ in range(2):
            polled = await client.status("abc", {}, Priority.HIGH, call)
            assert polled == ("staged" if right else InvalidResponse(why, 200))
    assert server.connections == (1 if right else 2)


def test_a_record_without_a_call_is_compared_by_its_id_alone() -> None:
    assert is_record_of({"id": "a", "agent_id": "other"}, "a", None)
    assert not is_record_of({"id": "b"}, "a", None)


CALL = Call("", "paris", "+33912345678", "+33612345678", "agent", 60.0)
EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from([0.0, 1.0, 30.0, 61.0])),
    max_size=30,
)


@given(EVENTS)
def test_no_id_is_taken_by_two_calls_within_its_life(
    events: list[tuple[str, int, float]],
) -> None:
    """Nor is one refused for longer than two lives."""
    ids, now = StagedIds(), 1000.0
    owners: dict[str, tuple[int, float]] = {}
    seen: dict[str, float] = {}
    for staged_id, number, pause in events:
        now += pause
        taken = ids.take(staged_id, numbered(CALL, number), now)
        owner, since = owners.get(staged_id, (0, 0.0))
        if owner not in {0, number} and now - since < LIFETIME:
            assert not taken
        if now - seen.get(staged_id, 0.0) >= 2 * LIFETIME:
            assert taken
        if taken and owner != number:
            owners[staged_id] = number, now
        seen[staged_id] = now


def test_ids_are_forgotten_after_their_life(call: Call) -> None:
    ids = StagedIds()
    for number in range(1000):
        assert ids.take(f"id-{number}", numbered(call, number), float(number))
    assert len(ids) <= 2 * LIFETIME
