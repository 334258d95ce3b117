"""The file of the API key is read again when it changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.assembly import key_file_watch
from sip_stager.assembly.key_file_watch import KeyFileWatch
from sip_stager.platform.outcome import Refused, Staged
from tests.support.api_fixtures import KEY, call, client, fake  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.model.call import Call
    from sip_stager.platform.api import RoundedApi


class Watched:
    """A watched file with the keys that were applied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: list[str] = []
        self.watch = KeyFileWatch(
            path, SecretStr("old"), [lambda key: self.keys.append(key.get_secret_value())]
        )

    async def applied(self, count: int) -> list[str]:
        """Wait until so many keys were applied."""
        async with asyncio.timeout(5):
            while len(self.keys) < count:  # noqa: ASYNC110  # no event to wait for
                await asyncio.sleep(0.005)
        return self.keys


@pytest.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(key_file_watch, "LOOK_INTERVAL", 0.01)
    path = tmp_path / "key"
    path.write_text("old\n")
    subject = Watched(path)
    subject.watch.start()
    yield subject
    await subject.watch.stop()


async def test_a_file_that_is_written_anew_is_read_again(watched: Watched) -> None:
    watched.path.write_text("new-key\n")
    assert await watched.applied(1) == ["new-key"]


async def test_a_file_that_is_replaced_atomically_is_read_again(watched: Watched) -> None:
    for key in ("2nd", "3rd"):
        beside = watched.path.with_name("beside")
        beside.write_text(key)
        beside.rename(watched.path)
        await asyncio.sleep(0.05)
    assert await watched.applied(2) == ["2nd", "3rd"]


async def test_a_symbolic_link_that_leads_elsewhere_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So Kubernetes replaces the files of a secret: a link in their path is renamed."""
    monkeypatch.setattr(key_file_watch, "LOOK_INTERVAL", 0.01)
    for folder, key in (("1", "old"), ("2", "new")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "key").write_text(key)
    (tmp_path / "data").symlink_to("1")
    subject = Watched(tmp_path / "data" / "key")
    subject.watch.start()
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "data")
    assert await subject.applied(1) == ["new"]
    await subject.watch.stop()


@pytest.mark.parametrize("content", ["", "two words\n"])
async def test_a_file_without_a_key_changes_nothing(
    watched: Watched, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched.path.write_text(content)
    async with asyncio.timeout(5):
        while not caplog.messages:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
    assert (watched.keys, caplog.messages) == ([], ["key_file_unusable"])
    assert "two words" not in caplog.text
    watched.path.write_text("new")
    assert await watched.applied(1) == ["new"]


async def test_a_file_that_is_away_for_a_moment_changes_nothing(watched: Watched) -> None:
    watched.path.unlink()
    await asyncio.sleep(0.05)
    assert watched.keys == []
    watched.path.write_text("new")
    assert await watched.applied(1) == ["new"]


async def test_without_a_file_nothing_is_watched() -> None:
    watch = KeyFileWatch(None, SecretStr("old"), [])
    watch.start()
    await watch.stop()


async def test_a_new_key_is_sent_from_the_next_call_on(
    fake: FakeApi,  # noqa: F811
    client: RoundedApi,  # noqa: F811
    call: Call,  # noqa: F811
) -> None:
    client.replace_key(SecretStr("wrong-key"))
    refused = await client.stage(call, {}, sync=True)
    assert isinstance(refused, Refused)
    assert refused.http_status == 401
    client.replace_key(SecretStr(KEY))
    assert isinstance(await client.stage(call, {}, sync=True), Staged)
    assert isinstance(await client.stage(call, {}, sync=False), Staged)
