"""Attempts against an API that is down, busy or slow: real servers, within the call's deadline."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.events import (
    BreakerMoved,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingWasted,
)
from sip_stager.model.call import Decision, Forward, Refusal
from sip_stager.model.vocabulary import (
    RetryCause,
    StagingOutcome,
)
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import NOT_SENT
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.retry import Retries
from sip_stager.staging.stager import ApiStager
from tests.support.black_hole import port_of
from tests.support.scripted_api import Scripted, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.demo.fake_platform.behaviour import Fault
    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from sip_stager.model.call import Call
    from sip_stager.staging.attempts import Mode
    from tests.support.api_fixtures import Deadlines

KEY = "key-that-nobody-may-see"
BRIEFLY_OPEN = BreakerRules(
    0.5, window=10.0, min_calls=3, open_time=0.1, max_open_time=0.1, slow_call=0.0
)
LONG_OPEN = replace(BRIEFLY_OPEN, open_time=60.0, max_open_time=60.0)


class Staged:
    """A stager with short delays, and the events that it reported."""

    def __init__(
        self,
        client: RoundedApi,
        mode: Mode = "sync",
        retries: Retries = Retries(2, 0.02),  # noqa: B008  # it is frozen
        breaker: BreakerRules = LONG_OPEN,
        then: Callable[[StagingRetried], object] | None = None,
        agents: int = 1,
    ) -> None:
        """Call ``then`` at each retry, before its request is sent."""
        self.then = then
        self.on_start: Callable[[], object] | None = None
        self.events: list[Event] = []
        self.decisions: list[Decision] = []
        self.staging = ApiStager(
            client,
            self.report,
            mode=mode,
            poll_interval_min=0.01,
            poll_interval_max=0.01,
            retries=retries,
            breaker=breaker,
            agents=lambda: agents,
        )

    def report(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StagingStarted) and self.on_start:
            self.on_start()
        if isinstance(event, StagingRetried) and self.then:
            self.then(event)

    def start(self, call: Call) -> asyncio.Task[None]:
        return self.staging.start_staging(call, self.decisions.append)

    async def decision(self, call: Call) -> Decision:
        await self.start(call)
        return self.decisions[-1]

    @property
    def ended(self) -> StagingEnded:
        return [event for event in self.events if isinstance(event, StagingEnded)][-1]

    @property
    def retried(self) -> list[StagingRetried]:
        return [event for event in self.events if isinstance(event, StagingRetried)]

    @property
    def moves(self) -> list[str]:
        return [event.state for event in self.events if isinstance(event, BreakerMoved)]

    async def is_between_attempts(self) -> None:
        """Wait until a call is between two attempts."""
        while not self.staging._attempts._pausing:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.002)

    async def retries(self, times: int) -> None:
        while len(self.retried) < times:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.002)


def recovery(fake: FakeApi) -> Callable[[StagingRetried], None]:
    """Make the API stage a refused number at its next attempt."""

    def recover(retried: StagingRetried) -> None:
        fake.behaviours[retried.call.to_number] = Behaviour()

    return recover


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("status", "word"), [(429, StagingOutcome.BUSY), (503, StagingOutcome.FAILED)]
)
async def test_a_briefly_busy_api_costs_no_call(
    fake: FakeApi, client: RoundedApi, call: Call, status: int, word: StagingOutcome, mode: Mode
) -> None:
    fake.default = Behaviour(status=status, retry_after="0")
    staged = Staged(client, mode, Retries(2, 0.05), then=recovery(fake))
    assert isinstance(await staged.decision(call), Forward)
    (retried,) = staged.retried
    assert retried == StagingRetried(call, word, status, retried.wait)
    assert 0.05 <= retried.wait <= 0.075
    assert staged.ended.phases["retry_wait"] >= 0.045
    assert sum(staged.ended.phases.values()) <= staged.ended.elapsed
    assert fake.stats.stage_requests == 2


async def test_a_retry_after_within_the_deadline_is_waited_for(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=503, retry_after="1")
    staged = Staged(client, then=recovery(fake))
    assert isinstance(await staged.decision(call), Forward)
    assert staged.ended.phases["retry_wait"] >= 0.99


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_past_the_deadline_ends_the_staging_at_once(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(status=status, retry_after="60")
    staged = Staged(client)
    decision = await staged.decision(call)
    assert isinstance(decision, Refusal)
    assert decision.retry_after is None
    assert (staged.ended.http_status, fake.stats.stage_requests) == (status, 1)
    assert staged.ended.elapsed < call.deadline


async def test_the_number_of_attempts_is_limited(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=503, message="busy", retry_after="0")
    staged = Staged(client)
    assert isinstance(await staged.decision(call), Refusal)
    assert (staged.ended.outcome, staged.ended.text) == ("failed", "busy")
    assert fake.stats.stage_requests == 3


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(("status", "word"), [(429, "busy"), (503, "failed")])
async def test_a_busy_api_without_a_retry_after_is_not_asked_again(
    fake: FakeApi, client: RoundedApi, call: Call, status: int, word: StagingOutcome, mode: Mode
) -> None:
    fake.default = Behaviour(status=status)
    staged = Staged(client, mode)
    await failing(staged, call, 2)
    assert (staged.ended.outcome, staged.retried) == (word, [])
    assert fake.stats.stage_requests == 2


async def test_a_busy_api_is_asked_again_when_its_rate_limit_resets(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    limit = {"RateLimit-Remaining": "0", "RateLimit-Reset": "1"}
    fake.default = Behaviour(status=429, headers=limit)
    staged = Staged(client, then=recovery(fake))
    assert isinstance(await staged.decision(call), Forward)
    assert [retried.outcome for retried in staged.retried] == ["busy"]
    assert staged.ended.phases["retry_wait"] >= 0.9


async def test_an_api_that_comes_up_within_the_deadline_costs_no_call(call: Call) -> None:
    given = answer(b'{"data": {"call_id": "abc"}}')
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        async with RoundedApi(f"http://127.0.0.1:{port_of(port)}", SecretStr(KEY)) as client:
            staged = Staged(client, retries=Retries(2, 0.1), then=lambda _: port.listen())
            task = staged.start(call)
            await staged.retries(1)
            async with Scripted(given, listener=port):
                await task
    assert staged.decisions[0] == Forward("abc")
    assert [retried.outcome for retried in staged.retried] == ["api_unreachable"]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("fault", ["reset", "hang_up", "truncated_body"])
async def test_an_ambiguous_failure_is_retried_only_if_the_settings_allow_it(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, mode: Mode
) -> None:
    fake.default = Behaviour(fault=fault)
    careful = Staged(client, mode)
    assert isinstance(await careful.decision(call), Refusal)
    assert fake.stats.stage_requests == 1
    bold = Staged(client, mode, Retries(2, 0.02, ambiguous=True))
    assert isinstance(await bold.decision(call), Refusal)
    assert fake.stats.stage_requests == 4


@pytest.mark.usefixtures("noticed_late")
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("ambiguous", [False, True])
async def test_a_request_that_the_api_read_before_it_closed_is_an_ambiguous_failure(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode, *, ambiguous: bool
) -> None:
    await client.warm(1)
    fake.default = Behaviour(delay=0.1, latency=0.1, fault="hang_up")
    staged = Staged(client, mode, Retries(1, 0.02, ambiguous=ambiguous))
    assert isinstance(await staged.decision(call), Refusal)
    assert [retried.outcome for retried in staged.retried] == ["api_unreachable"] * ambiguous
    assert fake.stats.stage_requests == 1 + ambiguous


@pytest.mark.usefixtures("noticed_at_once")
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_request_that_crossed_a_close_is_sent_again_and_reported(
    call: Call, mode: Mode
) -> None:
    given = answer(b'{"data": {"call_id": "abc"}}')
    ready = answer(b'{"data": {"status": "staged"}}', "200 OK")
    async with (
        Scripted(given, ready) as server,
        RoundedApi(f"http://127.0.0.1:{server.port}", SecretStr(KEY)) as client,
    ):
        staged = Staged(client, mode)
        assert await staged.decision(call) == Forward("abc")
        assert staged.retried == []
        staged.on_start = lambda: server.close(0)
        assert await staged.decision(call) == Forward("abc")
    assert staged.retried == [StagingRetried(call, RetryCause.CLOSED, 0, 0.0)]
    assert "closed" in staged.ended.phases
    assert sum(staged.ended.phases.values()) <= staged.ended.elapsed
    assert sum(request.startswith(b"POST") for request in server.requests) == 2


@pytest.mark.usefixtures("noticed_at_once")
async def test_a_crossed_request_is_not_reported_as_sent_again_if_no_connection_can_be_made(
    call: Call,
) -> None:
    async with (
        Scripted(answer(b'{"data": {"call_id": "abc"}}')) as server,
        RoundedApi(f"http://127.0.0.1:{server.port}", SecretStr(KEY)) as client,
    ):
        staged = Staged(client, retries=Retries(0, 0.02))
        assert await staged.decision(call) == Forward("abc")

        def ends() -> None:
            server.close(0)
            server.stop_listening()

        staged.on_start = ends
        assert isinstance(await staged.decision(call), Refusal)
    assert {"closed", "connect"} <= staged.ended.phases.keys()
    assert staged.retried == []
    assert len(server.requests) == 1


async def test_nothing_is_retried_after_the_deadline(
    fake: FakeApi, client: RoundedApi, call: Call, deadlines: Deadlines
) -> None:
    fake.default = Behaviour(fault="silent")
    staged = Staged(client, retries=Retries(9, 0.01, ambiguous=True))
    await timeout(fake, staged, call, deadlines)
    assert (staged.ended.outcome, staged.retried) == ("timeout", [])
    assert fake.stats.stage_requests == 1


async def test_a_call_cancelled_between_two_attempts_is_not_staged_again(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=503, retry_after="30")
    staged = Staged(client)
    task = staged.start(call)
    await staged.is_between_attempts()
    task.cancel()
    await asyncio.wait([task])
    assert (staged.decisions, staged.ended.outcome) == ([], "cancelled")
    assert "retry_wait" in staged.ended.phases
    assert staged.retried == []
    assert fake.stats.stage_requests == 1


async def test_a_used_up_rate_limit_is_waited_for(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "1"})
    staged = Staged(client)
    began = time.perf_counter()
    assert isinstance(await staged.decision(call), Forward)
    assert "rate_limit" not in staged.ended.phases
    assert client.rate_limit.remaining == 0
    assert isinstance(await staged.decision(call), Forward)
    assert time.perf_counter() >= began + 1


async def test_a_429_of_one_agent_takes_no_call_from_another(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    other = call._replace(
        to_number="+33199999999", agent_id="7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77", deadline=4.0
    )
    fake.behaviours[other.to_number] = Behaviour(status=429, retry_after="20")
    staged = Staged(client, agents=2)
    for _ in range(3):
        await failing(staged, other, 1)
        assert isinstance(await staged.decision(call), Forward)
        assert "rate_limit" not in staged.ended.phases
    assert fake.stats.stage_requests == 4  # the agent itself is held


async def test_a_rate_limit_used_up_past_the_deadline_ends_the_staging_without_a_request(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"})
    staged = Staged(client)
    assert isinstance(await staged.decision(call), Forward)
    decision = await staged.decision(call._replace(deadline=4.0))
    assert isinstance(decision, Refusal)
    assert decision.text.startswith("the API's rate limit is used up for")
    assert decision.retry_after is None
    assert (staged.ended.outcome, staged.ended.http_status) == ("busy", NOT_SENT)
    assert fake.stats.stage_requests == 1
    assert staged.staging.breaker_state == "closed"


async def timeout(fake: FakeApi, staged: Staged, call: Call, deadlines: Deadlines) -> None:
    """Make a call's deadline pass while the API has its request."""
    before, task = fake.stats.stage_requests, staged.start(call)
    while fake.stats.stage_requests == before:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.002)
    deadlines.pass_()
    await task


