from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop
from pydantic import SecretStr

from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.http_client import connector
from sip_stager.model.call import Call
from sip_stager.platform.api import RoundedApi
from sip_stager.staging import deadlines as deadlines_of_calls
from sip_stager.staging import stager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEY = "key-that-nobody-may-see"


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test under both loops: uvloop's transports and errors are not asyncio's."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def call() -> Call:
    agent_id = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
    return Call("sip-call-1", "paris", "+33912345678", "+33612345678", agent_id, 60.0)


class Deadlines:
    """The deadlines of calls that are staged; they pass when the test says so.

    How far a call comes until then does not depend on the speed of the machine.
    """

    def __init__(self) -> None:
        self._made: list[deadlines_of_calls.Deadlines] = []

    def make(self) -> deadlines_of_calls.Deadlines:
        self._made.append(deadlines_of_calls.Deadlines())
        return self._made[-1]

    def pass_(self) -> None:
        for one in self._made:
            one.end_all(deadlines_of_calls.EndedBy.TIMEOUT)


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    deadlines = Deadlines()
    monkeypatch.setattr(stager, "Deadlines", deadlines.make)
    return deadlines


@pytest.fixture
def noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a connection's end in time, however long the machine stands still."""
    monkeypatch.setattr(connector, "MIN_CROSSING_WINDOW", 60.0)
    monkeypatch.setattr(connector, "MAX_CROSSING_WINDOW", 60.0)


@pytest.fixture
def noticed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time in which an end has crossed a request: 0.1 s after it, it never has."""
    monkeypatch.setattr(connector, "MAX_CROSSING_WINDOW", 0.05)


@pytest.fixture
async def fake() -> AsyncIterator[FakeApi]:
    async with FakeApi(key=KEY) as api:
        yield api


@pytest.fixture
async def client(fake: FakeApi) -> AsyncIterator[RoundedApi]:
    async with RoundedApi(fake.url, SecretStr(KEY), max_body_bytes=4096) as api:
        yield api
