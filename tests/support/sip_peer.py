"""A peer on a thread of its own that answers every SIP request over UDP."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.support.messages import response

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering_peer(status: int = 200) -> Iterator[int]:
    """Answer with a status, on a port of 127.0.0.1, which is returned."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(ours, status))
        thread.start()
        try:
            yield ours.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"", ours.getsockname())  # which ends the thread
            thread.join()


def _serve(ours: socket.socket, status: int) -> None:
    while True:
        data, source = ours.recvfrom(65535)
        if not data:
            return
        asked = parse(data)
        assert isinstance(asked, Request)
        ours.sendto(bytes(response(asked, status)), source)
