"""An upstream that never says anything, and as a rule must hear nothing."""

from __future__ import annotations

import socket
from typing import Self


class Silence:
    """A UDP socket in the upstream's place."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def check(self) -> None:
        """Raise ``AssertionError`` when a datagram has come."""
        try:
            heard = self._socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        raise AssertionError(f"the upstream received {heard!r}")

    def heard(self) -> list[str]:
        """Return the methods of the requests that have come since the last look."""
        methods: list[str] = []
        while True:
            try:
                data = self._socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return methods
            methods.append(data.partition(b" ")[0].decode())