async def failing(staged: Staged, call: Call, calls: int) -> None:
    for _ in range(calls):
        assert isinstance(await staged.decision(call), Refusal)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(status=500),
        Behaviour(status=503, retry_after="99"),
        Behaviour(status=408),
        Behaviour(fault="silent"),
        Behaviour(fault="hang_up"),
        Behaviour(fault="no_call_id"),
    ],
    ids=str,
)
async def test_failures_open_the_breaker(
    fake: FakeApi, client: RoundedApi, call: Call, behaviour: Behaviour, deadlines: Deadlines
) -> None:
    fake.default = behaviour
    staged = Staged(client)
    for _ in range(3):
        if behaviour.fault == "silent":
            await timeout(fake, staged, call, deadlines)
        else:
            await failing(staged, call, 1)
    assert staged.moves == ["open"]
    staged.events.clear()
    decision = await staged.decision(call)
    assert isinstance(decision, Refusal)
    assert decision.cause == "breaker_open"
    assert decision.text.startswith("the API failed too often; it is left alone for another")
    assert (staged.ended.outcome, staged.ended.phases) == ("breaker_open", {})
    assert not [event for event in staged.events if isinstance(event, StagingStarted)]
    assert fake.stats.stage_requests == 3


async def test_failed_polls_open_the_breaker(fake: FakeApi, client: RoundedApi, call: Call) -> None:
    fake.default = Behaviour(poll_failures=99, poll_status=503, retry_after="99")
    staged = Staged(client, "async")
    await failing(staged, call, 3)
    assert (staged.ended.outcome, staged.moves) == ("failed", ["open"])
    assert (staged.retried, fake.stats.stage_requests) == ([], 3)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_agent_that_fails_takes_no_call_from_another(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    other = call._replace(to_number="+33199999999", agent_id="7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77")
    fake.behaviours[other.to_number] = Behaviour(status=500)
    staged = Staged(client, mode, agents=2)
    for _ in range(4):
        await failing(staged, other, 2)
        assert isinstance(await staged.decision(call), Forward)
    refused = staged.decisions[-2]
    assert isinstance(refused, Refusal)
    assert (refused.cause, refused.retry_after) == ("agent_breaker_open", None)
    assert refused.text.startswith("this agent failed too often; it is left alone for another")
    assert staged.moves == []
    assert not staged.staging.rejects_calls
    assert staged.staging.agent_breakers == {"open": 1, "half_open": 0}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
async def test_refusals_do_not_open_the_breaker(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(status=status)
    staged = Staged(client, retries=Retries(0))
    await failing(staged, call, 5)
    assert (staged.moves, fake.stats.stage_requests) == ([], 5)


async def test_cancelled_calls_do_not_open_the_breaker(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=9)
    staged = Staged(client)
    tasks = [staged.start(call) for _ in range(5)]
    while fake.stats.stage_requests < 5:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert staged.moves == []


async def test_a_call_that_never_left_our_queue_does_not_open_the_breaker(
    fake: FakeApi, call: Call
) -> None:
    fake.default = Behaviour(delay=60)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=1) as client:
        staged = Staged(client)
        first = staged.start(call)
        while not fake.stats.stage_requests:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
        await asyncio.gather(*(staged.start(call._replace(deadline=0.1)) for _ in range(5)))
        assert set(staged.ended.phases) == {"queue"}
        first.cancel()
        await asyncio.wait([first])
    assert staged.moves == []
    assert [type(decision) for decision in staged.decisions] == [Refusal] * 5


@pytest.mark.parametrize(
    ("slow", "follows", "moves"),
    [(0.0, False, ["open"]), (30.0, False, []), (0.0, True, [])],
    ids=["the API had it for long", "it had little time", "another agent follows"],
)
async def test_a_timeout_counts_as_a_failure_only_if_the_api_had_the_call_for_long(
    fake: FakeApi,
    client: RoundedApi,
    call: Call,
    deadlines: Deadlines,
    slow: float,
    *,
    follows: bool,
    moves: list[str],
) -> None:
    fake.default = Behaviour(delay=30)
    staged = Staged(client, breaker=replace(LONG_OPEN, slow_call=slow))
    for _ in range(3):
        await timeout(fake, staged, call._replace(another_follows=follows), deadlines)
    assert staged.ended.outcome == "timeout"
    assert staged.moves == moves


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_one_call_probes_the_api_and_closes_the_breaker(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(status=500)
    staged = Staged(client, mode, breaker=BRIEFLY_OPEN)
    await failing(staged, call, 3)
    await asyncio.sleep(0.12)
    fake.default = Behaviour(delay=0.05)
    await asyncio.gather(*(staged.start(call) for _ in range(5)))
    assert [type(one) for one in staged.decisions[3:]] == [Refusal] * 4 + [Forward]
    assert staged.moves == ["open", "half_open", "closed"]
    assert isinstance(await staged.decision(call), Forward)


async def test_an_open_breaker_ends_retries(fake: FakeApi, client: RoundedApi, call: Call) -> None:
    other = call._replace(to_number="+33199999999")
    fake.behaviours[other.to_number] = Behaviour(status=500)
    fake.default = Behaviour(status=503, message="busy", retry_after="30")
    staged = Staged(client)
    trying = staged.start(call)
    await staged.is_between_attempts()
    await failing(staged, other, 3)
    assert staged.moves == ["open"]
    await trying
    assert (staged.ended.outcome, staged.ended.text) == ("failed", "busy")
    assert (staged.retried, fake.stats.stage_requests) == ([], 4)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_an_opening_breaker_rejects_calls_that_wait_for_a_connection(
    fake: FakeApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(latency=0.2, status=500)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=3) as client:
        staged = Staged(client, mode)
        await asyncio.gather(*(staged.start(call) for _ in range(20)))
    causes = [one.cause for one in staged.decisions if isinstance(one, Refusal)]
    sent = fake.stats.stage_requests
    assert 3 <= sent <= 6  # the first to fail free their connections for others
    assert (len(causes), causes.count(StagingOutcome.BREAKER_OPEN)) == (20, 20 - sent)
    queued = [event.phases for event in staged.events if isinstance(event, StagingEnded)]
    assert sum(set(phases) == {"queue"} for phases in queued) == 20 - sent


@pytest.mark.parametrize(
    ("behaviour", "phase", "outcome"),
    [
        (Behaviour(status=503, retry_after="30"), "retry_wait", "failed"),
        (Behaviour(status=429, retry_after="30"), "retry_wait", "busy"),
        (
            Behaviour(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}),
            "rate_limit",
            "breaker_open",
        ),
    ],
    ids=str,
)
async def test_an_opening_breaker_rejects_calls_that_wait_for_an_attempt(
    fake: FakeApi,
    client: RoundedApi,
    call: Call,
    behaviour: Behaviour,
    phase: str,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails_now = asyncio.Event()

    async def hold(behaviour: Behaviour, *, sync: bool) -> None:
        if behaviour.status == 500:
            await fails_now.wait()

    monkeypatch.setattr(fake, "_hold", hold)
    staged = Staged(client, breaker=BreakerRules(0.5, 10.0, 1, 60.0, 60.0))
    fake.behaviours["+33199999999"] = Behaviour(status=500)
    fails = staged.start(call._replace(to_number="+33199999999"))
    while not fake.stats.stage_requests:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)
    fake.default = behaviour
    if behaviour.status == 201:
        assert isinstance(await staged.decision(call), Forward)
    waiting = staged.start(call)
    while not staged.staging._attempts._pausing:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.005)
    fails_now.set()
    await asyncio.gather(fails, waiting)
    assert (staged.moves, staged.ended.outcome) == (["open"], outcome)
    assert 0 < staged.ended.phases[phase] < 30


