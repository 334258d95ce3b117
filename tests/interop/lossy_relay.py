"""A relay between two peers that loses and delays datagrams."""

from __future__ import annotations

import heapq
import random
import select
import socket
import threading
from itertools import count
from time import monotonic
from typing import Self

_LOOPBACK = "127.0.0.1"
_MAX_WAIT = 0.05  # seconds until the relay notices that it must end


class LossyRelay:
    """Relays datagrams between the peer that sends to ``near`` and the port ``target``.

    The target receives them from ``far`` and answers there; both are "host:port".  ``loss`` is a
    probability, ``delay`` is in seconds; the same ``seed`` loses the same datagrams of a sequence.
    """

    def __init__(
        self, target: int, *, port: int = 0, loss: float = 0, delay: float = 0, seed: int = 1
    ) -> None:
        self.passed = self.lost = 0
        self._target = (_LOOPBACK, target)
        self._peer = self._target  # until the real peer has sent a datagram
        self._near, self._far = _bound(port), _bound(0)
        self.near, self.far = (_name(each) for each in (self._near, self._far))
        self._loss, self._delay, self._random = loss, delay, random.Random(seed)
        self._delayed: list[tuple[float, int, socket.socket, bytes]] = []
        self._numbers = count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._near.close()
        self._far.close()

    def _run(self) -> None:
        while not self._over.is_set():
            wait = self._delayed[0][0] - monotonic() if self._delayed else _MAX_WAIT
            ready, _, _ = select.select(
                [self._near, self._far], [], [], min(_MAX_WAIT, max(0, wait))
            )
            for arrived in ready:
                self._receive(arrived)
            while self._delayed and self._delayed[0][0] <= monotonic():
                _, _, leaving, data = heapq.heappop(self._delayed)
                leaving.sendto(data, self._peer if leaving is self._near else self._target)

    def _receive(self, arrived: socket.socket) -> None:
        data, source = arrived.recvfrom(65536)
        if arrived is self._near:
            self._peer = source
        if self._random.random() < self._loss:
            self.lost += 1
            return
        self.passed += 1
        leaving = self._far if arrived is self._near else self._near
        due = monotonic() + self._delay
        heapq.heappush(self._delayed, (due, next(self._numbers), leaving, data))


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((_LOOPBACK, port))
    return bound


def _name(bound: socket.socket) -> str:
    host, port = bound.getsockname()
    return f"{host}:{port}"
