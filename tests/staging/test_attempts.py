"""A call under an API that is down, busy or slow: against real servers, within its deadline."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.api import FakeApi
from sip_stager.demo.behaviour import Behaviour
from sip_stager.events import (
    BreakerMoved,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingWasted,
)
from sip_stager.ports import Decision, Forward, Refusal
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.outcome import NOT_ASKED
from sip_stager.staging.retry import Retries
from sip_stager.staging.rounded import RoundedApi
from sip_stager.staging.stager import Staging

if TYPE_CHECKING:
    from sip_stager.demo.behaviour import Fault
    from sip_stager.events import Event
    from sip_stager.ports import Call
    from sip_stager.staging.attempts import Mode

KEY = "key-that-nobody-may-see"
SHY = BreakerRules(share=0.5, window=10.0, least=3, pause=0.1, pause_most=0.1)
SHUT = BreakerRules(share=0.5, window=10.0, least=3, pause=60.0, pause_most=60.0)


class Staged:
    """A stager with short pauses, and what it told."""

    def __init__(
        self,
        client: RoundedApi,
        mode: Mode = "sync",
        retries: Retries = Retries(2, 0.02),  # noqa: B008  # it is frozen
        breaker: BreakerRules = SHUT,
    ) -> None:
        self.events: list[Event] = []
        self.decisions: list[Decision] = []
        self.staging = Staging(
            client,
            self.events.append,
            mode=mode,
            poll_first=0.01,
            poll_most=0.01,
            retries=retries,
            breaker=breaker,
        )

    def start(self, call: Call) -> asyncio.Task[None]:
        return self.staging.start(call, self.decisions.append)

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

    async def retries(self, times: int) -> None:
        while len(self.retried) < times:  # noqa: ASYNC110  # a list can wake nobody
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(("status", "word"), [(429, "busy"), (503, "failed")])
async def test_an_api_that_is_busy_for_a_moment_costs_no_call(
    fake: FakeApi, client: RoundedApi, call: Call, status: int, word: str, mode: Mode
) -> None:
    fake.default = Behaviour(status=status)
    staged = Staged(client, mode, Retries(2, 0.05))
    task = staged.start(call)
    await staged.retries(1)
    fake.default = Behaviour()
    await task
    assert isinstance(staged.decisions[0], Forward)
    (retried,) = staged.retried
    assert retried == StagingRetried(call, word, status, retried.wait)
    assert 0.05 <= retried.wait <= 0.075
    assert staged.ended.phases["retry_wait"] >= 0.045
    assert sum(staged.ended.phases.values()) <= staged.ended.elapsed
    assert fake.stats.stage_requests == 2


async def test_a_retry_after_that_fits_is_waited_for(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=503, retry_after="1")
    staged = Staged(client)
    task = staged.start(call)
    await staged.retries(1)
    fake.default = Behaviour()
    await task
    assert isinstance(staged.decisions[0], Forward)
    assert staged.ended.phases["retry_wait"] >= 0.99


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_that_does_not_fit_ends_the_staging_at_once(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(status=status, retry_after="4")
    staged = Staged(client)
    decision = await staged.decision(call)
    assert isinstance(decision, Refusal)
    assert decision.retry_after == 4
    assert (staged.ended.http_status, fake.stats.stage_requests) == (status, 1)
    assert staged.ended.elapsed < call.deadline


async def test_an_api_that_stays_busy_is_asked_so_often_and_no_more(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=503, message="busy")
    staged = Staged(client)
    assert isinstance(await staged.decision(call), Refusal)
    assert (staged.ended.outcome, staged.ended.text) == ("failed", "busy")
    assert fake.stats.stage_requests == 3


async def test_an_api_that_comes_up_meanwhile_costs_no_call(fake: FakeApi, call: Call) -> None:
    port = int(fake.url.rpartition(":")[2])
    await fake.close()
    async with RoundedApi(fake.url, SecretStr(KEY)) as client:
        staged = Staged(client, retries=Retries(2, 0.1))
        task = staged.start(call)
        await staged.retries(1)
        async with FakeApi(key=KEY) as back:
            await back.close()
            await back.serve(port=port)
            await task
    assert isinstance(staged.decisions[0], Forward)
    assert [retried.outcome for retried in staged.retried] == ["unreachable"]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("fault", ["reset", "hang_up", "truncated_body"])
async def test_what_the_api_may_have_taken_up_is_tried_again_only_where_that_is_set(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, mode: Mode
) -> None:
    fake.default = Behaviour(fault=fault)
    careful = Staged(client, mode)
    assert isinstance(await careful.decision(call), Refusal)
    assert fake.stats.stage_requests == 1
    bold = Staged(client, mode, Retries(2, 0.02, ambiguous=True))
    assert isinstance(await bold.decision(call), Refusal)
    assert fake.stats.stage_requests == 4


async def test_a_deadline_that_passed_is_the_end_whatever_is_set(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(fault="silent")
    staged = Staged(client, retries=Retries(9, 0.01, ambiguous=True))
    await staged.decision(replace(call, deadline=0.2))
    assert (staged.ended.outcome, staged.retried) == ("over_time", [])
    assert fake.stats.stage_requests == 1


async def test_who_hangs_up_between_two_attempts_is_not_staged_again(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=503)
    staged = Staged(client, retries=Retries(2, 0.1))
    task = staged.start(call)
    await staged.retries(1)
    task.cancel()
    await asyncio.sleep(0.15)
    assert (staged.decisions, staged.ended.outcome) == ([], "cancelled")
    assert "retry_wait" in staged.ended.phases
    assert fake.stats.stage_requests == 1


async def test_a_limit_that_is_used_up_is_waited_for(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "1"})
    staged = Staged(client)
    assert isinstance(await staged.decision(call), Forward)
    assert "rate_limit" not in staged.ended.phases
    assert client.rate_limit.remaining == 0
    assert isinstance(await staged.decision(call), Forward)
    assert staged.ended.phases["rate_limit"] >= 0.9


async def test_a_limit_that_is_used_up_for_too_long_ends_the_staging_without_a_request(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"})
    staged = Staged(client)
    assert isinstance(await staged.decision(call), Forward)
    decision = await staged.decision(call)
    assert isinstance(decision, Refusal)
    assert decision.text.startswith("the API's rate limit is used up for")
    assert decision.retry_after == 9
    assert (staged.ended.outcome, staged.ended.http_status) == ("busy", NOT_ASKED)
    assert fake.stats.stage_requests == 1
    assert staged.staging.breaker_state == "closed"


async def failing(staged: Staged, call: Call, calls: int) -> None:
    for _ in range(calls):
        assert isinstance(await staged.decision(call), Refusal)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(status=500),
        Behaviour(status=503, retry_after="9"),
        Behaviour(status=408),
        Behaviour(fault="silent"),
        Behaviour(fault="hang_up"),
        Behaviour(fault="no_call_id"),
    ],
    ids=str,
)
async def test_an_api_that_fails_is_left_alone(
    fake: FakeApi, client: RoundedApi, call: Call, behaviour: Behaviour
) -> None:
    fake.default = behaviour
    staged = Staged(client)
    await failing(staged, replace(call, deadline=0.2), 3)
    assert staged.moves == ["open"]
    staged.events.clear()
    decision = await staged.decision(call)
    assert isinstance(decision, Refusal)
    assert decision.cause == "breaker_open"
    assert decision.text.startswith("the API failed too often; it is left alone for")
    assert (staged.ended.outcome, staged.ended.phases) == ("breaker_open", {})
    assert not [event for event in staged.events if isinstance(event, StagingStarted)]
    assert fake.stats.stage_requests == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
async def test_an_api_that_says_no_is_not_left_alone(
    fake: FakeApi, client: RoundedApi, call: Call, status: int
) -> None:
    fake.default = Behaviour(status=status)
    staged = Staged(client, retries=Retries(0))
    await failing(staged, call, 5)
    assert (staged.moves, fake.stats.stage_requests) == ([], 5)


async def test_a_caller_who_hangs_up_is_no_failure_of_the_api(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(delay=9)
    staged = Staged(client)
    tasks = [staged.start(call) for _ in range(5)]
    while fake.stats.stage_requests < 5:  # noqa: ASYNC110  # a counter can wake nobody
        await asyncio.sleep(0.005)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert staged.moves == []


async def test_a_call_that_never_left_our_queue_is_no_failure_of_the_api(
    fake: FakeApi, call: Call
) -> None:
    fake.default = Behaviour(delay=0.4)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=1) as client:
        staged = Staged(client)
        first = staged.start(call)
        await asyncio.sleep(0.05)
        await asyncio.gather(*(staged.start(replace(call, deadline=0.1)) for _ in range(5)))
        assert set(staged.ended.phases) == {"queue"}
        await first
    assert staged.moves == []
    assert [type(decision) for decision in staged.decisions] == [Refusal] * 5 + [Forward]


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_one_call_tries_again_and_closes_it_when_the_api_is_back(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(status=500)
    staged = Staged(client, mode, breaker=SHY)
    await failing(staged, call, 3)
    await asyncio.sleep(0.12)
    fake.default = Behaviour(delay=0.05)
    await asyncio.gather(*(staged.start(call) for _ in range(5)))
    assert [type(one) for one in staged.decisions[3:]] == [Refusal] * 4 + [Forward]
    assert staged.moves == ["open", "half_open", "closed"]
    assert isinstance(await staged.decision(call), Forward)


async def test_a_call_is_not_tried_again_once_the_breaker_has_opened(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    other = replace(call, to_number="+33199999999")
    fake.by[other.to_number] = Behaviour(status=500)
    fake.default = Behaviour(status=503, message="busy")
    staged = Staged(client, retries=Retries(2, 0.2))
    trying = staged.start(call)
    await staged.retries(1)
    await failing(staged, other, 3)
    assert staged.moves == ["open"]
    await trying
    assert (staged.ended.outcome, staged.ended.text) == ("failed", "busy")
    assert (len(staged.retried), fake.stats.stage_requests) == (1, 4)


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_calls_that_wait_for_a_connection_go_to_their_policy_when_the_breaker_opens(
    fake: FakeApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(latency=0.2, status=500)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=3) as client:
        staged = Staged(client, mode)
        await asyncio.gather(*(staged.start(replace(call, deadline=60.0)) for _ in range(20)))
    causes = [one.cause for one in staged.decisions if isinstance(one, Refusal)]
    sent = fake.stats.stage_requests
    assert 3 <= sent <= 6  # who fails first leaves his place to another
    assert (len(causes), causes.count("breaker_open")) == (20, 20 - sent)
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
async def test_calls_that_wait_for_their_next_attempt_go_to_their_policy_when_it_opens(
    fake: FakeApi, client: RoundedApi, call: Call, behaviour: Behaviour, phase: str, outcome: str
) -> None:
    patient = replace(call, deadline=60.0)
    staged = Staged(client, breaker=BreakerRules(0.5, 10.0, 1, 60.0, 60.0))
    fake.by["+33199999999"] = Behaviour(latency=0.2, status=500)
    fails = staged.start(replace(call, to_number="+33199999999"))
    fake.default = behaviour
    if behaviour.status == 201:
        assert isinstance(await staged.decision(patient), Forward)
    waiting = staged.start(patient)
    await asyncio.gather(fails, waiting)
    assert (staged.moves, staged.ended.outcome) == (["open"], outcome)
    assert 0 < staged.ended.phases[phase] < 30


async def test_a_call_that_is_staged_already_is_polled_to_its_end_when_the_breaker_opens(
    fake: FakeApi, call: Call
) -> None:
    fake.default = Behaviour(delay=0.3)
    fake.by["+33199999999"] = Behaviour(status=500, latency=0.1)
    async with RoundedApi(fake.url, SecretStr(KEY), connections=1) as client:
        staged = Staged(client, "async", breaker=BreakerRules(1.0, 10.0, 1, 60.0, 60.0))
        good = staged.start(call)
        await asyncio.sleep(0.1)
        await staged.start(replace(call, to_number="+33199999999"))
        assert staged.moves == ["open"]
        await good
    assert [type(one) for one in staged.decisions] == [Refusal, Forward]


async def test_a_call_that_is_about_to_be_ready_does_not_wait_behind_new_ones(
    fake: FakeApi, call: Call
) -> None:
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
async def test_a_storm_of_429_is_met_with_patience(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    storm = 300
    fake.default = Behaviour(status=429, retry_after="1")
    staged = Staged(client, mode)
    began = asyncio.get_running_loop().time()
    calls = [staged.start(call) for _ in range(storm)]
    await staged.retries(storm)
    fake.default = Behaviour()
    await asyncio.gather(*calls)
    assert [type(one) for one in staged.decisions] == [Forward] * storm
    assert (staged.moves, fake.stats.stage_requests) == ([], 2 * storm)
    waits = sorted(retried.wait for retried in staged.retried)
    assert waits[0] >= 1
    assert waits[-1] - waits[0] > 0.3  # and not all at the same moment
    assert asyncio.get_running_loop().time() - began >= 1


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_storm_of_429_without_end_is_met_with_few_attempts(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    fake.default = Behaviour(status=429)
    staged = Staged(client, mode)
    await asyncio.gather(*(staged.start(call) for _ in range(300)))
    assert {one.cause for one in staged.decisions if isinstance(one, Refusal)} == {"busy"}
    assert (len(staged.decisions), fake.stats.stage_requests) == (300, 900)


@pytest.mark.parametrize("ends", ["hangs_up", "over_time", "refused", "stopping"])
async def test_a_call_that_is_given_up_once_its_id_is_known_is_wasted(
    fake: FakeApi, client: RoundedApi, call: Call, ends: str
) -> None:
    refused = ends == "refused"
    fake.default = Behaviour(delay=9, poll_failures=99 if refused else 0, poll_status=403)
    staged = Staged(client, "async")
    task = staged.start(replace(call, deadline=0.1 if ends == "over_time" else 4.0))
    while not fake.stats.polls:  # noqa: ASYNC110  # a counter can wake nobody
        await asyncio.sleep(0.002)
    if ends == "hangs_up":
        task.cancel()
    elif ends == "stopping":
        await staged.staging.stop()
    await asyncio.wait([task])
    [call_id] = fake._calls
    assert [one.call_id for one in staged.events if isinstance(one, StagingWasted)] == [call_id]


async def test_a_deadline_that_passes_while_the_program_is_busy_is_over_time(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    staged = Staged(client, "async")
    fake.default = Behaviour(delay=9)

    def told(event: Event) -> None:
        staged.events.append(event)
        if isinstance(event, StagingPolled):
            time.sleep(0.3)  # the loop is to be blocked

    staged.staging = Staging(client, told, mode="async", poll_first=0.01)
    await staged.decision(replace(call, deadline=0.2))
    assert staged.ended.outcome == "over_time"


@pytest.mark.parametrize("becomes", ["staged", "in_progress", "failed"])
async def test_a_call_that_is_used_or_over_is_not_wasted(
    fake: FakeApi, client: RoundedApi, call: Call, becomes: str
) -> None:
    fake.default = Behaviour(delay=0.02, becomes=becomes)
    staged = Staged(client, "async")
    await staged.decision(call)
    assert [one for one in staged.events if isinstance(one, StagingWasted)] == []
