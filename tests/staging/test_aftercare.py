"""Aftercare labels, reconciles and terminates calls, and stays out of the calls' way."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour
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
from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import (
    AftercareKind,
    AftercareOutcome,
    CallOutcome,
    StagingOutcome,
    TerminationOutcome,
)
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import Staged
from sip_stager.platform.rate_limit import RateLimit
from sip_stager.staging import aftercare
from sip_stager.staging.aftercare import Aftercare
from tests.support.api_fixtures import KEY
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.model.call import Call

CONNECTIONS, RECORDS = 8, 6
AGENT = Flow("UDP", "192.0.2.2", 5060)
UNKNOWN = "Not found"


class Care:
    """Aftercare with everything switched on, and the events that it reported."""

    def __init__(
        self,
        url: str,
        *,
        wanted: bool = True,
        terminate: bool = True,
        connections: int = CONNECTIONS,
    ) -> None:
        self.reported: asyncio.Queue[Event] = asyncio.Queue()
        self.calls_limit = RateLimit()
        self.care = Aftercare(
            RoundedApi(url, SecretStr(KEY), connections=connections),
            self.calls_limit,
            self.reported.put_nowait,
            connections=connections,
            label=wanted,
            reconcile=wanted,
            terminate=wanted and terminate,
        )

    async def event(self) -> Event:
        return await asyncio.wait_for(self.reported.get(), 20)

    async def idle(self) -> None:
        """Wait until nothing is queued or under way."""
        while self.busy:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)

    @property
    def busy(self) -> int:
        return (
            len(self.care._records) + len(self.care._terminations) + len(self.care._reconciliations)
        )


@pytest.fixture
async def care(fake: FakeApi) -> AsyncIterator[Care]:
    care = Care(fake.url)
    yield care
    await care.care.stop()


async def staged(client: RoundedApi, call: Call) -> str:
    outcome = await client.stage(call, {}, sync=True)
    assert isinstance(outcome, Staged)
    return outcome.staged_id


async def test_a_calls_record_is_labelled_with_its_staging_times(
    fake: FakeApi, client: RoundedApi, call: Call, care: Care
) -> None:
    staged_id = await staged(client, call)
    phases = {"connect": 0.01, "request": 0.19876}
    care.care(StagingEnded(call, StagingOutcome.STAGED, 0.2, phases, staged_id, 201))
    care.care(InviteForwarded(call, staged_id, AGENT, 0.21))
    care.care(InviteForwarded(call, staged_id, AGENT, 0.41, attempt=2))
    await care.idle()
    assert fake._calls[staged_id].metadata == {
        "sip_call_id": "sip-call-1",
        "trunk": "paris",
        "staging_seconds": 0.21,
        "staging_connect_seconds": 0.01,
        "staging_request_seconds": 0.199,
    }
    assert care.reported.empty()
    assert care.care._phases == {}


async def test_the_phases_of_calls_that_are_never_forwarded_are_dropped(
    call: Call, care: Care, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "MAX_REMEMBERED", 3)
    for number in range(5):
        care.care(
            StagingEnded(call, StagingOutcome.STAGED, 0.2, {"request": 0.2}, f"call-{number}", 201)
        )
    care.care(StagingWasted(call, "call-3"))
    assert list(care.care._phases) == ["call-2", "call-4"]


async def test_a_failed_label_is_reported(call: Call, care: Care) -> None:
    care.care(InviteForwarded(call, "nobody", AGENT, 0.21))
    failed = AftercareFailed(
        call, "nobody", AftercareKind.LABEL, StagingOutcome.REFUSED, 404, UNKNOWN
    )
    assert await care.event() == failed


async def test_an_answered_call_whose_staging_is_unclaimed_has_lost_its_header(
    fake: FakeApi,
    client: RoundedApi,
    call: Call,
    care: Care,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aftercare, "RECONCILE_DELAY", 0.0)
    staged_id = await staged(client, call)
    answered = CallEnded(call, staged_id, CallOutcome.ANSWERED, 200, 1.0)
    care.care(answered)
    await care.idle()
    assert care.reported.empty()
    fake._calls[staged_id].created -= 100
    care.care(answered)
    assert await care.event() == HeaderLost(call, staged_id)


async def test_a_failed_reconciliation_is_reported(
    call: Call, care: Care, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "RECONCILE_DELAY", 0.0)
    care.care(CallEnded(call, "nobody", CallOutcome.ANSWERED, 200, 1.0))
    failed = AftercareFailed(
        call, "nobody", AftercareKind.RECONCILE, StagingOutcome.REFUSED, 404, UNKNOWN
    )
    assert await care.event() == failed


async def test_reconciliations_that_are_due_together_are_sent_few_at_a_time(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "RECONCILE_DELAY", 0.05)
    monkeypatch.setattr(aftercare, "MAX_RECONCILIATIONS", 100)
    async with Scripted(b"") as server:
        care = Care(server.url.partition("/a?")[0])
        for _ in range(105):
            care.care(CallEnded(call, "call-1", CallOutcome.ANSWERED, 200, 1.0))
        left_out = AftercareFailed(
            call, "call-1", AftercareKind.RECONCILE, AftercareOutcome.SKIPPED
        )
        assert [await care.event() for _ in range(5)][4:] == [left_out]
        while server.connections < RECORDS:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert server.connections == RECORDS
        await care.care.stop()


@pytest.mark.parametrize(
    ("connections", "terminate", "records"),
    [(16, True, 12), (16, False, 16), (2, True, 1), (1, True, 1), (1, False, 1)],
)
async def test_labels_use_all_connections_but_those_reserved_for_terminations(
    call: Call, connections: int, records: int, *, terminate: bool
) -> None:
    async with Scripted(b"") as server:
        care = Care(server.url.partition("/a?")[0], connections=connections, terminate=terminate)
        for number in range(2 * connections):
            care.care(InviteForwarded(call, f"call-{number}", AGENT, 0.2))
        while server.connections < records:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert server.connections == records
        await care.care.stop()


async def test_a_wasted_call_is_terminated(
    fake: FakeApi, client: RoundedApi, call: Call, care: Care
) -> None:
    staged_id = await staged(client, call)
    care.care(StagingWasted(call, staged_id))
    assert await care.event() == StagingTerminated(staged_id, TerminationOutcome.ENDED)
    assert fake._calls[staged_id].terminated


async def test_terminating_a_call_that_has_ended_is_no_failure(call: Call, care: Care) -> None:
    """The API may answer 404: a call that the upstream rejected has mostly ended there."""
    care.care(StagingWasted(call, "nobody"))
    assert await care.event() == StagingTerminated("nobody", TerminationOutcome.OVER)
    assert care.reported.empty()


async def test_a_refused_termination_is_a_failure(call: Call) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
    async with Scripted(refusal) as server:
        care = Care(server.url.partition("/a?")[0])
        care.care(StagingWasted(call, "call-1"))
        assert await care.event() == StagingTerminated("call-1", StagingOutcome.REFUSED)
        failed = await care.event()
        assert isinstance(failed, AftercareFailed)
        assert (failed.kind, failed.http_status) == ("terminate", 403)
        await care.care.stop()


async def test_a_label_past_the_queues_limit_is_skipped_and_terminations_go_on(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "MAX_QUEUED", RECORDS)
    ended = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":{}}'
    async with Scripted(b"") as server:
        care = Care(server.url.partition("/a?")[0])
        for number in range(RECORDS):
            care.care(InviteForwarded(call, f"call-{number}", AGENT, 0.2))
        while server.connections < RECORDS:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
        for number in range(RECORDS + 1):
            care.care(InviteForwarded(call, f"late-{number}", AGENT, 0.2))
        assert await care.event() == AftercareFailed(
            call, "late-6", AftercareKind.LABEL, AftercareOutcome.SKIPPED
        )
        server.answers = (ended,)
        care.care(StagingWasted(call, "wasted"))
        assert await care.event() == StagingTerminated("wasted", TerminationOutcome.ENDED)
        await care.care.stop()


async def test_a_request_without_a_response_times_out(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aftercare, "REQUEST_TIMEOUT", 0.05)
    async with Scripted(b"") as silent:
        care = Care(silent.url.partition("/a?")[0])
        care.care(StagingWasted(call, "call-1"))
        assert await care.event() == StagingTerminated("call-1", StagingOutcome.TIMEOUT)
        await care.care.stop()


async def test_nothing_is_sent_while_the_calls_rate_limit_is_used_up(
    fake: FakeApi, client: RoundedApi, call: Call, care: Care
) -> None:
    staged_id = await staged(client, call)
    used_up = [(b"RateLimit-Remaining", b"0"), (b"RateLimit-Reset", b"1")]
    now = perf_counter()
    care.calls_limit.update(201, used_up, now, 0.0)
    care.care(StagingWasted(call, staged_id))
    assert await care.event() == StagingTerminated(staged_id, TerminationOutcome.ENDED)
    assert perf_counter() >= now + 1


async def test_stopping_waits_for_terminations_alone(
    fake: FakeApi,
    client: RoundedApi,
    call: Call,
    care: Care,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wasted, labelled = await staged(client, call), await staged(client, call)
    fake.default = Behaviour(latency=0.1)
    care.care(InviteForwarded(call, labelled, AGENT, 0.2))
    care.care(CallEnded(call, labelled, CallOutcome.ANSWERED, 200, 1.0))
    care.care(StagingWasted(call, wasted))
    await care.care.stop()
    assert fake._calls[wasted].terminated
    assert fake._calls[labelled].metadata == {}
    (left,) = (line for line in caplog.records if line.message == "aftercare_dropped")
    assert vars(left)["text"] == "the program stopped before these requests were done"


async def test_stopping_waits_a_bounded_time(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aftercare, "STOP_TIMEOUT", 0.05)
    async with Scripted(b"") as silent:
        care = Care(silent.url.partition("/a?")[0])
        care.care(StagingWasted(call, "call-1"))
        await care.care.stop()
        assert care.reported.empty()


async def test_the_settings_switch_each_kind_of_request_off(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    staged_id, care = await staged(client, call), Care(fake.url, wanted=False)
    for event in (
        StagingEnded(call, StagingOutcome.STAGED, 0.2, {"request": 0.2}, staged_id, 201),
        InviteForwarded(call, staged_id, AGENT, 0.2),
        CallEnded(call, staged_id, CallOutcome.ANSWERED, 200, 1.0),
        StagingWasted(call, staged_id),
    ):
        care.care(event)
    assert not care.busy
    assert care.care._phases == {}
    await care.care.stop()


async def test_a_call_forwarded_without_a_staged_agent_needs_no_aftercare(
    call: Call, care: Care
) -> None:
    care.care(InviteForwarded(call, "", AGENT, 0.2))
    care.care(CallEnded(call, "", CallOutcome.ANSWERED, 200, 1.0))
    assert not care.busy
