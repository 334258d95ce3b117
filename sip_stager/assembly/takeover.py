"""The takeover from a predecessor, and the handover to a successor, for the whole program."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from sip_stager.transaction.ownership import CallSet, is_of_transaction
from sip_stager.transport.handover import Handover
from sip_stager.transport.predecessor import connect
from sip_stager.transport.takeover_link import Wanted

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sip_stager.config import Settings
    from sip_stager.observability.http import HttpServer
    from sip_stager.transaction.layer import TransactionLayer
    from sip_stager.transport.listeners import Sockets
    from sip_stager.transport.predecessor import Predecessor
    from sip_stager.transport.types import LocalAddresses

_HTTP = "HTTP"
_STAY_INTERVAL = 0.5  # seconds between looks for idle connections, and for the successor's end
_NO_LISTENER = -1  # the index of the HTTP socket: no message comes by it


class Takeover:
    """Takes over at ``path`` from the process before us, and hands over to the next.

    Without a path it does nothing.  ``stay`` is the time in seconds for our calls after a handover:
    after 64 T1 no message is repeated any more.  ``superseded`` is set while a successor has our
    place.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: Path | None,
        sockets: Sockets,
        http: HttpServer,
        layer: TransactionLayer,
        addresses: LocalAddresses,
        *,
        stay: float,
    ) -> None:
        self._loop = loop
        self._path = path
        self._sockets = sockets
        self._http = http
        self._layer = layer
        self._stay = stay
        self.superseded = asyncio.Event()
        self.predecessor: Predecessor | None = None
        self._lent_http: socket.socket | None = None
        self._changing: asyncio.Task[None] | None = None
        self._handover: Handover | None = None
        if path is not None:
            self._handover = Handover(
                loop,
                path,
                self._lend,
                sockets.take_back,
                self._watch,
                sockets.receive_lent,
                self._on_changed,
                addresses,
            )

    def connect(self) -> bool:
        """Look for a predecessor; return False if there is none.  Raises ``OSError``."""
        if self._path is not None:
            with _naming(self._path):
                self.predecessor = connect(self._loop, self._path)
        return self.predecessor is not None

    async def take_sockets(self, settings: Settings) -> None:
        """Get the sockets of the predecessor; the listeners use them when they are opened."""
        if self.predecessor is None:
            return
        http = settings.http
        wanted = [
            Wanted(one.transport.upper(), one.address, one.port) for one in settings.listeners
        ]
        given = dict(await self.predecessor.take([*wanted, Wanted(_HTTP, http.address, http.port)]))
        self._http.given = given.pop(Wanted(_HTTP, http.address, http.port), None)
        self._sockets.give(given)
        if not given:  # it has ended
            self.predecessor.close()
            self.predecessor = None

    def begin(self) -> None:
        """Take the predecessor's place, now that we read the sockets.  Raises ``OSError``."""
        if self._handover is None or self._path is None:
            return
        with _naming(self._path):
            self._handover.start()
        if self.predecessor is None:
            self._handover.accept_successor()
            return
        self._sockets.put_ahead(self.predecessor, partial(is_of_transaction, self._layer))
        self.predecessor.ended = self._on_predecessor_ended
        self.predecessor.confirm()

    async def stay(self, at_once: asyncio.Event) -> bool:
        """Serve our calls while a successor takes the new ones; return False if it ends first.

        Peers use the successor once their connection is idle.
        """
        until = self._loop.time() + self._stay
        while self.superseded.is_set() and not at_once.is_set() and self._loop.time() < until:
            self._sockets.close_idle_connections()
            with suppress(TimeoutError):
                await asyncio.wait_for(at_once.wait(), _STAY_INTERVAL)
        return self.superseded.is_set()

    async def close(self) -> None:
        """End both; the last step of a stop.  A predecessor that is still there takes over."""
        if self._handover is not None:
            self._handover.close()
        if self.predecessor is not None:
            self.predecessor.close()
        if self._changing is not None:
            self._changing.cancel()
            with suppress(asyncio.CancelledError):
                await self._changing
        if self._lent_http is not None:
            self._lent_http.close()

    def _on_predecessor_ended(self) -> None:
        if self.predecessor is not None and self._handover is not None:
            self._sockets.forget_predecessor(self.predecessor)
            self.predecessor = None
            self._handover.accept_successor()  # which has waited: only two processes can share

    def _lend(self, wanted: list[Wanted]) -> dict[Wanted, tuple[int, socket.socket]]:
        lent = self._sockets.lend(wanted)
        for each in wanted:
            copy = self._http.lend() if each == self._http_place else None
            if copy is not None:
                self._lent_http = copy.dup()
                lent[each] = _NO_LISTENER, copy
        return lent

    def _watch(self) -> Callable[[bytes], bool]:
        return CallSet(self._layer).has

    @property
    def _http_place(self) -> Wanted:
        return Wanted(_HTTP, self._http.address, self._http.port)

    def _on_changed(self, superseded: bool) -> None:  # noqa: FBT001  as it is reported
        (self.superseded.set if superseded else self.superseded.clear)()
        self._changing = self._loop.create_task(self._change_http(superseded=superseded))

    async def _change_http(self, *, superseded: bool) -> None:
        """Leave the metrics' address to the successor, or listen there again."""
        if self._lent_http is None:
            return
        await self._http.stop()
        if not superseded:
            self._http.given, self._lent_http = self._lent_http, None
            await self._http.start()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise an ``OSError`` with the path and the cure in its words."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        cure = "write a path in a folder that the program's user may write to"
        raise OSError(error.errno, f"--takeover {path}: {why}; {cure}") from error
