from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.transport import peer_lookups, resolver
from sip_stager.transport.resolver import NameCache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


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
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    server, loop = NameServer(), asyncio.get_running_loop()
    threads: list[asyncio.Task[list[Any]]] = []

    def run_in_executor(_: object, __: object, host: str) -> asyncio.Task[list[Any]]:
        threads.append(loop.create_task(server.getaddrinfo(host)))
        return threads[-1]

    monkeypatch.setattr(loop, "getaddrinfo", server.getaddrinfo)
    monkeypatch.setattr(loop, "run_in_executor", run_in_executor)
    yield server
    for thread in threads:
        thread.cancel()
    await asyncio.sleep(0)


@pytest.fixture
async def caching() -> NameCache:
    return NameCache(asyncio.get_running_loop())


def into(future: asyncio.Future[Sequence[str]]) -> Callable[[Sequence[str]], None]:
    return future.set_result


async def resolved(caching: NameCache, host: str, source: str = "192.0.2.99") -> str | None:
    """Return the first address of a host, or None."""
    return next(iter(await all_resolved(caching, host, source)), None)


async def all_resolved(caching: NameCache, host: str, source: str = "192.0.2.99") -> Sequence[str]:
    future: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
    caching.resolve(host, into(future), source)
    assert not future.done()  # a port never calls back before it has returned
    return await asyncio.wait_for(future, 20)


async def test_a_name_is_looked_up_once_and_then_known(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "RETRY_INTERVAL", 0.0)
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
async def test_a_name_that_cannot_be_resolved_is_none_and_is_looked_up_again(
    names: NameServer, caching: NameCache, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.names["a.example"] = error
    for _ in range(3):  # whoever asks at once gets the same answer, at no cost
        assert await resolved(caching, "a.example") is None
    assert names.asked == ["a.example"]
    names.names["a.example"] = "192.0.2.1"
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(caching._loop, "time", lambda: now + resolver.NEGATIVE_TIME)
    assert await resolved(caching, "a.example") == "192.0.2.1"


async def test_a_name_in_the_settings_that_cannot_be_resolved_is_looked_up_for_each_call(
    names: NameServer, caching: NameCache
) -> None:
    names.names["a.example"] = OSError("down")
    assert await caching.warm("a.example") is None
    names.names["a.example"] = "192.0.2.1"
    assert await resolved(caching, "a.example") == "192.0.2.1"


async def test_concurrent_callers_share_one_look_up(names: NameServer, caching: NameCache) -> None:
    names.names["a.example"] = "192.0.2.1"
    both = await asyncio.gather(*(resolved(caching, "a.example") for _ in range(2)))
    assert both == ["192.0.2.1"] * 2
    assert names.asked == ["a.example"]


async def test_an_old_address_is_used_while_the_name_is_looked_up_again(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.names["a.example"] = "192.0.2.1"
    assert await caching.warm("a.example") == "192.0.2.1"
    monkeypatch.setattr(resolver, "FRESH", -1.0)
    monkeypatch.setattr(resolver, "RETRY_INTERVAL", 0.0)
    names.names["a.example"] = OSError("down")
    assert await resolved(caching, "a.example") == "192.0.2.1"
    await names.idle()
    names.names["a.example"] = "192.0.2.2"
    assert await resolved(caching, "a.example") == "192.0.2.1"
    await names.idle()
    assert await resolved(caching, "a.example") == "192.0.2.2"
    assert len(names.asked) == 4


async def test_nothing_is_called_back_after_cancel(names: NameServer, caching: NameCache) -> None:
    names.names["a.example"] = "192.0.2.1"
    results: list[Sequence[str]] = []
    caching.resolve("a.example", results.append).cancel()  # the name is not known yet
    assert await resolved(caching, "a.example") == "192.0.2.1"
    caching.resolve("a.example", results.append).cancel()  # the name is known
    assert await resolved(caching, "a.example") == "192.0.2.1"
    assert results == []


async def test_a_cancelled_caller_does_not_end_the_look_up_of_another(
    names: NameServer, caching: NameCache
) -> None:
    names.names["a.example"] = "192.0.2.1"
    waiting = asyncio.ensure_future(resolved(caching, "a.example"))
    await asyncio.sleep(0)
    caching.resolve("a.example", print).cancel()
    assert await waiting == "192.0.2.1"


async def test_a_resolver_that_never_answers_is_waited_for_until_the_timeout(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.01)
    assert await resolved(caching, "silent.example") is None
    assert await caching.warm("silent.example") is None
    assert names.asked == ["silent.example"] * 2


async def test_the_number_of_names_is_bounded_and_the_oldest_is_forgotten(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "MAX_NAMES", 2)
    for host in ("a", "b", "c"):
        names.names[host] = f"address of {host}"
        await resolved(caching, host)
    assert names.asked == ["a", "b", "c"]
    await caching.warm("b")  # an operator's name, never forgotten
    await resolved(caching, "a")
    await resolved(caching, "c")
    await resolved(caching, "b")
    assert names.asked == ["a", "b", "c", "b", "a", "c"]


async def test_the_number_of_concurrent_look_ups_of_peers_names_is_bounded(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lookups, "MAX_LOOKUPS", 2)
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.01)
    names.names["c"] = "192.0.2.1"
    assert [await resolved(caching, host) for host in ("a", "b", "c")] == [None] * 3
    assert names.asked == [
        "a",
        "b",
    ]  # their threads are still occupied, though nobody waits any more


async def test_slow_names_of_peers_do_not_delay_the_operators_names(
    monkeypatch: pytest.MonkeyPatch, caching: NameCache
) -> None:
    held = threading.Event()

    def slow(host: str, *_: Any, **__: Any) -> list[Any]:
        if host != "upstream.example":
            held.wait(20)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.2)
    names = [f"peer-{number}.example" for number in range(peer_lookups.MAX_LOOKUPS + 5)]
    try:
        found = await asyncio.gather(*(resolved(caching, name) for name in names))
        assert found == [None] * len(names)
        monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 10.0)  # less than the others take
        assert await caching.warm("upstream.example") == "192.0.2.1"
    finally:
        held.set()


