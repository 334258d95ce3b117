"""SIP over UDP (RFC 3261 18): one socket per listener, read in batches."""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.sip.unparsed import is_new_invite
from sip_stager.transport.icmp import RESPONSE, ErrorQueue
from sip_stager.transport.local_addresses import ANCILLARY_BYTES as ADDRESS_BYTES
from sip_stager.transport.local_addresses import DatagramAddresses
from sip_stager.transport.receive_time import ANCILLARY_BYTES as TIME_BYTES
from sip_stager.transport.receive_time import age_of, request_times
from sip_stager.transport.strangers import StrangerQueue

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_stager.transport.strangers import StrangerBudget
    from sip_stager.transport.types import LocalAddresses, Lost, Screen

# A batch ends at whichever limit comes first; then the loop serves timers and other sockets.
MAX_BATCH = 64  # datagrams; at 50 us each they take about 3 ms
MAX_BATCH_BYTES = 65536  # each byte costs up to 50 ns

MAX_AGE_ALONE = 0.0005
"""Seconds; an older datagram has waited for us, and so may others."""
RECEIVE_BUFFER = 8 * 1024 * 1024
"""Bytes; the kernel grants what net.core.rmem_max allows, more to a privileged process."""

_SO_RCVBUFFORCE = 33
_MAX_TRIES = 3
_ANCILLARY_BYTES = TIME_BYTES + ADDRESS_BYTES


class UdpListener:
    """One bound socket.

    ``receive`` is called with each datagram, its flow and its age in seconds.

    It is read by ``add_reader`` and not by asyncio's datagram endpoint, which allocates 256 KiB
    for each datagram and returns to the loop after each.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        index: int,
        receive: Callable[[bytes, Flow, float], None],
        lost: Lost,
        budget: StrangerBudget,
        screen: Screen | None = None,
        addresses: LocalAddresses | None = None,
        bound: socket.socket | None = None,
    ) -> None:
        self._loop = loop
        self._index = index
        self._receive = receive
        self._screen = screen
        self._socket = _prepared(bound) if bound is not None else _bound(address)
        # Where one address is bound, datagrams can come to no other.
        self._local: DatagramAddresses | None = None
        if addresses is not None and ip_address(address[0]).is_unspecified:
            self._local = DatagramAddresses(self._socket, index, addresses)
        self._source_from = lru_cache(maxsize=1024)(self._make_source)
        self._budget = budget
        self._parties = budget.parties
        self._strangers = StrangerQueue(loop, budget, receive, self._read_peers)
        self._drained = True
        self._errors = ErrorQueue(loop, self._socket, lost)
        loop.add_reader(self._errors.fileno(), self._read_batch)

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        return int(self._socket.getsockname()[1])

    def send_datagram(self, data: bytes, flow: Flow) -> None:
        """Send a datagram; raises ``OSError``.

        The kernel reports the ICMP error of an earlier datagram at the next call on the socket,
        whatever its address.  So an error may be another's: the error queue is read, which
        clears it, and the datagram is sent again.
        """
        self._errors.remember(data, flow)
        # A party of a call is no stranger.  Responses go to anybody, and say nothing of whom.
        if flow.host not in self._parties and not data.startswith(RESPONSE):
            self._budget.add_party(flow.host)
        for _ in range(_MAX_TRIES - 1):
            try:
                self._transmit(data, flow)
            except BlockingIOError:  # the send buffer is full: nothing to clear
                raise
            except OSError:
                self._errors.drain()
            else:
                return
        self._transmit(data, flow)

    def forget_sources(self) -> None:
        """Look again whether a source is in the settings, which have changed."""
        self._source_from.cache_clear()

    def pause(self) -> socket.socket:
        """Stop reading, because a successor reads the socket now; return a copy of it."""
        self._drained = True  # nothing is read on behalf of what waits
        self._loop.remove_reader(self._errors.fileno())
        return self._socket.dup()

    def resume(self) -> None:
        """Read the socket again; harmless if it is read, or closed."""
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._errors.fileno(), self._read_batch)

    def attach_screen(self, screen: Screen | None) -> None:
        """Use another screen from the next batch on."""
        self._screen = screen

    def close(self) -> None:
        """Stop listening; harmless if it is closed."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._errors.fileno())
            self._errors.close()
            self._strangers.close()
            self._socket.close()

    def _transmit(self, data: bytes, flow: Flow) -> None:
        target = flow.host, flow.port
        if self._local is None:
            self._socket.sendto(data, target)
        else:
            self._socket.sendmsg([data], self._local.ancillary_for(flow.interface), 0, target)

    def _read_batch(self) -> None:
        new_invites: list[tuple[bytes, Flow, float]] = []
        screen, size, alone = self._screen, 0, False
        self._drained = True
        for count in range(MAX_BATCH):
            try:
                data, ancillary, _, address = self._socket.recvmsg(65535, _ANCILLARY_BYTES)
            except BlockingIOError:
                if not count:  # readable without a datagram: an error waits
                    self._errors.drain()
                break
            except OSError:  # the ICMP error of an earlier datagram
                self._errors.drain()
                continue
            size += len(data)
            if not count:
                alone = self._is_alone(ancillary)
            index = self._local.index_of(ancillary) if self._local else self._index
            flow, configured = self._source_from(address, index)
            if not configured and self._budget.is_stranger(flow.host):
                self._strangers.add(data, flow)
            elif screen is None or not screen.active:
                self._receive(data, flow, 0.0)
            else:
                self._receive_in_overload(data, flow, age_of(ancillary), new_invites)
            if alone or size >= MAX_BATCH_BYTES:
                self._drained = alone
                break
        else:
            self._drained = False
        for new_invite in new_invites:
            self._receive(*new_invite)

    def _receive_in_overload(
        self, data: bytes, flow: Flow, age: float, new_invites: list[tuple[bytes, Flow, float]]
    ) -> None:
        """Receive a datagram of a live call; new calls wait for the batch's end."""
        if is_new_invite(data):
            new_invites.append((data, flow, age))
        else:
            self._receive(data, flow, age)

    def _is_alone(self, ancillary: list[tuple[int, int, bytes]]) -> bool:
        """Return True if the oldest datagram has just come: most likely no other waits.

        To ask in vain for another costs more than to be called again if there is one.
        """
        age = age_of(ancillary)
        screen = self._screen
        if screen is not None:
            screen.observe_age(self._index, age)
            if screen.active:
                return False
        return age < MAX_AGE_ALONE

    def _read_peers(self) -> bool:
        """Read another batch if the last one left something; return True if nothing is left."""
        if not self._drained:
            self._read_batch()
        return self._drained

    def _make_source(self, address: tuple[str, int], index: int) -> tuple[Flow, bool]:
        """Return the flow of a source at an interface, and True if it is in the settings.

        IPv6 addresses have two more parts.
        """
        flow = Flow("UDP", address[0], address[1], index)
        return flow, self._budget.is_configured(flow.host)


def _prepared(bound: socket.socket) -> socket.socket:
    """Return a socket that another process has bound and set up."""
    bound.setblocking(False)
    return bound


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:  # leave the port of IPv4 to a listener of its own
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _enlarge_buffer(bound)
        request_times(bound)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _enlarge_buffer(bound: socket.socket) -> None:
    try:  # beyond net.core.rmem_max, with CAP_NET_ADMIN
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
