from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, NoReturn

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.events import StagingEnded, StagingPolled, StagingStarted
from sip_stager.model.call import Call, Decision, Forward, Refusal
from sip_stager.platform.api import RoundedApi
from sip_stager.staging.stager import ApiStager

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from tests.support.api_fixtures import Deadlines

Mode = Literal["sync", "async"]
KEY = "key-that-nobody-may-see"


class Stage:
    """A stager, and the events that it reported."""

    def __init__(self, client: RoundedApi, call: Call, mode: Mode = "sync") -> None:
        self.events: list[Event] = []
        self.decisions: list[Decision] = []
        self.call = call
        self.staging = ApiStager(
            client, self.events.append, mode=mode, poll_interval_min=0.01, poll_interval_max=0.05
        )

    def start(self) -> asyncio.Task[None]:
        return self.staging.start_staging(self.call, self.decisions.append)

    async def decision(self) -> Decision:
        await self.start()
        (decision,) = self.decisions
        return decision

    @property
    def ended(self) -> StagingEnded:
        (ended,) = [event for event in self.events if isinstance(event, StagingEnded)]
        assert self.events[-1] is ended
        return ended

    @property
    def polled(self) -> list[str]:
        return [event.status for event in self.events if isinstance(event, StagingPolled)]


async def _eventually(condition: Callable[[], int], value: int = 1) -> None:
    while condition() != value:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_staged_call_is_forwarded_with_its_id(
    client: RoundedApi, call: Call, mode: Mode
) -> None:
    stage = Stage(client, call, mode)
    decision = await stage.decision()
    assert decision == Forward(stage.ended.staged_id)
    assert stage.events[0] == StagingStarted(call, mode)
    assert (stage.ended.outcome, stage.ended.http_status) == ("staged", 201)
    assert sum(stage.ended.phases.values()) <= stage.ended.elapsed


async def test_nothing_is_called_back_before_start_has_returned(
    client: RoundedApi, call: Call
) -> None:
    stage = Stage(client, call)
    task = stage.start()
    assert (stage.events, stage.decisions, stage.staging.waiting) == ([], [], 1)
    await task
    await asyncio.sleep(0)
    assert stage.staging.waiting == 0


async def test_in_async_mode_a_call_is_polled_until_it_is_staged(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=30)
    stage = Stage(client, call, "async")
    task = stage.start()
    await _eventually(lambda: min(len(stage.polled), 4), 4)
    for one in fake.calls.values():
        one.created -= 30
    await task
    assert isinstance(stage.decisions[0], Forward)
    *before, last = stage.polled
    assert set(before) == {"initiated"}
    assert last == "staged"
    assert set(stage.ended.phases) == {"connect", "request", "poll"}
    pauses = 0.01 + 0.02 + 0.04 + 0.05 * (len(before) - 2)
    assert stage.ended.phases["poll"] >= pauses - 0.001 * len(stage.polled)  # a timer's steps


async def test_polling_goes_on_after_an_unknown_status(
    fake: FakeApi, client: RoundedApi, call: Call, deadlines: Deadlines
) -> None:
    fake.default = Behaviour(becomes="warming")
    stage = Stage(client, call, "async")
    task = stage.start()
    await _eventually(lambda: min(len(stage.polled), 2), 2)
    deadlines.pass_()
    await task
    assert isinstance(stage.decisions[0], Refusal)
    assert set(stage.polled) == {"warming"}
    assert stage.ended.outcome == "timeout"


