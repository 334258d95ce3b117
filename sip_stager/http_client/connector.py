"""New connections to one host: its name looked up, its addresses tried, TLS, all of it timed."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import nullcontext
from time import perf_counter
from traceback import clear_frames
from typing import TYPE_CHECKING

import httpx

from sip_stager.http_client.connection import Connection, reason
from sip_stager.http_client.happy_eyeballs import race
from sip_stager.http_client.phases import Timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.http_client.happy_eyeballs import AddressInfo
    from sip_stager.http_client.phases import Phases

_FRESH = 30.0  # seconds; an older address serves on, while it is looked up again
_STALE_MOST = 3600.0  # seconds; with none that was good so shortly before, connecting waits
_AGAIN = 1.0  # seconds between two look-ups where one, or a connection, has failed
_CROSSING_LEAST = 0.1  # seconds; a busy server closes a while after it has decided to
_CROSSING_MOST = 0.2  # seconds; a staging may be over then
_TCP_INFO = getattr(socket, "TCP_INFO", None)  # Linux has it
_ROUND_TRIP = struct.Struct("=68xI")  # tcpi_rtt in microseconds, of linux/tcp.h's tcp_info


class Connector:
    """Connects to ``host``, and waits for no look-up where it knew addresses shortly before.

    ``tls`` is None where the connection is to be plain.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._began = self._looked_up = float("-inf")  # when a look-up did, and when one succeeded
        self._addresses: Sequence[AddressInfo] = ()
        self._lookup: asyncio.Task[None] | None = None

    async def connect(
        self, protocol: Callable[[], Connection], phases: Phases
    ) -> Connection | httpx.ConnectError:
        """Connect; ``phases`` gets the seconds, also when the caller is cancelled."""
        addresses = await self._find(phases)
        if not addresses:
            return httpx.ConnectError(f"the name {self._host} cannot be resolved")
        try:
            with Timed(phases, "connect"):
                connected = await race(addresses)
            if isinstance(connected, socket.socket):
                return await self._begin(connected, protocol, phases)
            failed: Exception = connected
        except (OSError, RuntimeError) as error:  # uvloop raises both
            clear_frames(error.__traceback__)  # they hold the error: a cycle
            failed = error.with_traceback(None)
        return self._error(failed)

    def close(self) -> None:
        """Leave a look-up that is under way."""
        if self._lookup:
            self._lookup.cancel()

    def _error(self, failed: Exception) -> httpx.ConnectError:
        if self._addresses and perf_counter() - self._began > _AGAIN:
            self._refresh()  # it may have moved
        if isinstance(failed, ssl.SSLCertVerificationError):
            words = f"the TLS certificate of {self._host} is not valid: {reason(failed)}"
        elif isinstance(failed, ssl.SSLError):
            words = f"no TLS with {self._host} port {self._port}: {reason(failed)}"
        else:
            words = f"cannot connect to {self._host} port {self._port}: {reason(failed)}"
        return httpx.ConnectError(words)

    async def _begin(
        self, connected: socket.socket, protocol: Callable[[], Connection], phases: Phases
    ) -> Connection:
        """Begin TLS, if there is to be any, and reading."""
        try:
            crossing = crossing_of(_round_trip(connected))
            with Timed(phases, "tls") if self._tls else nullcontext():
                _, connection = await asyncio.get_running_loop().create_connection(
                    protocol,
                    sock=connected,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except BaseException:
            connected.close()
            raise
        connection.crossing = crossing
        return connection

    async def _find(self, phases: Phases) -> Sequence[AddressInfo]:
        """Give the addresses; none where the name cannot be resolved."""
        age = perf_counter() - self._looked_up
        if age < _FRESH:
            return self._addresses
        try:
            return socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except (OSError, UnicodeError):
            pass  # it is a name
        if age > _STALE_MOST:
            with Timed(phases, "name_lookup"):
                await asyncio.wait([self._refresh()])  # one look-up serves all who need it
        elif perf_counter() - self._began > _AGAIN:
            self._refresh()
        return self._addresses

    def _refresh(self) -> asyncio.Task[None]:
        """Begin a look-up, or join the one that is under way."""
        if self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._look_up())
        return self._lookup

    async def _look_up(self) -> None:
        """Look the name up; where that fails, what was known shortly before stays."""
        self._began = perf_counter()
        try:
            self._addresses = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
            self._looked_up = perf_counter()
        except (OSError, UnicodeError, RuntimeError):  # the last: no thread to be had
            if perf_counter() - self._looked_up > _STALE_MOST:
                self._addresses = ()
        finally:
            self._lookup = None


def crossing_of(round_trip: float) -> float:
    """Give the seconds within which the end of a kept connection has crossed a request.

    The server's FIN was under way when we sent, or its RST answers our bytes: both are here within
    one round trip, and as much later as a busy server, or we, take to close and to hear of it.
    What comes later may come from a server that has taken the request: a staging takes longer.
    """
    return min(2 * round_trip + _CROSSING_LEAST, _CROSSING_MOST)


def _round_trip(connected: socket.socket) -> float:
    """Give the seconds of the handshake as the kernel saw it, for our loop may have been late."""
    if _TCP_INFO is None:
        return 0.0
    info = connected.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _ROUND_TRIP.size)
    return float(_ROUND_TRIP.unpack(info)[0]) / 1e6