async def test_an_address_is_of_a_family_that_a_listener_has(names: NameServer) -> None:
    names.names["v4"] = "192.0.2.1"
    ipv6_only = NameCache(asyncio.get_running_loop(), {int(socket.AF_INET6)})
    assert await ipv6_only.warm("v4") is None


async def test_the_systems_resolver_is_asked(caching: NameCache) -> None:
    assert await resolved(caching, "localhost") in {"127.0.0.1", "::1"}
    assert await resolved(caching, "127.0.0.1") == "127.0.0.1"
    assert await resolved(caching, "a..b") is None


async def test_a_late_answer_is_remembered(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.01)
    held = asyncio.Event()
    quickly = names._found

    async def slowly(host: str) -> list[Any]:
        await held.wait()
        return await quickly(host)

    names.names["a.example"] = "192.0.2.1"
    monkeypatch.setattr(names, "_found", slowly)
    assert await resolved(caching, "a.example") is None
    held.set()
    await names.idle()
    assert await resolved(caching, "a.example") == "192.0.2.1"
    assert names.asked == ["a.example"]


async def test_a_known_address_is_used_however_old_it_is(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call to an old address may fail; a call without an address fails for certain."""
    names.names["a.example"] = "192.0.2.1"
    await caching.warm("a.example")
    for limit in ("FRESH", "MAX_STALE", "RETRY_INTERVAL"):
        monkeypatch.setattr(resolver, limit, -1.0)
    names.names["a.example"] = OSError("down")
    for _ in range(2):
        assert await resolved(caching, "a.example") == "192.0.2.1"
        await names.idle()


async def test_a_name_whose_look_up_failed_is_not_looked_up_for_each_call(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.names["a.example"] = "192.0.2.1"
    await caching.warm("a.example")
    monkeypatch.setattr(resolver, "FRESH", -1.0)
    names.names["a.example"] = OSError("down")
    for _ in range(20):
        assert await resolved(caching, "a.example") == "192.0.2.1"
        await names.idle()
    assert names.asked == ["a.example"]


async def test_names_that_cannot_be_resolved_are_not_remembered(
    names: NameServer, caching: NameCache
) -> None:
    for number in range(20):
        names.names[f"{number}.example"] = OSError("no such name")
        assert await resolved(caching, f"{number}.example") is None
    assert not caching._names


async def test_an_operators_name_is_resolved_while_peers_occupy_every_look_up(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lookups, "MAX_LOOKUPS", 1)
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.01)
    assert await caching.warm("upstream.example") is None  # not there yet when the program starts
    assert await resolved(caching, "silent.example") is None
    names.names["upstream.example"] = "192.0.2.1"
    assert await resolved(caching, "upstream.example") == "192.0.2.1"
    assert await resolved(caching, "other.example") is None
    assert "other.example" not in names.asked


async def test_both_sides_share_one_look_up(names: NameServer, caching: NameCache) -> None:
    names.names["a.example"] = "192.0.2.1"
    found = caching.find("a.example")
    assert isinstance(found, asyncio.Future)
    assert await resolved(caching, "a.example") == "192.0.2.1"
    assert [info[4][0] for info in await found] == ["192.0.2.1"]
    assert caching.find("a.example") == await found
    assert names.asked == ["a.example"]


async def test_closing_ends_the_look_ups_under_way(names: NameServer, caching: NameCache) -> None:
    found = caching.find("silent.example")
    assert isinstance(found, asyncio.Future)
    results: list[Sequence[str]] = []
    caching.resolve("silent.example", results.append)
    await asyncio.sleep(0)
    caching.close()
    await names.idle()
    assert (found.cancelled(), results) == (True, [()])


# Fair between peers.


async def test_silent_names_of_one_source_do_not_keep_another_source_from_a_look_up(
    names: NameServer, caching: NameCache
) -> None:
    """One trunk's INFO to 16 names that nobody answers for costs another trunk's BYE nothing."""
    names.names["b.example"] = "192.0.2.2"
    waiting = [
        asyncio.ensure_future(resolved(caching, f"{number}.example", "198.51.100.1"))
        for number in range(16)
    ]
    await asyncio.sleep(0.01)
    assert len(names.asked) == peer_lookups.MAX_LOOKUPS_PER_SOURCE
    assert await resolved(caching, "b.example", "198.51.100.2") == "192.0.2.2"
    for each in waiting:
        each.cancel()


async def test_a_look_up_that_waits_for_its_share_is_made_within_the_timeout(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lookups, "MAX_LOOKUPS_PER_SOURCE", 1)
    for number in range(5):
        names.names[f"{number}.example"] = f"192.0.2.{number}"
    found = await asyncio.gather(*(resolved(caching, f"{number}.example") for number in range(5)))
    assert found == [f"192.0.2.{number}" for number in range(5)]


async def test_a_name_that_waits_in_the_queue_of_one_source_is_looked_up_for_another(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lookups, "MAX_LOOKUPS_PER_SOURCE", 1)
    names.names["b.example"] = "192.0.2.2"
    silent = asyncio.ensure_future(resolved(caching, "silent.example", "198.51.100.1"))
    await asyncio.sleep(0)
    behind = asyncio.ensure_future(resolved(caching, "b.example", "198.51.100.1"))
    await asyncio.sleep(0)
    assert await resolved(caching, "b.example", "198.51.100.2") == "192.0.2.2"
    assert await behind == "192.0.2.2"
    assert names.asked == ["silent.example", "b.example"]
    silent.cancel()


async def test_an_ipv6_source_has_one_share_for_its_whole_network(
    names: NameServer, caching: NameCache
) -> None:
    waiting = [
        asyncio.ensure_future(resolved(caching, f"{number}.example", f"2001:db8::{number}"))
        for number in range(1, 9)
    ]
    await asyncio.sleep(0.01)
    assert len(names.asked) == peer_lookups.MAX_LOOKUPS_PER_SOURCE
    for each in waiting:
        each.cancel()


async def test_the_names_of_one_source_that_wait_are_bounded(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lookups, "MAX_LOOKUPS_PER_SOURCE", 1)
    monkeypatch.setattr(peer_lookups, "MAX_QUEUED_PER_SOURCE", 2)
    waiting = []
    for number in range(3):
        waiting.append(asyncio.ensure_future(resolved(caching, f"{number}.example")))
        await asyncio.sleep(0)
    assert await resolved(caching, "one-more.example") is None
    for each in waiting:
        each.cancel()


async def test_a_name_whose_callers_have_given_up_is_not_looked_up(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lookups, "MAX_LOOKUPS_PER_SOURCE", 1)
    monkeypatch.setattr(resolver, "LOOKUP_TIMEOUT", 0.01)
    held = asyncio.Event()
    quickly = names._found

    async def slowly(host: str) -> list[Any]:
        await held.wait()
        return await quickly(host)

    monkeypatch.setattr(names, "_found", slowly)
    names.names["slow.example"] = "192.0.2.1"
    both = await asyncio.gather(
        resolved(caching, "slow.example"), resolved(caching, "behind.example")
    )
    assert [*both] == [None, None]
    held.set()
    await names.idle()
    assert names.asked == ["slow.example"]
    assert not caching._peers._queues
    assert not caching._peers._counts


async def test_closing_ends_the_waiting_of_peers(names: NameServer, caching: NameCache) -> None:
    results: list[Sequence[str]] = []
    for number in range(peer_lookups.MAX_LOOKUPS_PER_SOURCE + 1):
        caching.resolve(f"{number}.example", results.append, "198.51.100.1")
    await asyncio.sleep(0)
    caching.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert results == [()] * (peer_lookups.MAX_LOOKUPS_PER_SOURCE + 1)


# Names in the settings.


async def test_a_name_in_the_settings_is_looked_up_again_without_a_call(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call after a quiet night goes to the new address, and waits for nothing."""
    monkeypatch.setattr(resolver, "REFRESH_INTERVAL", 0.02)
    names.names["upstream.example"] = "192.0.2.1"
    assert await caching.warm("upstream.example") == "192.0.2.1"
    names.names["upstream.example"] = "192.0.2.9"
    await asyncio.sleep(0.1)
    assert await resolved(caching, "upstream.example") == "192.0.2.9"
    names.names["upstream.example"] = OSError("down")
    await asyncio.sleep(0.1)
    assert await resolved(caching, "upstream.example") == "192.0.2.9"
    caching.close()
    asked = len(names.asked)
    await asyncio.sleep(0.1)
    assert len(names.asked) == asked


async def test_a_peers_name_that_was_not_looked_up_for_long_is_waited_for(
    names: NameServer, caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.names["a.example"] = "192.0.2.1"
    assert await resolved(caching, "a.example") == "192.0.2.1"
    names.names["a.example"] = "192.0.2.2"
    monkeypatch.setattr(resolver, "MAX_UNASKED", -1.0)
    assert await resolved(caching, "a.example") == "192.0.2.2"
    names.names["a.example"] = OSError("down")
    assert await resolved(caching, "a.example") == "192.0.2.2"  # better than none


async def test_all_addresses_that_a_listener_can_reach_are_found_in_order(
    caching: NameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["192.0.2.2", "192.0.2.1", "192.0.2.2", *(f"192.0.2.{n}" for n in range(10, 30))]
    found: list[Any] = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))]
    found += [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in hosts]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    names = NameCache(asyncio.get_running_loop(), {int(socket.AF_INET)})
    wanted = ["192.0.2.2", "192.0.2.1", *hosts[3:]][: resolver.MAX_ADDRESSES]
    assert [*await all_resolved(names, "a.example")] == wanted
