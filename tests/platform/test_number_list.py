"""The list comes in pages, and is used if it is complete, in whatever order its numbers come."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform import number_list as fake_number_list
from sip_stager.demo.fake_platform.number_list import number_record
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.platform import number_list
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.number_list import fetch_number_list
from sip_stager.platform.outcome import InvalidResponse
from sip_stager.trunks.platform_numbers import PlatformNumbers
from tests.support.api_fixtures import KEY
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp import web

ONE = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
NUMBERS = [f"+336123456{number:02}" for number in range(10)]


async def test_numbers_created_in_one_moment_all_come_wherever_a_page_ends(
    fake: FakeApi,
) -> None:
    """The API's cursor is a time, and would skip the rest of those of one moment."""
    fake.phone_numbers.items = [number_record(number, ONE) for number in NUMBERS]
    assert len({item["created_at"] for item in fake.phone_numbers.items}) == 1
    fake.phone_numbers.page_limit = 3
    async with RoundedApi(fake.url, SecretStr(KEY)) as api:
        table = await fetch_number_list(api)
    assert isinstance(table, PlatformNumbers)
    assert list(table.rows) == NUMBERS


def swapped(items: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Show one number twice and miss another, at the first edge of pages of a thousand."""
    return [*items[:999], items[999], items[999], *items[1001:]] if limit == 1000 else items


async def test_a_number_that_changed_places_between_two_pages_is_found_with_another_page_size() -> (
    None
):
    """Numbers of one moment have no order: the last of a page may be the first of the next."""
    items = [number_record(f"+336{number:08}", ONE) for number in range(1500)]
    async with _serving(items, swapped) as (fake, api):
        table = await fetch_number_list(api)
        assert fake.stats.requests == 4
    assert isinstance(table, PlatformNumbers)
    assert len(table.rows) == table.counts["staged"] == 1500
    assert table.unusable == 0


async def test_a_list_with_gaps_is_not_used() -> None:
    items = [number_record(f"+336{number:08}", ONE) for number in range(1500)]
    async with _serving(items, lambda items, _: [*items[:-1], items[0]]) as (fake, api):
        assert await fetch_number_list(api) == InvalidResponse(
            "the list is not complete: it should have 1500 numbers, but 1499 different ones came"
        )
        assert fake.stats.requests == 6


@asynccontextmanager
async def _serving(
    items: list[dict[str, Any]], order: Callable[[list[dict[str, Any]], int], list[dict[str, Any]]]
) -> AsyncIterator[tuple[FakeApi, RoundedApi]]:
    """Serve a list whose order depends on the size of the pages."""

    class Unordered(fake_number_list.NumberList):
        def page(self, query: Mapping[str, str]) -> web.Response:
            ordered = order(items, int(query["limit"]))
            return fake_number_list.NumberList(ordered).page(query)

    async with (
        FakeApi(key=KEY) as fake,
        RoundedApi(fake.url, SecretStr(KEY), max_body_bytes=number_list.MAX_PAGE_BYTES) as api,
    ):
        fake.phone_numbers = Unordered()
        yield fake, api


@pytest.mark.parametrize("names", [("id", "number"), ("number",), ("id",)])
async def test_numbers_are_told_apart_by_id_or_else_by_number(
    fake: FakeApi, names: tuple[str, ...]
) -> None:
    whole = [number_record(number, ONE, id=index) for index, number in enumerate(NUMBERS, 1)]
    bare = [{name: item[name] for name in names} for item in whole]
    fake.phone_numbers.items = [{**item, "inbound_agent_id": None} for item in bare]
    fake.phone_numbers.page_limit = 3
    async with RoundedApi(fake.url, SecretStr(KEY)) as api:
        table = await fetch_number_list(api)
        fake.phone_numbers.items[5] = fake.phone_numbers.items[2]
        short = await fetch_number_list(api)
    if "number" in names:
        assert isinstance(table, PlatformNumbers)
        assert table.counts["without_agent"] == len(NUMBERS)
    else:
        assert isinstance(table, InvalidResponse)
        assert "none of its 10 numbers is usable" in table.text
    assert isinstance(short, InvalidResponse)
    assert "9 different ones came" in short.text


async def test_items_without_a_number_cost_no_other_number(fake: FakeApi) -> None:
    nameless: list[Any] = [None, {}, {"id": [1], "number": ""}]
    whole = [number_record(number, ONE) for number in NUMBERS]
    fake.phone_numbers.items = [*whole[:5], *nameless, *whole[5:]]
    fake.phone_numbers.page_limit = 3
    async with RoundedApi(fake.url, SecretStr(KEY)) as api:
        table = await fetch_number_list(api)
        fake.phone_numbers.total = 14
        short = await fetch_number_list(api)
    assert isinstance(table, PlatformNumbers)
    assert (list(table.rows), table.unusable) == (NUMBERS, 3)
    assert "(no number) has a number that is not a text" in table.problems
    assert isinstance(short, InvalidResponse)
    assert "should have 14 numbers, but 13 different" in short.text


async def test_ids_with_the_same_hash_are_told_apart(fake: FakeApi) -> None:
    assert hash(-1) == hash(-2)
    fake.phone_numbers.items = [
        number_record(number, ONE, id=index - len(NUMBERS)) for index, number in enumerate(NUMBERS)
    ]
    async with RoundedApi(fake.url, SecretStr(KEY)) as api:
        table = await fetch_number_list(api)
    assert isinstance(table, PlatformNumbers)
    assert list(table.rows) == NUMBERS


async def test_an_endless_list_is_not_used(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.phone_numbers.items = [number_record(number, ONE) for number in NUMBERS]
    fake.phone_numbers.page_limit = 1
    monkeypatch.setattr(number_list, "MAX_PAGES", 7)
    async with RoundedApi(fake.url, SecretStr(KEY)) as api:
        assert await fetch_number_list(api) == InvalidResponse("there are more than 7 pages")
        assert fake.stats.requests == 7
        fake.phone_numbers.total = 250_001
        assert await fetch_number_list(api) == InvalidResponse("there are more than 250000 numbers")
        assert fake.stats.requests == 8


@pytest.mark.parametrize("total", [9, 11])
async def test_a_list_of_another_length_than_announced_is_not_used(
    fake: FakeApi, total: int
) -> None:
    fake.phone_numbers.items = [number_record(number, ONE) for number in NUMBERS]
    fake.phone_numbers.total = total
    async with RoundedApi(fake.url, SecretStr(KEY)) as api:
        answer = await fetch_number_list(api)
    assert isinstance(answer, InvalidResponse)
    assert f"should have {total} numbers, but 10 different" in answer.text


BAD_ANSWERS = [
    {"data": [None, {"number": "x"}], "total_items": 2},
    {"data": [None] * 1001, "total_items": 1001},
    {"data": []},
    {"data": [], "total_items": -1},
    {"data": [], "total_items": "0"},
    {"data": [number_record(NUMBERS[0], ONE)], "total_items": True},
    {"data": [number_record(NUMBERS[0], ONE)], "next_cursor": "2023-11-07T05:31:56Z"},
    {"data": {"items": []}},
    {"items": []},
    [],
    "x",
]


@pytest.mark.parametrize("said", BAD_ANSWERS, ids=lambda said: json.dumps(said)[:40])
async def test_an_answer_of_another_shape_is_an_invalid_response(said: object) -> None:
    async with (
        Scripted(_answer(said)) as server,
        RoundedApi(f"http://127.0.0.1:{server.port}", SecretStr(KEY)) as api,
    ):
        assert isinstance(await fetch_number_list(api), InvalidResponse)
        assert server.requests[0].startswith(
            b"GET /v1/phone-numbers?use_cursor=false&limit=1000&page=1 HTTP/1.1\r\n"
        )


def _answer(said: object) -> bytes:
    body = json.dumps(said).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
