"""ICMP errors of a UDP socket (RFC 3261 18.4), where the system tells of them: Linux."""

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
PAUSE = 0.05
"""Seconds in which errors are gathered, so that a storm of them is told of once an address."""
KEPT = 1024
"""Datagrams whose beginnings are known; at 10,000 a second an error must come within 0.1 s."""
QUOTED = 160
"""Bytes of a datagram that an error must quote; they hold a branch, which nobody can guess."""
BATCH = 64
"""Errors read before the loop gets its turn again."""

_IP_RECVERR, _IPV6_RECVERR = 11, 25
_UNREACHABLE = {(2, 3), (2, 12), (3, 1), (3, 4)}  # of ICMP, of ICMPv6; a parameter problem too
_ERROR = struct.Struct("=IBB")
_ROOM = 512
_RESPONSE = b"SIP/2.0 "


class ErrorQueue:
    """Reads what the network says of datagrams that did not arrive.

    An error is believed only when it quotes what was sent: anybody can send one.
    """

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
            # libuv stops watching a descriptor that has an error; one around it has none.
            self._watch = select.epoll()
            self._watch.register(bound.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Give the descriptor to watch: it is readable for datagrams, and for errors."""
        return (self._watch or self._socket).fileno()

    def sent(self, data: bytes, flow: Flow) -> None:
        """Note what leaves, and to whom.

        A response is none of it: nobody waits for one, and strangers choose how many go where.
        """
        if data.startswith(_RESPONSE):
            return
        self._sent[data[:QUOTED]] = flow
        if len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    def drain(self) -> None:
        """Read the errors that wait; they would fail what is sent and read next."""
        if self._watch is None:
            return
        for _ in range(BATCH):
            try:
                quoted, ancillary, _, _ = self._socket.recvmsg(QUOTED, _ROOM, socket.MSG_ERRQUEUE)
            except OSError:  # none is left
                return
            for _, _, error in ancillary:
                self._gather(quoted, *_ERROR.unpack_from(error))

    def close(self) -> None:
        """Stop; harmless when it is done."""
        self._gathered.clear()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _gather(self, quoted: bytes, number: int, origin: int, kind: int) -> None:
        """Keep whom an error is about; a datagram that was too long is cut when sent again."""
        flow = self._sent.get(quoted)
        if flow is None or (origin, kind) not in _UNREACHABLE or number == errno.EMSGSIZE:
            return
        if not self._gathered:
            self._loop.call_later(PAUSE, self._tell)
        self._gathered[flow] = os.strerror(number)

    def _tell(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for flow, why in gathered.items():
            self._lost(flow, why)
