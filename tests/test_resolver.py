from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.transport import resolver
from sip_stager.transport.resolver import CachingResolver

if TYPE_CHECKING:
    from collections.abc import Callable


class NameServer:
    """A stand-in for the system's resolver; a name without an address is never answered."""

    def __init__(self) -> None:
        self.names: dict[str, str | Exception] = {}
        self.asked: list[str] = []
        self.busy = 0

    async def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        self.busy += 1
        try:
            return await self._found(host)
        finally:
            self.busy -= 1

    async def idle(self) -> None:
        """Wait until every look-up is over and its callback has run."""
        for _ in range(10):
            await asyncio.sleep(0)
        assert not self.busy

    async def _found(self, host: str) -> list[Any]:
        await asyncio.sleep(0)
        found = self.names.get(host)
        if found is None:
            await asyncio.Event().wait()
        if isinstance(found, Exception):
            raise found
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (found, 0))]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    server, loop = NameServer(), asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", server.getaddrinfo)
    monkeypatch.setattr(
        loop, "run_in_executor", lambda _, __, host: loop.create_task(server.getaddrinfo(host))
    )
    return server


@pytest.fixture
async def caching() -> CachingResolver:
    return CachingResolver(asyncio.get_running_loop())


def into(future: asyncio.Future[str | None]) -> Callable[[str | None], None]:
    return future.set_result


async def resolved(caching: CachingResolver, host: str) -> str | None:
    future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    caching.resolve(host, into(future))
    assert not future.done()  # a port never calls back before it has returned
    return await asyncio.wait_for(future, 20)


async def test_a_name_is_looked_up_once_and_then_known(
    names: NameServer, caching: CachingResolver
) -> None:
    names.names["a.example"] = "192.0.2.1"
    for _ in range(3):
        assert await resolved(caching, "a.example") == "192.0.2.1"
    assert names.asked == ["a.example"]


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(-2, "no such name"),
        OSError("down"),
        UnicodeError("label too long"),
        RuntimeError("can't start new thread"),
    ],
)
async def test_a_name_without_an_address_is_none_and_is_asked_for_again(
    names: NameServer, caching: CachingResolver, error: Exception
) -> None:
    names.names["a.example"] = error
    assert await resolved(caching, "a.example") is None
    names.names["a.example"] = "192.0.2.1"
    assert await resolved(caching, "a.example") == "192.0.2.1"


async def test_those_who_ask_at_the_same_time_share_one_look_up(
    names: NameServer, caching: CachingResolver
) -> None:
    names.names["a.example"] = "192.0.2.1"
    both = await asyncio.gather(*(resolved(caching, "a.example") for _ in range(2)))
    assert both == ["192.0.2.1"] * 2
    assert names.asked == ["a.example"]


async def test_an_old_address_goes_on_serving_while_the_name_is_looked_up_again(
    names: NameServer, caching: CachingResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.names["a.example"] = "192.0.2.1"
    assert await caching.warm("a.example") == "192.0.2.1"
    monkeypatch.setattr(resolver, "FRESH", -1.0)
    names.names["a.example"] = OSError("down")
    assert await resolved(caching, "a.example") == "192.0.2.1"
    await names.idle()
    names.names["a.example"] = "192.0.2.2"
    assert await resolved(caching, "a.example") == "192.0.2.1"
    await names.idle()
    assert await resolved(caching, "a.example") == "192.0.2.2"
    assert len(names.asked) == 4


async def test_nobody_is_called_after_cancel(names: NameServer, caching: CachingResolver) -> None:
    names.names["a.example"] = "192.0.2.1"
    heard: list[str | None] = []
    caching.resolve("a.example", heard.append).cancel()  # it is not known yet
    assert await resolved(caching, "a.example") == "192.0.2.1"
    caching.resolve("a.example", heard.append).cancel()  # it is known
    assert await resolved(caching, "a.example") == "192.0.2.1"
    assert heard == []


async def test_who_cancels_does_not_end_the_look_up_of_another(
    names: NameServer, caching: CachingResolver
) -> None:
    names.names["a.example"] = "192.0.2.1"
    waiting = asyncio.ensure_future(resolved(caching, "a.example"))
    await asyncio.sleep(0)
    caching.resolve("a.example", print).cancel()
    assert await waiting == "192.0.2.1"


async def test_a_resolver_that_never_answers_is_not_awaited_for_ever(
    names: NameServer, caching: CachingResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "PATIENCE", 0.01)
    assert await resolved(caching, "silent.example") is None
    assert await caching.warm("silent.example") is None
    assert names.asked == ["silent.example"] * 2


async def test_only_so_many_names_are_kept_and_the_oldest_goes(
    names: NameServer, caching: CachingResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MOST_NAMES", 2)
    for host in ("a", "b", "c"):
        names.names[host] = f"address of {host}"
        await resolved(caching, host)
    assert names.asked == ["a", "b", "c"]
    await caching.warm("b")  # it is the upstream's, and never forgotten
    await resolved(caching, "a")
    await resolved(caching, "c")
    await resolved(caching, "b")
    assert names.asked == ["a", "b", "c", "b", "a", "c"]


async def test_only_so_many_names_are_looked_up_at_a_time(
    names: NameServer, caching: CachingResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MOST_LOOKED_UP", 2)
    monkeypatch.setattr(resolver, "PATIENCE", 0.01)
    names.names["c"] = "192.0.2.1"
    assert [await resolved(caching, host) for host in ("a", "b", "c")] == [None] * 3
    assert names.asked == ["a", "b"]  # the system still holds them, though nobody waits any more


async def test_slow_names_of_peers_do_not_hold_up_the_operators(
    monkeypatch: pytest.MonkeyPatch, caching: CachingResolver
) -> None:
    held = threading.Event()

    def slow(host: str, *_: Any, **__: Any) -> list[Any]:
        if host != "upstream.example":
            held.wait(20)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(resolver, "PATIENCE", 0.2)
    names = [f"peer-{number}.example" for number in range(resolver.MOST_LOOKED_UP + 5)]
    try:
        found = await asyncio.gather(*(resolved(caching, name) for name in names))
        assert found == [None] * len(names)
        monkeypatch.setattr(resolver, "PATIENCE", 10.0)  # less than the others are held for
        assert await caching.warm("upstream.example") == "192.0.2.1"
    finally:
        held.set()


async def test_an_address_is_of_a_family_that_we_listen_on(names: NameServer) -> None:
    names.names["v4"] = "192.0.2.1"
    ipv6_only = CachingResolver(asyncio.get_running_loop(), {int(socket.AF_INET6)})
    assert await ipv6_only.warm("v4") is None


async def test_the_systems_resolver_is_asked(caching: CachingResolver) -> None:
    assert await resolved(caching, "localhost") in {"127.0.0.1", "::1"}
    assert await resolved(caching, "127.0.0.1") == "127.0.0.1"
    assert await resolved(caching, "a..b") is None
