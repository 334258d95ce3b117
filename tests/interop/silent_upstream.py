"""An upstream that never responds, and in most tests must receive nothing."""

from __future__ import annotations

import socket
from typing import Self


class SilentUpstream:
    """A UDP socket in the upstream's place."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def assert_nothing_received(self) -> None:
        """Raise ``AssertionError`` if a datagram has arrived."""
        try:
            data = self._socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        raise AssertionError(f"the upstream received {data!r}")

    def received_methods(self) -> list[str]:
        """Return the methods of the requests that arrived since the last call."""
        methods: list[str] = []
        while True:
            try:
                data = self._socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return methods
            methods.append(data.partition(b" ")[0].decode())
