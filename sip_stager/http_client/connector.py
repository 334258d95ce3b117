"""New connections to one host: name look-up, TCP, TLS, each step timed.

::

    connect --> find addresses --> race them (RFC 8305) --> TLS --> Connection
                     |                      |                |
                     '----------------------+----------------'--> ConnectFailed(text)

Addresses come from ``Names``: at once when the name is known, else from a look-up that ends with
its caller's deadline.  A failure asks ``Names`` to look again, since the host may have moved.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import nullcontext
from traceback import clear_frames
from typing import TYPE_CHECKING, Protocol

from sip_stager.http_client.connection import Connection, reason
from sip_stager.http_client.happy_eyeballs import AddressInfo, race
from sip_stager.http_client.phase_times import PhaseTimer
from sip_stager.http_client.results import ConnectFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.http_client.phase_times import Phases

MIN_CROSSING_WINDOW = 0.1  # seconds; a busy server closes a while after it has decided to
MAX_CROSSING_WINDOW = 0.2  # seconds; a staging may be over after that
_TCP_INFO = getattr(socket, "TCP_INFO", None)  # Linux has it
_ROUND_TRIP = struct.Struct("=68xI")  # tcpi_rtt in microseconds, of linux/tcp.h's tcp_info


class Names(Protocol):
    """The addresses of host names, as ``getaddrinfo`` returns them; their port does not matter."""

    def find(self, host: str) -> Sequence[AddressInfo] | asyncio.Future[Sequence[AddressInfo]]:
        """Return the addresses at once, or a look-up under way; it has none if it fails."""

    def renew(self, host: str) -> None:
        """Look the name up again soon: no address could be connected to."""


class SystemNames:
    """The loop's own ``getaddrinfo``, without a cache (``Names``)."""

    def find(self, host: str) -> asyncio.Future[Sequence[AddressInfo]]:
        """Start a look-up."""
        return asyncio.get_running_loop().create_task(_look_up(host))

    def renew(self, host: str) -> None:
        """Do nothing: the next connection looks the name up."""


async def _look_up(host: str) -> Sequence[AddressInfo]:
    try:
        return await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, RuntimeError):  # the last: no thread can be started
        return ()


class Connector:
    """Makes connections to ``host``; ``tls`` is None for plain ones.  Needs a running loop."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, names: Names | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._names = names or SystemNames()
        self._literal = _read_literal(host)
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(
        self, make_protocol: Callable[[], Connection], phases: Phases
    ) -> Connection | ConnectFailed:
        """Connect; ``phases`` gets the seconds, also when the caller is cancelled."""
        addresses = self._literal or await self._find(phases)
        if not addresses:
            return ConnectFailed(f"the name {self._host} cannot be resolved")
        try:
            with PhaseTimer(phases, "connect"):
                connected = await race([self._with_port(each) for each in addresses])
            if isinstance(connected, socket.socket):
                return await self._start_tls(connected, make_protocol, phases)
            failed: Exception = connected
        except (OSError, RuntimeError) as error:  # uvloop raises both
            clear_frames(error.__traceback__)  # they hold the error: a reference cycle
            failed = error.with_traceback(None)
        if not self._literal:
            self._names.renew(self._host)
        return ConnectFailed(self._describe(failed))

    def close(self) -> None:
        """End the waits for look-ups under way."""
        if not self._closing.done():
            self._closing.set_result(None)

    async def _find(self, phases: Phases) -> Sequence[AddressInfo]:
        """Return the addresses of the name; none if it cannot be resolved."""
        found = self._names.find(self._host)
        if not isinstance(found, asyncio.Future):
            return found
        with PhaseTimer(phases, "name_lookup"):
            # wait() does not cancel the look-up with its caller: others may wait for it, too.
            await asyncio.wait((found, self._closing), return_when=asyncio.FIRST_COMPLETED)
        return found.result() if found.done() and not found.cancelled() else ()

    def _with_port(self, info: AddressInfo) -> AddressInfo:
        address = info[4]
        return (*info[:4], (address[0], self._port, *address[2:]))

    async def _start_tls(
        self, connected: socket.socket, make_protocol: Callable[[], Connection], phases: Phases
    ) -> Connection:
        """Hand the socket to the loop, with a TLS handshake where there is to be one."""
        try:
            window = crossing_window(_round_trip(connected))
            with PhaseTimer(phases, "tls") if self._tls else nullcontext():
                _, connection = await asyncio.get_running_loop().create_connection(
                    make_protocol,
                    sock=connected,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except BaseException:
            connected.close()
            raise
        connection.crossing_window = window
        return connection

    def _describe(self, failed: Exception) -> str:
        if isinstance(failed, ssl.SSLCertVerificationError):
            return f"the TLS certificate of {self._host} is not valid: {reason(failed)}"
        if isinstance(failed, ssl.SSLError):
            return f"no TLS with {self._host} port {self._port}: {reason(failed)}"
        return f"cannot connect to {self._host} port {self._port}: {reason(failed)}"


def _read_literal(host: str) -> Sequence[AddressInfo]:
    """Return the address that ``host`` is, or nothing if it is a name."""
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return ()


def crossing_window(round_trip: float) -> float:
    """Return the seconds within which the end of an idle connection has crossed a request.

    The server's FIN was under way when we sent, or its RST answers our bytes: both are here within
    one round trip, and as much later as a busy server takes to close and our loop to notice.  An
    end that comes later may come from a server that has taken the request: a staging takes longer.
    """
    return min(2 * round_trip + MIN_CROSSING_WINDOW, MAX_CROSSING_WINDOW)


def _round_trip(connected: socket.socket) -> float:
    """Return the handshake's seconds as the kernel measured them: our loop may have been late."""
    if _TCP_INFO is None:
        return 0.0
    info = connected.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _ROUND_TRIP.size)
    return float(_ROUND_TRIP.unpack(info)[0]) / 1e6
