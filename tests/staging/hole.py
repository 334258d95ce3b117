"""A port where connections hang: what a network does that drops each SYN."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def black_hole() -> Iterator[socket.socket]:
    """Give a listener whose backlog is full, so that the kernel drops each further SYN."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener


def port_of(listener: socket.socket) -> int:
    """Give the port that it listens on."""
    port: int = listener.getsockname()[1]
    return port
