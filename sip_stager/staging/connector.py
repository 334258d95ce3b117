"""New connections to one host: its name looked up, its addresses tried, TLS, all of it timed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from time import perf_counter
from traceback import clear_frames
from typing import TYPE_CHECKING

import httpx

from sip_stager.staging.connection import Connection, reason
from sip_stager.staging.phases import Timed
from sip_stager.staging.race import race

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.staging.phases import Phases
    from sip_stager.staging.race import AddressInfo

_NAME_KEPT = 30.0  # seconds


class Connector:
    """Connects to ``host``; its addresses are known for half a minute after a look-up.

    ``tls`` is None where the connection is to be plain.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._looked_up = float("-inf")
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
                    return await self._begin(connected, protocol)
                failed: Exception = connected
        except (OSError, RuntimeError) as error:  # uvloop raises both
            clear_frames(error.__traceback__)  # they hold the error: a cycle
            failed = error.with_traceback(None)
        return self._error(failed)

    def _error(self, failed: Exception) -> httpx.ConnectError:
        if isinstance(failed, ssl.SSLCertVerificationError):
            words = f"the TLS certificate of {self._host} is not valid: {reason(failed)}"
        elif isinstance(failed, ssl.SSLError):
            words = f"no TLS with {self._host} port {self._port}: {reason(failed)}"
        else:
            self._looked_up = float("-inf")
            words = f"cannot connect to {self._host} port {self._port}: {reason(failed)}"
        return httpx.ConnectError(words)

    async def _begin(
        self, connected: socket.socket, protocol: Callable[[], Connection]
    ) -> Connection:
        """Begin TLS, if there is to be any, and reading."""
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                protocol,
                sock=connected,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            connected.close()
            raise
        return connection

    async def _find(self, phases: Phases) -> Sequence[AddressInfo]:
        """Give the addresses; none where the name cannot be resolved."""
        if perf_counter() - self._looked_up < _NAME_KEPT:
            return self._addresses
        try:
            return socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except (OSError, UnicodeError):
            pass  # it is a name
        with Timed(phases, "name_lookup"):
            if self._lookup is None:
                self._lookup = asyncio.get_running_loop().create_task(self._look_up())
            await asyncio.shield(self._lookup)  # one look-up serves all who need it
        return self._addresses

    async def _look_up(self) -> None:
        try:
            self._addresses = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
            self._looked_up = perf_counter()
        except (OSError, UnicodeError):
            self._addresses = ()
        finally:
            self._lookup = None
