"""The process that this one takes over from, as the new process sees it.

From the moment that we have its sockets, every datagram comes to us.  Until it ends, we look at
each message first::

    message --- of a transaction of ours -------------------------> handled here
       |
       '------- any other ---> predecessor --- it knows the call --> handled there
                                    |
                                    '--------- it does not --------> comes back, handled here

So a new INVITE makes a round trip of less than a millisecond, for as long as the predecessor stays.
If the predecessor is stuck, messages are handled here.

A message over TCP goes there only if it needs no answer (a response or an ACK): connections cannot
be shared as datagram sockets can.
"""

from __future__ import annotations

import asyncio
import json
import socket
from functools import partial
from typing import TYPE_CHECKING

from sip_stager.transport.takeover_link import (
    MAX_DESCRIPTORS,
    MAX_PACKET,
    MESSAGE,
    PING,
    READY,
    SOCKETS,
    TakeoverLink,
    make_socket,
    pack_message,
    pack_wanted,
    unpack_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sip_stager.model.flow import Flow
    from sip_stager.transport.takeover_link import Wanted
    from sip_stager.transport.types import LocalAddresses, Receive, Screen

HANDOVER_TIMEOUT = 120.0
"""Seconds for the predecessor's answer; it waits until its own predecessor has ended."""
PING_INTERVAL = 0.5
"""Seconds between two PINGs."""
STUCK_TIMEOUT = 2.0
"""Seconds without an answer to a PING until new calls wait for it no longer."""
_NO_ANSWER = (b"SIP/2.0 ", b"ACK ")


class Predecessor:
    """The link to it; a ``Screen`` ahead of our own until it ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connected: socket.socket) -> None:
        self._loop = loop
        self._socket = connected
        self._link: TakeoverLink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.inner: Screen | None = None
        """Our own screen."""
        self.ended: Callable[[], object] = bool
        """Called when it ends."""
        self._receive: Receive | None = None
        self._is_own: Callable[[bytes], bool] = bool
        self._addresses: LocalAddresses | None = None

    @property
    def active(self) -> bool:
        """True: it must see each message."""
        return True

    async def take(self, wanted: list[Wanted]) -> Mapping[Wanted, socket.socket]:
        """Ask for its sockets; return those that it has, or none if it ends first."""
        wanted = wanted[:MAX_DESCRIPTORS]
        try:
            async with asyncio.timeout(HANDOVER_TIMEOUT):
                await self._loop.sock_sendall(self._socket, pack_wanted(wanted))
                packet, descriptors = await self._answer()
        except (OSError, TimeoutError):
            return {}
        sockets = [socket.socket(fileno=each) for each in descriptors]
        if packet[:1] != SOCKETS:
            return {}
        return {wanted[index]: got for index, got in zip(json.loads(packet[1:]), sockets)}  # noqa: B905

    def attach(
        self,
        inner: Screen | None,
        receive: Receive,
        is_own: Callable[[bytes], bool],
        addresses: LocalAddresses | None,
    ) -> None:
        """Set our own screen and what receives what comes back.

        ``is_own`` is True for a message of a transaction of ours.
        """
        self.inner, self._receive, self._is_own = inner, receive, is_own
        self._addresses = addresses

    def confirm(self) -> None:
        """Report that we read the sockets; from now on others' messages go to it."""
        self._link = TakeoverLink(self._loop, self._socket, self._on_packet, self._on_closed)
        self._link.send(READY)
        self._heard_at = self._loop.time()
        self._ping()

    def close(self) -> None:
        """Leave it; harmless if it has ended."""
        self._stop_pings()
        if self._link is not None:
            self._link.close()
        self._socket.close()

    def observe_age(self, interface: int, seconds: float) -> None:
        """Pass the age of a datagram to our own screen (``Screen``)."""
        if self.inner is not None:
            self.inner.observe_age(interface, seconds)

    def screen(self, data: bytes, source: Flow, age: float) -> bool:
        """Return True if a message went to the predecessor, or our own screen settled it."""
        needs_answer = not data.startswith(_NO_ANSWER)
        if not (source.transport == "TCP" and needs_answer) and not self._is_own(data):
            packet = pack_message(data, source, self._addresses)
            if self._link is not None and not self._is_stuck and self._link.send(packet):
                return True
        return self._is_settled(data, source, age)

    def _is_settled(self, data: bytes, source: Flow, age: float) -> bool:
        inner = self.inner
        return inner is not None and inner.active and inner.screen(data, source, age)

    def _on_packet(self, packet: bytes) -> None:
        """Handle a message that the predecessor knows nothing of, or its sign of life."""
        self._heard_at = self._loop.time()
        if packet[:1] != MESSAGE or self._receive is None:
            return
        data, flow, address = unpack_message(packet)
        if address and self._addresses is not None:
            flow = flow._replace(interface=self._addresses.at(flow.interface, address))
        self._receive(data, flow)

    @property
    def _is_stuck(self) -> bool:
        return self._loop.time() - self._heard_at > STUCK_TIMEOUT

    def _ping(self) -> None:
        if self._link is not None:
            self._link.send(PING)
            self._timer = self._loop.call_later(PING_INTERVAL, self._ping)

    def _stop_pings(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_closed(self) -> None:
        self._stop_pings()
        self.ended()

    async def _answer(self) -> tuple[bytes, list[int]]:
        readable = asyncio.Event()
        self._loop.add_reader(self._socket.fileno(), readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(self._socket.fileno())
        packet, descriptors, _, _ = socket.recv_fds(self._socket, MAX_PACKET, MAX_DESCRIPTORS)
        return packet, descriptors


def connect(loop: asyncio.AbstractEventLoop, path: Path) -> Predecessor | None:
    """Connect to the process that listens at a path; None if there is none."""
    connected = make_socket()
    try:
        connected.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connected.close()
        return None
    except BaseException:
        connected.close()
        raise
    return Predecessor(loop, connected)


def settled_by(screen: Screen | None, receive: Receive) -> Receive:
    """Return a receiver that asks a screen first, as ``Sockets`` does for what arrives."""
    return partial(_receive_behind, screen, receive)


def _receive_behind(screen: Screen | None, receive: Receive, data: bytes, flow: Flow) -> None:
    if screen is None or not screen.active or not screen.screen(data, flow, 0.0):
        receive(data, flow)
