"""The screen before the core: the age of datagrams, and the order in overload."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sip_stager.transport.receive_time import ANCILLARY_BYTES, age_of, request_times
from tests.support.messages import request
from tests.transport.endpoints import UdpPeer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.model.flow import Flow
    from tests.transport.endpoints import Endpoint

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has SO_TIMESTAMPNS")
INVITE = bytes(request())
BYE = bytes(request("BYE", to_tag="bob"))


class FakeScreen:
    """Keeps what it is told; settles messages that have the word ``settle``."""

    def __init__(self, *, active: bool = True) -> None:
        self.active = active
        self.ages: list[tuple[int, float]] = []
        self.screened: list[tuple[bytes, float]] = []

    def observe_age(self, interface: int, seconds: float) -> None:
        self.ages.append((interface, seconds))

    def screen(self, data: bytes, source: Flow, age: float) -> bool:
        if b"CRASH" in data:
            raise LookupError("a bug")
        self.screened.append((data, age))
        return b"settle" in data


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        request_times(found)
        yield found


def attach(endpoint: Endpoint, screen: FakeScreen) -> None:
    """Set the screen, also of the sockets that are bound already."""
    endpoint.sockets.attach(endpoint.receive, None, screen)
    for listener in endpoint.sockets._udp.values():
        listener._screen = screen


# The age


@linux
def test_the_age_of_a_datagram_is_the_time_since_the_kernel_received_it(
    bound: socket.socket,
) -> None:
    wait_for_stamps(bound)
    before = time.time()
    bound.sendto(b"x", bound.getsockname())
    after = time.time()
    time.sleep(0.02)
    _, ancillary, _, _ = bound.recvmsg(10, ANCILLARY_BYTES)
    age = age_of(ancillary)
    assert 0.02 <= age <= time.time() - before
    assert after - before + age >= 0.02


def wait_for_stamps(bound: socket.socket) -> None:
    """Wait until the kernel stamps what arrives: it begins a moment after the first request.

    Until then it stamps a datagram as it is read.
    """
    for _ in range(100):
        bound.sendto(b"x", bound.getsockname())
        time.sleep(0.01)
        if age_of(bound.recvmsg(10, ANCILLARY_BYTES)[1]) >= 0.01:
            return


def test_without_a_time_stamp_the_age_is_zero() -> None:
    assert age_of([]) == 0.0


@linux
def test_a_clock_that_was_set_back_makes_no_negative_age(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound.sendto(b"x", bound.getsockname())
    _, ancillary, _, _ = bound.recvmsg(10, ANCILLARY_BYTES)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert age_of(ancillary) == 0.0


@linux
async def test_the_age_of_the_first_datagram_of_each_batch_is_observed(endpoint: Endpoint) -> None:
    screen = FakeScreen(active=False)
    attach(endpoint, screen)
    with UdpPeer() as peer:
        for _ in range(3):
            peer.send(b"x", endpoint.ports[0])
        time.sleep(0.02)  # noqa: ASYNC251  the loop is held up, as a busy one would be
        for _ in range(3):
            await endpoint.next()
    ((interface, age),) = screen.ages
    assert (interface, age >= 0.02) == (0, True)
    assert screen.screened == []


# In overload


async def test_live_traffic_goes_ahead_of_new_invites(endpoint: Endpoint) -> None:
    attach(endpoint, FakeScreen())
    with UdpPeer() as peer:
        for data in (INVITE, BYE, INVITE, b"SIP/2.0 200 OK\r\n\r\n"):
            peer.send(data, endpoint.ports[0])
        arrived = [(await endpoint.next())[0][:7] for _ in range(4)]
    assert arrived == [b"BYE sip", b"SIP/2.0", b"INVITE ", b"INVITE "]


async def test_without_overload_the_order_stays(endpoint: Endpoint) -> None:
    attach(endpoint, FakeScreen(active=False))
    with UdpPeer() as peer:
        for data in (INVITE, BYE):
            peer.send(data, endpoint.ports[0])
        assert [(await endpoint.next())[0] for _ in range(2)] == [INVITE, BYE]


async def test_a_message_that_the_screen_settles_goes_no_further(endpoint: Endpoint) -> None:
    screen = FakeScreen()
    attach(endpoint, screen)
    with UdpPeer() as peer:
        for data in (b"settle", b"pass"):
            peer.send(data, endpoint.ports[0])
        assert (await endpoint.next())[0] == b"pass"
    assert [data for data, _ in screen.screened] == [b"settle", b"pass"]


async def test_messages_over_tcp_are_screened_without_an_age(endpoint: Endpoint) -> None:
    screen = FakeScreen()
    attach(endpoint, screen)
    data = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    async with await endpoint.connect() as peer:
        peer.send(data)
        assert (await endpoint.next())[0] == data
    assert screen.screened == [(data, 0.0)]


async def test_a_bug_of_the_screen_costs_one_message(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    attach(endpoint, FakeScreen())
    with UdpPeer() as peer:
        for data in (b"CRASH", b"2"):
            peer.send(data, endpoint.ports[0])
        assert (await endpoint.next())[0] == b"2"
    assert endpoint.dropped == ["internal_error"]
    assert caplog.records
    await asyncio.sleep(0)