async def test_an_opening_breaker_does_not_end_polling(fake: FakeApi, call: Call) -> None:
    fake.default = Behaviour(delay=30)
    fake.behaviours["+33199999999"] = Behaviour(status=500, latency=0.1)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=1) as client:
        staged = Staged(client, "async", breaker=BreakerRules(1.0, 10.0, 1, 60.0, 60.0))
        good = staged.start(call)
        while not fake.stats.polls:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
        await staged.start(call._replace(to_number="+33199999999"))
        assert staged.moves == ["open"]
        for one in fake.calls.values():
            one.created -= 30
        await good
    assert [type(one) for one in staged.decisions] == [Refusal, Forward]


async def test_polls_go_before_new_stagings(fake: FakeApi, call: Call) -> None:
    fake.default = Behaviour(latency=0.05)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=1) as client:
        staged = Staged(client, "async")
        first = staged.start(call)
        others = [staged.start(call) for _ in range(20)]
        await first
        assert fake.stats.stage_requests <= 2
        for other in others:
            other.cancel()
        await asyncio.wait(others)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_many_calls_refused_with_429_come_back_spread_out(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    storm = 300
    fake.default = Behaviour(status=429, retry_after="1")
    staged = Staged(client, mode, then=recovery(fake))
    numbers = (f"+336123{number:05}" for number in range(storm))
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(staged.start(call._replace(to_number=number)) for number in numbers))
    assert [type(one) for one in staged.decisions] == [Forward] * storm
    assert (staged.moves, fake.stats.stage_requests) == ([], 2 * storm)
    waits = sorted(retried.wait for retried in staged.retried)
    assert waits[0] >= 1
    assert waits[-1] - waits[0] > 0.3  # and not all at the same moment
    assert asyncio.get_running_loop().time() >= began + 1


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_many_calls_refused_with_429_without_retry_after_are_sent_once(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(status=429)
    staged = Staged(client, mode)
    await asyncio.gather(*(staged.start(call) for _ in range(300)))
    assert {one.cause for one in staged.decisions if isinstance(one, Refusal)} == {"busy"}
    assert (len(staged.decisions), fake.stats.stage_requests) == (300, 300)


@pytest.mark.parametrize("ends", ["hangs_up", "timeout", "refused", "stopped"])
async def test_a_call_abandoned_after_its_id_is_known_is_wasted(
    fake: FakeApi, client: RoundedApi, call: Call, ends: str, deadlines: Deadlines
) -> None:
    refused = ends == "refused"
    fake.default = Behaviour(delay=9, poll_failures=99 if refused else 0, poll_status=403)
    staged = Staged(client, "async")
    task = staged.start(call)
    while not fake.stats.polls:  # noqa: ASYNC110  # no event to wait for
        await asyncio.sleep(0.002)
    if ends == "hangs_up":
        task.cancel()
    elif ends == "timeout":
        deadlines.pass_()
    elif ends == "stopped":
        await staged.staging.stop()
    await asyncio.wait([task])
    [staged_id] = fake._calls
    assert [one.staged_id for one in staged.events if isinstance(one, StagingWasted)] == [staged_id]


async def test_a_deadline_that_passes_while_the_loop_is_blocked_is_a_timeout(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    staged = Staged(client, "async")
    fake.default = Behaviour(delay=9)

    def report(event: Event) -> None:
        staged.events.append(event)
        if isinstance(event, StagingPolled):
            time.sleep(0.3)  # blocks the loop

    staged.staging = ApiStager(client, report, mode="async", poll_interval_min=0.01)
    await staged.decision(call._replace(deadline=0.2))
    assert staged.ended.outcome == "timeout"


@pytest.mark.parametrize("becomes", ["staged", "in_progress", "failed"])
async def test_a_call_that_is_claimed_or_over_is_not_wasted(
    fake: FakeApi, client: RoundedApi, call: Call, becomes: str
) -> None:
    fake.default = Behaviour(delay=0.02, becomes=becomes)
    staged = Staged(client, "async")
    await staged.decision(call)
    assert [one for one in staged.events if isinstance(one, StagingWasted)] == []
