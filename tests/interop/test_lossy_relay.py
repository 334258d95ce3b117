"""The lossy relay, between two sockets."""

from __future__ import annotations

import socket
from contextlib import closing, contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING

from tests.interop.lossy_relay import LossyRelay

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def network(
    loss: float = 0, delay: float = 0, seed: int = 1
) -> Iterator[tuple[socket.socket, LossyRelay, socket.socket]]:
    """Yield one end, the relay, and the other end."""
    with closing(bound()) as here, closing(bound()) as there:
        target = there.getsockname()[1]
        with LossyRelay(target, loss=loss, delay=delay, seed=seed) as relay:
            yield here, relay, there


def bound() -> socket.socket:
    """Return a socket of one end."""
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind(("127.0.0.1", 0))
    end.settimeout(10)
    return end


def address(name: str) -> tuple[str, int]:
    """Return the address of a socket of the relay."""
    host, _, port = name.partition(":")
    return host, int(port)


def arrived(seed: int) -> list[bytes]:
    """Send a hundred datagrams and return those that are not lost."""
    with network(loss=0.3, seed=seed) as (here, relay, there):
        for number in range(100):
            here.sendto(b"%d" % number, address(relay.near))
        while relay.passed + relay.lost < 100:
            sleep(0.001)
        return [there.recv(100) for _ in range(relay.passed)]


def test_datagrams_pass_both_ways() -> None:
    with network() as (here, relay, there):
        here.sendto(b"there", address(relay.near))
        assert there.recvfrom(100) == (b"there", address(relay.far))
        there.sendto(b"back", address(relay.far))
        assert here.recvfrom(100) == (b"back", address(relay.near))
        assert (relay.passed, relay.lost) == (2, 0)


def test_the_same_seed_loses_the_same_datagrams() -> None:
    first = arrived(seed=5)
    assert 50 < len(first) < 90
    assert arrived(seed=5) == first
    assert arrived(seed=6) != first


def test_a_datagram_is_delayed() -> None:
    with network(delay=0.1) as (here, relay, there):
        begun = monotonic()
        here.sendto(b"late", address(relay.near))
        there.recv(100)
        assert monotonic() - begun >= 0.1
