"""The Unix socket between two processes of which one takes over the other's sockets.

It keeps packets whole and in order (SOCK_SEQPACKET), and carries descriptors (SCM_RIGHTS).  The
first byte of a packet is its kind::

    new -> old   HELLO      the listeners that the new process wants
    old -> new   SOCKETS    those that it gets, with their descriptors
    new -> old   READY      it reads them from now on
    both         PING       the old process sends it back, which shows that it is not stuck
    both         MESSAGE    a SIP message with its flow; the old process sends back what it
                            knows nothing of
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.flow import Flow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_stager.transport.types import LocalAddresses

HELLO, SOCKETS, READY, PING, MESSAGE = b"H", b"S", b"R", b"P", b"M"
VERSION = 1
"""Of the protocol; processes of different versions take nothing over."""
MAX_PACKET = 128 * 1024  # bytes; a datagram has at most 64 KiB
MAX_BACKLOG = 8 * 1024 * 1024  # bytes that wait for the other process to read
MAX_DESCRIPTORS = 250  # the kernel passes 253 at once

_MAX_BATCH = 64  # packets read before the loop goes on
_PEER = struct.Struct("3i")  # struct ucred: process, user, group


class Wanted(NamedTuple):
    """An address that is listened on: the transport is "UDP", "TCP" or "HTTP"."""

    transport: str
    address: str
    port: int


class TakeoverLink:
    """One end of the connection; ``receive`` is called with each packet, ``closed`` at its end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connected: socket.socket,
        receive: Callable[[bytes], None],
        closed: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._socket = connected
        self._receive = receive
        self._closed = closed
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        connected.setblocking(False)
        loop.add_reader(connected.fileno(), self._read)

    def send(self, packet: bytes, descriptors: tuple[int, ...] = ()) -> bool:
        """Send a packet; return False if the other process does not read, or it is too large."""
        if self._socket.fileno() < 0 or len(packet) > MAX_PACKET:
            return False
        if self._backlog:
            return self._wait(packet)
        try:
            if descriptors:
                socket.send_fds(self._socket, [packet], descriptors)
            else:
                self._socket.send(packet)
        except BlockingIOError:
            return not descriptors and self._wait(packet)
        except OSError:  # the other end is gone: the reader finds that out
            return False
        return True

    def close(self) -> None:
        """Close it, without a call of ``closed``; harmless if it is closed."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _wait(self, packet: bytes) -> bool:
        if self._backlog_size + len(packet) > MAX_BACKLOG:
            return False
        if not self._backlog:
            self._loop.add_writer(self._socket.fileno(), self._send_backlog)
        self._backlog.append(packet)
        self._backlog_size += len(packet)
        return True

    def _send_backlog(self) -> None:
        try:
            while self._backlog:
                self._socket.send(self._backlog[0])
                self._backlog_size -= len(self._backlog.popleft())
        except BlockingIOError:
            return
        except OSError:
            self._backlog.clear()
        self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        for _ in range(_MAX_BATCH):
            if self._socket.fileno() < 0:  # a packet had it closed
                return
            try:
                packet = self._socket.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self.close()
                self._closed()
                return
            self._receive(packet)


def make_socket() -> socket.socket:
    """Return a socket of the kind that links use."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


def is_same_user(connected: socket.socket) -> bool:
    """Return True if the process at the other end runs as our user, or as root."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return _PEER.unpack(credentials)[1] in {0, os.geteuid()}


def pack_wanted(wanted: list[Wanted]) -> bytes:
    """Return the HELLO of a process that wants these listeners."""
    return HELLO + json.dumps({"version": VERSION, "wanted": wanted}).encode()


def unpack_wanted(packet: bytes) -> list[Wanted] | None:
    """Return what a HELLO wants; None if it is of another version, or no HELLO."""
    if packet[:1] != HELLO:
        return None
    hello = json.loads(packet[1:])
    if hello.get("version") != VERSION:
        return None
    return [Wanted(*one) for one in hello["wanted"]]


def pack_message(data: bytes, flow: Flow, addresses: LocalAddresses | None) -> bytes:
    """Return a packet with a SIP message; its flow has the listener's index and the address."""
    place = addresses.place(flow.interface) if addresses else (flow.interface, "")
    head = [*flow[:3], *place, flow.connection]
    return MESSAGE + json.dumps(head).encode() + b"\n" + data


def unpack_message(packet: bytes) -> tuple[bytes, Flow, str]:
    """Return a SIP message, its flow by the listener's index, and the address there."""
    head, _, data = packet[1:].partition(b"\n")
    transport, host, port, listener, address, connection = json.loads(head)
    return data, Flow(transport, host, port, listener, connection), address
