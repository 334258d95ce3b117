"""ICMP errors of a UDP socket (RFC 3261 18.4), on systems that report them: Linux.

The kernel queues an error with the beginning of the datagram that it is about.  Three rules:

1. An error counts only if it quotes a datagram that was sent a moment ago: anybody can send an
   ICMP error, but nobody can guess the branch in a request that they have not seen.
2. Errors about responses are ignored.  Nothing waits for a response's delivery, and a stranger
   who chooses where responses go could make us work for each.
3. Errors are gathered for ``INTERVAL`` and reported once per address.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_stager.model.flow import Flow

AVAILABLE = sys.platform == "linux"
INTERVAL = 0.05  # seconds in which errors are gathered
MAX_REMEMBERED = 1024  # datagrams; at 10,000 a second an error must come within 0.1 s
QUOTED_BYTES = 160  # of a datagram that an error must quote; they hold the branch
MAX_BATCH = 64  # errors read before the loop goes on

_IP_RECVERR, _IPV6_RECVERR = 11, 25
# Origin (2: ICMP, 3: ICMPv6) and type.  Destination unreachable and parameter problem count;
# "Source quench and TTL exceeded ICMP errors SHOULD be ignored" (18.4).
_UNREACHABLE = {(2, 3), (2, 12), (3, 1), (3, 4)}
_ERROR = struct.Struct("=IBB")  # the beginning of struct sock_extended_err
_ERROR_KINDS = {(socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)}
_ANCILLARY_BYTES = 512
RESPONSE = b"SIP/2.0 "


class ErrorQueue:
    """The error queue of a socket; ``lost`` is called with each address that is unreachable."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        lost: Callable[[Flow, str], None],
    ) -> None:
        self._loop = loop
        self._socket = bound
        self._lost = lost
        self._sent: OrderedDict[bytes, Flow] = OrderedDict()
        self._gathered: dict[Flow, str] = {}
        self._watch: select.epoll | None = None
        if AVAILABLE:
            level, option = socket.IPPROTO_IP, _IP_RECVERR
            if bound.family == socket.AF_INET6:
                level, option = socket.IPPROTO_IPV6, _IPV6_RECVERR
            bound.setsockopt(level, option, 1)
            # libuv stops watching a descriptor that reports an error (EPOLLERR).  An epoll around
            # the socket is readable instead, for datagrams and errors alike.
            self._watch = select.epoll()
            self._watch.register(bound.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Return the descriptor to watch: it is readable for datagrams, and for errors."""
        return (self._watch or self._socket).fileno()

    def remember(self, data: bytes, flow: Flow) -> None:
        """Remember the beginning of a request that is sent, and its address."""
        if data.startswith(RESPONSE):
            return
        self._sent[data[:QUOTED_BYTES]] = flow
        if len(self._sent) > MAX_REMEMBERED:
            self._sent.popitem(last=False)

    def drain(self) -> None:
        """Read the errors that wait; each would fail the next call on the socket."""
        if self._watch is None:
            return
        for _ in range(MAX_BATCH):
            try:
                quoted, ancillary, _, _ = self._socket.recvmsg(
                    QUOTED_BYTES, _ANCILLARY_BYTES, socket.MSG_ERRQUEUE
                )
            except OSError:  # the queue is empty
                return
            for level, kind, error in ancillary:  # a time stamp comes as well
                if (level, kind) in _ERROR_KINDS:
                    self._gather(quoted, *_ERROR.unpack_from(error))

    def close(self) -> None:
        """Stop; harmless if it is closed."""
        self._gathered.clear()  # nothing is reported after the end
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _gather(self, quoted: bytes, number: int, origin: int, kind: int) -> None:
        flow = self._sent.get(quoted)
        if flow is None or (origin, kind) not in _UNREACHABLE:
            return
        if number == errno.EMSGSIZE:  # too long for the path: the kernel fragments the next copy
            return
        if not self._gathered:
            self._loop.call_later(INTERVAL, self._report)
        self._gathered[flow] = os.strerror(number)

    def _report(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for flow, why in gathered.items():
            self._lost(flow, why)
