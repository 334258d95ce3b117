"""The upstreams are out of reach once none of them answers OPTIONS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sip_stager.transport.upstream_watch import Upstream, UpstreamWatch
from tests.support.fakes import FakeClock, FakeResolver

if TYPE_CHECKING:
    from sip_stager.transport.options_ping import Peer

UPSTREAMS = Upstream("192.0.2.1", 5060, "udp"), Upstream("2001:db8::1", 5070, "tcp", "2001:db8::9")


class Upstreams:
    """The upstreams, each with what is wrong with it; the watch asks without pause."""

    def __init__(self, *wrong: str) -> None:
        self.wrong = dict(zip([each.host for each in UPSTREAMS], wrong, strict=True))
        self.asked: list[Peer] = []
        self.round_began = asyncio.Event()
        self.watch = UpstreamWatch(
            UPSTREAMS, FakeResolver(FakeClock(), {}), self.ping, interval=0.0
        )

    async def ping(self, peer: Peer, _: float) -> str:
        if peer.address == UPSTREAMS[0].host:
            self.round_began.set()
        self.asked.append(peer)
        return self.wrong[peer.address]

    async def rounds(self) -> None:
        """Wait until a round has begun and ended."""
        for _ in range(3):  # the one under way, a whole one, and the begin of the next
            self.round_began.clear()
            await self.round_began.wait()


async def test_they_are_unreachable_only_while_none_answers() -> None:
    upstreams = Upstreams("", "")
    assert not upstreams.watch.unreachable
    upstreams.watch.start()
    for first, second, unreachable in (
        ("", "", False),
        ("refused", "", False),
        ("refused", "silent", True),
        ("", "silent", False),
    ):
        upstreams.wrong = dict(zip(upstreams.wrong, (first, second), strict=True))
        await upstreams.rounds()
        assert upstreams.watch.unreachable is unreachable
    await upstreams.watch.stop()
    assert [tuple(peer) for peer in upstreams.asked[:2]] == [tuple(each) for each in UPSTREAMS]


async def test_an_error_of_ours_is_no_outage_and_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    upstreams = Upstreams("refused", "refused")
    del upstreams.wrong[UPSTREAMS[1].host]
    upstreams.watch.start()
    await upstreams.rounds()
    seen = [upstreams.watch.unreachable]
    upstreams.wrong[UPSTREAMS[1].host] = "refused"
    await upstreams.rounds()
    seen.append(upstreams.watch.unreachable)
    await upstreams.watch.stop()
    assert seen == [False, True]
    assert {record.message for record in caplog.records} == {"upstream_watch_failed"}


async def test_a_watch_that_was_not_started_can_be_stopped() -> None:
    await Upstreams("", "").watch.stop()


@pytest.mark.parametrize(
    ("answering", "unreachable"), [("192.0.2.1", False), ("192.0.2.2", False), ("", True)]
)
async def test_a_name_is_reachable_while_one_of_its_addresses_answers(
    answering: str, *, unreachable: bool
) -> None:
    """Calls are sent to each of them, one after another."""
    clock, asked = FakeClock(), asyncio.Event()

    async def ping(peer: Peer, _: float) -> str:
        if peer.address in {answering, "192.0.2.2"}:
            asked.set()
        return "" if peer.address == answering else "silent"

    names = FakeResolver(clock, {"upstream.example": "192.0.2.1 192.0.2.2"})
    watch = UpstreamWatch((Upstream("upstream.example", 5060, "udp"),), names, ping, interval=60.0)
    watch.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.advance(1)
    await asyncio.wait_for(asked.wait(), 5)
    await asyncio.sleep(0.01)
    assert watch.unreachable is unreachable
    await watch.stop()
