"""The platform's numbers are fetched off every call's path; on any failure the last list stays."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform import number_list as fake_number_list
from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.demo.fake_platform.number_list import number_record
from sip_stager.events import Event, NumbersNotRefreshed, NumbersRefreshed
from sip_stager.model.vocabulary import StagingOutcome
from sip_stager.platform import number_list
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.number_list import MAX_PAGE_BYTES
from sip_stager.platform.number_watch import NumberWatch
from sip_stager.platform.outcome import ApiUnreachable, InvalidResponse, Refused, TimedOut
from sip_stager.trunks.platform_numbers import PlatformNumbers
from tests.interop.ports import free_port
from tests.support.api_fixtures import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from aiohttp import web

    from sip_stager.demo.fake_platform.server import FakeApi

TIMEOUT = 10.0
ONE = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
NUMBERS = [f"+336123456{number:02}" for number in range(10)]


class Desk:
    """A watch over the numbers of a fake API, and the events that it reported."""

    def __init__(self, fake: FakeApi) -> None:
        self.fake = fake
        self.events: list[Event] = []
        self.applied: list[PlatformNumbers] = []
        api = RoundedApi(fake.url, SecretStr(KEY), connections=1, max_body_bytes=MAX_PAGE_BYTES)
        self.numbers = NumberWatch(api, self.events.append, self.applied.append, 0.01)

    def serve(self, *numbers: str, agent: str | None = ONE) -> None:
        self.fake.phone_numbers.items = [number_record(number, agent) for number in numbers]

    def behave(self, **behaviour: object) -> None:
        self.fake.behaviours["phone_numbers"] = Behaviour.model_validate(behaviour)

    @property
    def refreshes(self) -> Counter[str]:
        return Counter(
            "refreshed" if isinstance(event, NumbersRefreshed) else event.outcome
            for event in self.events
            if isinstance(event, NumbersRefreshed | NumbersNotRefreshed)
        )

    @property
    def rows(self) -> list[str]:
        return list(self.numbers.table.rows) if self.numbers.table else []

    async def next(self, outcome: str) -> None:
        """Wait for one more whole refresh with that outcome."""
        before = self.refreshes[outcome]
        await self.until(lambda: self.refreshes[outcome] > before + 1)

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not fact():  # noqa: ASYNC110  # no event to wait for
                await asyncio.sleep(0.005)


@pytest.fixture
async def desk(fake: FakeApi) -> AsyncIterator[Desk]:
    desk = Desk(fake)
    yield desk
    await desk.numbers.stop()


async def test_starting_fetches_the_whole_list_page_by_page(desk: Desk) -> None:
    desk.serve(*NUMBERS)
    desk.fake.phone_numbers.page_limit = 3
    assert await desk.numbers.start(TIMEOUT) == ""
    assert desk.fake.stats.requests == 4
    assert desk.rows == NUMBERS
    assert desk.numbers.counts["staged"] == 10
    assert desk.numbers.refreshed_at is not None
    assert [event.news for event in desk.events if isinstance(event, NumbersRefreshed)] == [True]


async def test_a_large_page_is_read_in_slices_with_turns_of_the_loop_between(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.serve(*(f"+336{number:08}" for number in range(1000)))
    read: list[tuple[int, int]] = []
    turns = 0

    def take_a_turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(take_a_turn)

    class Observed(PlatformNumbers):
        def add(self, items: Collection[object]) -> None:
            read.append((len(items), turns))
            super().add(items)

    monkeypatch.setattr(number_list, "PlatformNumbers", Observed)
    take_a_turn()
    assert await desk.numbers.start(TIMEOUT) == ""
    assert [size for size, _ in read] == [200] * 5
    assert len({turn for _, turn in read}) == 5


async def test_the_list_is_fetched_periodically_and_changes_are_reported_as_news(
    desk: Desk,
) -> None:
    desk.serve(*NUMBERS[:2])
    await desk.numbers.start(TIMEOUT)
    await desk.next("refreshed")
    assert {row.generation for row in desk.applied[-1].rows.values()} == {1}
    desk.serve(*NUMBERS[1:3], agent=OTHER)
    await desk.until(lambda: desk.rows == NUMBERS[1:3])
    assert desk.applied[-1].agents.keys() == {OTHER}
    news = [event.news for event in desk.events if isinstance(event, NumbersRefreshed)]
    assert sum(news) == 2


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (401, StagingOutcome.REFUSED),
        (403, StagingOutcome.REFUSED),
        (404, StagingOutcome.REFUSED),
        (429, StagingOutcome.BUSY),
        (500, StagingOutcome.FAILED),
    ],
)
async def test_a_refusal_leaves_the_last_good_list(
    desk: Desk, status: int, word: StagingOutcome
) -> None:
    desk.serve(*NUMBERS)
    await desk.numbers.start(TIMEOUT)
    desk.behave(status=status, message="not you")
    await desk.next(word)
    assert desk.rows == NUMBERS
    (failure,) = {event for event in desk.events if isinstance(event, NumbersNotRefreshed)}
    assert failure == NumbersNotRefreshed(word, status, "not you")
    desk.behave()
    await desk.next("refreshed")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_refused_at_start_is_reported_and_tried_again(desk: Desk, status: int) -> None:
    desk.behave(status=status, message="not you")
    assert await desk.numbers.start(TIMEOUT) == f"HTTP {status}: not you"
    assert desk.numbers.counts["staged"] == 0
    assert desk.numbers.refreshed_at is None
    desk.serve(*NUMBERS)
    desk.behave()
    await desk.until(lambda: desk.rows == NUMBERS)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("truncated_json", "invalid_response"),
        ("oversized", "invalid_response"),
        ("compressed", "invalid_response"),
        ("no_call_id", "invalid_response"),
        ("wrong_types", "invalid_response"),
        ("redirect", "refused"),
        ("hang_up", "api_unreachable"),
        ("reset", "api_unreachable"),
        ("truncated_body", "api_unreachable"),
        ("drip", "timeout"),
        ("slow_headers", "timeout"),
        ("silent", "timeout"),
    ],
)
async def test_a_fault_leaves_the_last_good_list(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: Fault, outcome: str
) -> None:
    desk.serve(*NUMBERS)
    await desk.numbers.start(TIMEOUT)
    if outcome == "timeout":
        monkeypatch.setattr(number_list, "REQUEST_TIMEOUT", 0.2)
    desk.behave(fault=fault)
    await desk.until(lambda: desk.refreshes[outcome])
    assert desk.rows == NUMBERS
    assert desk.refreshes.keys() <= {"refreshed", outcome}


async def test_an_api_that_is_down_is_asked_again(desk: Desk) -> None:
    await desk.fake.close()
    port = free_port()  # below the ports that outgoing connections use
    desk.fake.url = f"http://127.0.0.1:{port}"
    desk = Desk(desk.fake)
    desk.serve(*NUMBERS)
    assert await desk.numbers.start(TIMEOUT)
    await desk.fake.serve(port=port)
    await desk.until(lambda: desk.rows == NUMBERS)
    await desk.numbers.stop()
    assert desk.refreshes["api_unreachable"]


async def test_starting_waits_a_bounded_time(desk: Desk) -> None:
    desk.serve(*NUMBERS)
    desk.behave(latency=0.2)
    assert await desk.numbers.start(0.001) == ""
    assert desk.rows == []
    await desk.until(lambda: desk.rows)


async def test_an_interval_of_zero_fetches_nothing(desk: Desk) -> None:
    api = RoundedApi(desk.fake.url, SecretStr(KEY))
    numbers = NumberWatch(api, desk.events.append, desk.applied.append, 0.0)
    assert await numbers.start(TIMEOUT) == ""
    await numbers.stop()
    assert desk.fake.stats.requests == 0


async def test_stopping_drops_the_request_that_is_under_way(desk: Desk) -> None:
    desk.behave(latency=60.0)
    await desk.numbers.start(0.01)
    await desk.until(lambda: desk.fake.stats.active)
    await desk.numbers.stop()
    await desk.until(lambda: desk.fake.stats.aborted)


async def test_a_suddenly_empty_list_is_used_the_second_time(desk: Desk) -> None:
    desk.serve(*NUMBERS)
    await desk.numbers.start(TIMEOUT)
    desk.serve()
    await desk.until(lambda: desk.refreshes["invalid_response"])
    assert desk.rows == NUMBERS
    await desk.until(lambda: not desk.rows)
    assert desk.refreshes["invalid_response"] == 1
    assert desk.applied[-1].rows == {}


async def test_an_internal_error_costs_one_list(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.serve(*NUMBERS)
    with monkeypatch.context() as patched:
        patched.setattr(PlatformNumbers, "add", None)
        assert "internal error" in await desk.numbers.start(TIMEOUT)
    await desk.until(lambda: desk.rows == NUMBERS)
    assert desk.refreshes["internal_error"]


async def test_a_list_that_changes_while_it_is_read_is_not_used(desk: Desk) -> None:
    desk.serve(*NUMBERS)
    await desk.numbers.start(TIMEOUT)
    desk.fake.phone_numbers = Growing(desk.fake.phone_numbers.items, page_limit=3)
    await desk.next("invalid_response")
    assert desk.rows == NUMBERS
    texts = {event.text for event in desk.events if isinstance(event, NumbersNotRefreshed)}
    assert all("the list changed while it was read" in text for text in texts)


class Growing(fake_number_list.NumberList):
    def page(self, query: Mapping[str, str]) -> web.Response:
        self.items = [*self.items, number_record(f"+336999{len(self.items):05}", ONE)]
        return super().page(query)


@pytest.mark.parametrize(
    ("failure", "pause"),
    [
        (None, 300.0),
        (Refused(403, "no"), 300.0),
        (Refused(429, "slowly"), 300.0),
        (Refused(429, "slowly", 600), 600.0),
        (Refused(429, "slowly", 10**9), 3600.0),
        (Refused(503, "soon", 20), 20.0),
        (Refused(500, "oh"), 10.0),
        (TimedOut("late"), 10.0),
        (ApiUnreachable("down"), 10.0),
        (InvalidResponse("what"), 10.0),
    ],
)
async def test_the_delay_before_the_next_fetch_follows_from_the_failure(
    fake: FakeApi, failure: Refused | TimedOut | None, pause: float
) -> None:
    api = RoundedApi(fake.url, SecretStr(KEY))
    numbers = NumberWatch(api, lambda _: None, lambda _: None, 300.0)
    assert numbers._delay(failure) == pause
    await numbers.stop()
