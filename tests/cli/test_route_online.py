"""``sip-stager route --online`` fetches the platform's numbers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.number_list import number_record
from sip_stager.demo.fake_platform.server import FakeApi
from tests.cli.asking import OTHER, SHARED, route, steps
from tests.config.settings_folder import AGENT, KEY, RIGHT, Folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from typer.testing import Result


async def route_online(folder: Folder, api: FakeApi, *options: str) -> Result:
    """Run the command with a list of numbers; in a thread, as it has its own event loop."""
    refresh = f'[api]\nbase_url = "{api.url}"\nnumbers_refresh_interval = 300.0'
    text = RIGHT.replace("[api]", refresh) + SHARED
    return await asyncio.to_thread(route, folder, text, *options)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi(key=KEY) as fake:
        fake.phone_numbers.items = [
            number_record("+33612345678", OTHER),
            number_record("+33612345679", OTHER),
            number_record("+33612345670", None, redirect=True),
        ]
        yield fake


async def test_online_fetches_the_platforms_numbers(folder: Folder, api: FakeApi) -> None:
    result = await route_online(folder, api, "--to", "+33612345679", "--online")
    assert result.exit_code == 0, result.output
    shown = steps(result)
    assert shown["row"] == ['"+33612345679" (the platform\'s list)']
    assert shown["agent"] == [OTHER]
    shown = steps(await route_online(folder, api, "--to", "+33612345678", "--online"))
    assert shown["agent"] == [AGENT]


async def test_a_number_that_the_platform_redirects_is_forwarded_unstaged(
    folder: Folder, api: FakeApi
) -> None:
    result = await route_online(folder, api, "--to", "+33612345670", "--online")
    assert result.exit_code == 0, result.output
    shown = steps(result)
    assert shown["agent"][0].startswith("none: the platform redirects this number")
    assert shown.keys() & {"deadline", "if not staged"} == set()
    upstream = "INVITE sip:+33612345670@sip.example.com to udp:sip.example.com:5060"
    assert shown["upstream"] == [upstream]


async def test_without_online_the_report_suggests_it(folder: Folder, api: FakeApi) -> None:
    unasked = "the platform's list may have it: add --online to fetch that"
    shown = steps(await route_online(folder, api, "--to", "+33612345679"))
    assert shown["row"][-1] == unasked
    shown = steps(await route_online(folder, api, "--to", "+33712345679"))
    assert shown["row"][-1] == unasked
    shown = steps(await route_online(folder, api, "--to", "+33612345678"))
    assert unasked not in shown["row"]
    assert api.stats.requests == 0


async def test_online_reports_why_the_platforms_numbers_were_not_fetched(
    folder: Folder, api: FakeApi
) -> None:
    api.behaviours["phone_numbers"] = Behaviour(status=403, message="not with this key")
    result = await route_online(folder, api, "--to", "+33612345679", "--online")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "could not be fetched: HTTP 403: not with this key" in result.stderr