@pytest.mark.parametrize(
    "status",
    [
        "ringing",
        "in_progress",
        "connected",
        "failed",
        "busy",
        "no_answer",
        "canceled",
        "completed",
        "redirection_completed",
    ],
)
async def test_a_call_that_is_claimed_or_over_is_refused_at_once(
    fake: FakeApi, client: RoundedApi, call: Call, status: str
) -> None:
    fake.default = Behaviour(becomes=status)
    stage = Stage(client, call, "async")
    decision = await stage.decision()
    assert isinstance(decision, Refusal)
    assert decision.cause == "refused"
    assert status in decision.text
    assert fake.stats.polls == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_poll_that_fails_for_the_moment_is_repeated(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(poll_failures=2, poll_status=status)
    assert isinstance(await Stage(client, call, "async").decision(), Forward)
    assert fake.stats.polls == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_a_poll_waits_as_long_as_the_api_asks(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(poll_failures=1, poll_status=status, retry_after="1")
    stage = Stage(client, call, "async")
    assert isinstance(await stage.decision(), Forward)
    assert stage.ended.phases["poll"] >= 1.0
    assert fake.stats.polls == 2


@pytest.mark.parametrize(
    ("status", "cause"), [(429, "busy"), (500, "failed"), (502, "failed"), (503, "failed")]
)
async def test_a_poll_retry_after_past_the_deadline_ends_the_staging_at_once(
    fake: FakeApi, client: RoundedApi, call: Call, status: int, cause: str
) -> None:
    fake.default = Behaviour(poll_failures=1, poll_status=status, retry_after="99")
    stage = Stage(client, call, "async")
    decision = await stage.decision()
    assert isinstance(decision, Refusal)
    assert (decision.cause, decision.retry_after, fake.stats.polls) == (cause, None, 1)
    assert stage.ended.http_status == status
    assert stage.ended.elapsed < call.deadline


async def test_in_async_mode_a_refused_call_is_not_polled(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=422)
    assert isinstance(await Stage(client, call, "async").decision(), Refusal)
    assert fake.stats.requests == 1


async def test_a_poll_is_repeated_while_the_network_is_broken(
    fake: FakeApi, client: RoundedApi, call: Call, deadlines: Deadlines
) -> None:
    fake.default = Behaviour(delay=9)
    stage = Stage(client, call, "async")
    task = stage.start()
    await _eventually(lambda: min(fake.stats.polls, 1))
    await fake.close()
    await asyncio.sleep(0.2)
    deadlines.pass_()
    await task
    assert stage.ended.outcome == "timeout"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_poll_that_fails_for_good_ends_the_staging(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(poll_failures=99, poll_status=status)
    stage = Stage(client, call, "async")
    assert isinstance(await stage.decision(), Refusal)
    assert (stage.ended.outcome, stage.ended.http_status) == ("refused", status)
    assert fake.stats.polls == 1


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("fault", ["silent", "slow_headers", "drip"])
async def test_one_deadline_holds_over_everything(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, mode: Mode
) -> None:
    fake.default = Behaviour(fault=fault)
    stage = Stage(client, call._replace(deadline=0.30004), mode)
    decision = await stage.decision()
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.cause) == (503, "timeout")
    assert decision.text == "the API did not stage the call within 0.3 s"
    assert stage.ended.elapsed >= 0.29
    await _eventually(lambda: fake.stats.aborted == fake.stats.stage_requests)  # if any came


async def test_no_poll_comes_after_the_deadline(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=9)
    stage = Stage(client, call._replace(deadline=0.15), "async")
    assert isinstance(await stage.decision(), Refusal)
    polls = fake.stats.polls
    await asyncio.sleep(0.15)
    assert fake.stats.polls == polls


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_cancelling_closes_the_http_request_at_once(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(latency=9)
    stage = Stage(client, call, mode)
    task = stage.start()
    await _eventually(lambda: fake.stats.stage_requests)
    task.cancel()
    await _eventually(lambda: fake.stats.aborted)
    assert (stage.decisions, stage.ended.outcome) == ([], "cancelled")
    assert stage.staging.waiting == 0
    assert fake.stats.stage_requests == 1


async def test_cancelling_between_polls_ends_them(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=9)
    stage = Stage(client, call, "async")
    task = stage.start()
    await _eventually(lambda: min(fake.stats.polls, 1))
    task.cancel()
    await asyncio.wait([task])
    polls = fake.stats.polls
    await asyncio.sleep(0.1)
    assert (fake.stats.polls, stage.decisions, stage.ended.outcome) == (polls, [], "cancelled")


async def test_cancelling_before_the_task_began_sends_nothing(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    stage = Stage(client, call)
    stage.start().cancel()
    await asyncio.sleep(0.05)
    assert (stage.events, stage.decisions, stage.staging.waiting) == ([], [], 0)
    assert fake.stats.requests == 0


async def test_nothing_is_decided_after_cancel_at_any_moment(
    client: RoundedApi, call: Call
) -> None:
    for turns in range(60):
        stage = Stage(client, call)
        task = stage.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        decided = len(stage.decisions)
        task.cancel()
        await asyncio.wait([task])
        assert len(stage.decisions) == decided


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("hangs_up_first", [True, False])
async def test_a_caller_who_hangs_up_as_the_deadline_passes_gets_no_decision(
    fake: FakeApi,
    client: RoundedApi,
    call: Call,
    mode: Mode,
    deadlines: Deadlines,
    *,
    hangs_up_first: bool,
) -> None:
    fake.default = Behaviour(delay=9)
    stage = Stage(client, call, mode)
    task = stage.start()
    await _eventually(lambda: fake.stats.stage_requests)
    if hangs_up_first:
        task.cancel()
    deadlines.pass_()
    if not hangs_up_first:
        task.cancel()
    await asyncio.wait([task])
    assert (stage.decisions, stage.ended.outcome) == ([], "cancelled")


async def test_many_cancelled_calls_leave_nothing_behind(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=9)
    stage = Stage(client, call)
    tasks = [stage.start() for _ in range(50)]
    await _eventually(lambda: fake.stats.stage_requests, 50)
    for task in tasks:
        task.cancel()
    await _eventually(lambda: fake.stats.aborted, 50)
    assert stage.staging.waiting == 0
    fake.default = Behaviour()
    assert isinstance(await stage.decision(), Forward)


class Broken(RoundedApi):
    async def stage(self, *_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError


async def test_an_internal_error_is_logged_and_refuses_the_call(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    async with Broken("http://127.0.0.1:1", SecretStr(KEY)) as client:
        stage = Stage(client, call)
        decision = await stage.decision()
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.cause) == (503, "internal_error")
    assert stage.ended.outcome == "internal_error"
    (line,) = caplog.records
    assert (line.message, vars(line)["call_id"]) == ("staging_failed", "sip-call-1")


async def test_an_exception_in_an_observer_costs_no_call(
    client: RoundedApi, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Event) -> None:
        raise ZeroDivisionError

    decisions: list[Decision] = []
    await ApiStager(client, broken).start_staging(call, decisions.append)
    assert [type(decision) for decision in decisions] == [Forward]
    assert set(caplog.messages) == {"notify_failed"}


async def test_an_exception_in_done_is_logged_and_done_is_not_called_again(
    client: RoundedApi, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    decisions: list[Decision] = []

    def broken(decision: Decision) -> None:
        decisions.append(decision)
        raise ZeroDivisionError

    await ApiStager(client, lambda _: None).start_staging(call, broken)
    assert len(decisions) == 1
    assert caplog.messages == ["staging_result_failed"]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_stopping_refuses_the_call_and_closes_its_request(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(delay=9)
    stage = Stage(client, call, mode)
    stage.start()
    await _eventually(lambda: fake.stats.stage_requests)
    await stage.staging.stop()
    (decision,) = stage.decisions
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.cause) == (503, "stopped")
    assert (stage.ended.outcome, stage.staging.waiting) == ("stopped", 0)


async def test_stopping_at_any_moment_leaves_no_call_without_a_decision(
    client: RoundedApi, call: Call
) -> None:
    for turns in range(60):
        stage = Stage(client, call)
        stage.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        await stage.staging.stop()
        assert len(stage.decisions) == 1
