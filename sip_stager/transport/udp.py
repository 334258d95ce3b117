"""SIP over UDP (RFC 3261 18): one socket a listener, read in batches."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.transport.icmp import ErrorQueue

if TYPE_CHECKING:
    import asyncio

    from sip_stager.transport.types import Lost, Receive

BATCH = 64
"""Datagrams read before the loop gets its turn again; at 50 us each it waits about 3 ms."""
LARGE = 65536
"""Bytes read, after which it gets its turn as well: each costs up to 50 ns."""

RECEIVE_BUFFER = 8 * 1024 * 1024
"""Bytes; the kernel grants what net.core.rmem_max allows, more to a privileged process."""

_SO_RCVBUFFORCE = 33
_TRIES = 3


class UdpListener:
    """One bound socket.

    It is read by ``add_reader`` and not by asyncio's datagram endpoint, which allocates 256 KiB
    for each datagram and returns to the loop after each.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        index: int,
        receive: Receive,
        lost: Lost,
    ) -> None:
        self._loop = loop
        self._index = index
        self._receive = receive
        self._socket = _bound(address)
        self._errors = ErrorQueue(loop, self._socket, lost)
        loop.add_reader(self._errors.fileno(), self._readable)

    @property
    def port(self) -> int:
        """The port that it is bound to."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram; raises ``OSError``.

        What an earlier one met is told by the next call on the socket, whoever that is for.
        """
        self._errors.sent(data, flow)
        for _ in range(_TRIES - 1):
            try:
                self._socket.sendto(data, (flow.host, flow.port))
            except BlockingIOError:
                raise
            except OSError:
                self._errors.drain()
            else:
                return
        self._socket.sendto(data, (flow.host, flow.port))

    def close(self) -> None:
        """Stop listening; harmless when it is done."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._errors.fileno())
            self._errors.close()
            self._socket.close()

    def _readable(self) -> None:
        size = 0
        for read in range(BATCH):
            if size >= LARGE:
                return
            try:
                data, address = self._socket.recvfrom(65535)
            except BlockingIOError:
                if not read:
                    self._errors.drain()
                return
            except OSError:  # what an earlier datagram met
                self._errors.drain()
                continue
            size += len(data)
            self._receive(data, Flow("UDP", address[0], address[1], self._index))


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _enlarge(bound)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _enlarge(bound: socket.socket) -> None:
    try:
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
