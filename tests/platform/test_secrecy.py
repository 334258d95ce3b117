"""The API key is in no log line, repr, error or traceback."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.http_client import client as http_client
from sip_stager.http_client import connection, connector, messages, pool
from sip_stager.platform import api, json_client
from sip_stager.platform.api import RoundedApi
from sip_stager.staging import attempts, stager
from sip_stager.staging.stager import ApiStager
from tests.support.black_hole import black_hole, port_of

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from sip_stager.model.call import Call, Decision

KEY = "key-that-nobody-may-see"
ROOM = (
    *(api, attempts, connection, connector, http_client, json_client),
    *(messages, pool, stager),
)
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
    await ApiStager(client, reported.append).start_staging(call, reported.append)
    assert len(reported) == 3
    printed = capfd.readouterr()
    assert KEY not in f"{reported!r}{reported}{caplog.text}{printed.out}{printed.err}"


async def test_no_object_shows_the_key(client: RoundedApi, call: Call) -> None:
    staging = ApiStager(client, lambda _: None)
    await staging.start_staging(call, lambda _: None)
    ours = [one for one in gc.get_objects() if type(one).__module__ in OURS]
    assert any(isinstance(one, RoundedApi) for one in ours)
    assert not [one for one in ours if KEY in f"{one!r}{one}"]


@pytest.mark.parametrize("moment", ["connecting", "waiting"])
async def test_no_traceback_shows_the_key_even_with_its_locals(
    fake: FakeApi, call: Call, moment: str
) -> None:
    """Failures are values; what is left is the cancellation that a deadline raises."""
    fake.default = Behaviour(delay=60)
    with black_hole() as listener:
        url = fake.url if moment == "waiting" else f"http://127.0.0.1:{port_of(listener)}"
        async with RoundedApi(url, SecretStr(KEY)) as client:
            asking = asyncio.create_task(client.stage(call, {}, sync=True))
            await asyncio.sleep(0.05)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await asking
    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(error.format())
    assert "exchange" in shown
    assert KEY not in shown


async def test_no_failure_shows_the_key(call: Call) -> None:
    async with RoundedApi("http://127.0.0.1:1", SecretStr(KEY)) as client:
        assert KEY not in repr(await client.stage(call, {}, sync=True))
