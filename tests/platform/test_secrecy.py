"""The API key is in no log line, repr, error or traceback."""

from __future__ import annotations

import gc
import logging
import traceback
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.http_client import client as http_transport
from sip_stager.http_client import connection, connector, pool
from sip_stager.platform import api as rounded
from sip_stager.platform.api import RoundedApi
from sip_stager.staging import attempts, stager
from sip_stager.staging.stager import ApiStager

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from sip_stager.model.call import Call, Decision

KEY = "key-that-nobody-may-see"
ROOM = (attempts, connection, connector, http_transport, pool, rounded, stager)
OURS = {module.__name__ for module in ROOM}


@pytest.mark.parametrize("fault", ["", "reset", "hang_up", "truncated_body", "crlf_call_id"])
async def test_no_event_decision_or_log_line_holds_the_key(
    fake: FakeApi,
    client: RoundedApi,
    call: Call,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.default = Behaviour(fault=fault)
    reported: list[Event | Decision] = []
    await ApiStager(client, reported.append).start(call, reported.append)
    assert len(reported) == 3
    printed = capfd.readouterr()
    assert KEY not in f"{reported!r}{reported}{caplog.text}{printed.out}{printed.err}"


async def test_no_object_shows_the_key(client: RoundedApi, call: Call) -> None:
    staging = ApiStager(client, lambda _: None)
    await staging.start(call, lambda _: None)
    ours = [one for one in gc.get_objects() if type(one).__module__ in OURS]
    assert any(isinstance(one, RoundedApi) for one in ours)
    assert not [one for one in ours if KEY in f"{one!r}{one}"]


async def test_no_traceback_shows_the_key_even_with_its_locals(call: Call) -> None:
    async with RoundedApi("http://127.0.0.1:1", SecretStr(KEY)) as client:
        request = httpx.Request("GET", "http://127.0.0.1:1/")
        with pytest.raises(httpx.ConnectError) as caught:
            await client._client.transport.handle_async_request(request)
    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(error.format()).replace(repr(KEY), "")  # this test's own KEY
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
