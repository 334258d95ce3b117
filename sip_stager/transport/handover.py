"""The handover of our sockets to a successor, a new process that takes over.

::

    LISTENING ---- HELLO: we stop reading, send the descriptors ---> HANDING_OVER
        ^                                                                 |
        |  the successor ends: we read again                            READY
        |                                                                 v
        '----------------------------------------------------------- SUPERSEDED

Datagrams that arrive between our last look and the successor's first one wait in the socket's
buffer: it is the same socket.  Once superseded, we get each message that is of no transaction of
the successor: those of our calls are handled, the others go back (``predecessor.py``).

Connections stay with the process that has them.  A listener that the successor does not want is
read here until we end.
"""

from __future__ import annotations

import json
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

from sip_stager.transport.takeover_link import (
    MESSAGE,
    PING,
    READY,
    SOCKETS,
    TakeoverLink,
    Wanted,
    is_same_user,
    make_socket,
    unpack_message,
    unpack_wanted,
)

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sip_stager.model.flow import Flow
    from sip_stager.transport.types import LocalAddresses, Receive


class HandoverState(Enum):
    """The state of the handover; the diagram above shows how it changes."""

    LISTENING = auto()
    HANDING_OVER = auto()
    SUPERSEDED = auto()


class Handover:
    """Listens at ``path`` for a successor, and hands the sockets over to it.

    ``lend`` stops reading the listeners with these addresses, and returns a copy of each socket
    with its index; ``take_back`` reads them again.  ``watch`` is called as a successor is there: it
    returns a function that is True for the messages of our calls.  ``changed`` is called with True
    once we are superseded, and with False if the successor ends before us.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: Path,
        lend: Callable[[list[Wanted]], Mapping[Wanted, tuple[int, socket.socket]]],
        take_back: Callable[[], None],
        watch: Callable[[], Callable[[bytes], bool]],
        receive: Receive,
        changed: Callable[[bool], None],
        addresses: LocalAddresses | None = None,
    ) -> None:
        self._loop = loop
        self._path = path
        self._lend = lend
        self._take_back = take_back
        self._watch = watch
        self._receive = receive
        self._changed = changed
        self._addresses = addresses
        self._listener: socket.socket | None = None
        self._link: TakeoverLink | None = None
        self._is_ours: Callable[[bytes], bool] = bool
        self._index_of: dict[int, int] = {}  # ours, by the successor's
        self.state = HandoverState.LISTENING

    def start(self) -> None:
        """Listen at the path, in the place of whoever did; raises ``OSError``."""
        listener = make_socket()
        try:
            # Another process replaces the path only once it has our place.
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            self._path.chmod(0o600)
            listener.listen()
        except BaseException:
            listener.close()
            raise
        self._listener = listener

    def accept_successor(self) -> None:
        """Answer a successor from now on; before, it waits."""
        if self._listener is not None:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """End it; harmless if it was not started."""
        if self._link is not None:
            self._link.close()
        if self._listener is not None:
            with suppress(OSError):
                self._path.unlink()
        self._close_listener()

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        with suppress(BlockingIOError):
            connected, _ = self._listener.accept()
            if self.state is not HandoverState.LISTENING or not is_same_user(connected):
                connected.close()
                return
            if self._link is not None:  # one that connected and asked for nothing
                self._link.close()
            self._link = TakeoverLink(self._loop, connected, self._on_packet, self._on_closed)

    def _on_packet(self, packet: bytes) -> None:
        kind = packet[:1]
        if kind == MESSAGE and self.state is HandoverState.SUPERSEDED:
            self._on_message(packet)
        elif kind == PING and self._link is not None:
            self._link.send(packet)
        elif kind == READY and self.state is HandoverState.HANDING_OVER:
            self.state = HandoverState.SUPERSEDED
            self._close_listener()  # the path is the successor's now
            self._changed(True)
        elif self.state is HandoverState.LISTENING:
            self._hand_over(unpack_wanted(packet))

    def _hand_over(self, wanted: list[Wanted] | None) -> None:
        link = self._link
        if link is None:
            return
        if wanted is None:
            link.close()
            return
        self.state = HandoverState.HANDING_OVER
        lent = self._lend(wanted)
        self._is_ours = self._watch()
        indexes = [wanted.index(each) for each in lent]
        self._index_of = {
            place: ours for place, (ours, _) in zip(indexes, lent.values(), strict=True)
        }
        copies = [copy for _, copy in lent.values()]
        packet = SOCKETS + json.dumps(indexes).encode()
        if not link.send(packet, tuple(copy.fileno() for copy in copies)):
            link.close()
            self._on_closed()
        for copy in copies:
            copy.close()

    def _on_message(self, packet: bytes) -> None:
        data, flow, address = unpack_message(packet)
        index = self._index_of.get(flow.interface)
        if index is not None and self._is_ours(data):
            self._receive(data, self._own_flow(flow, index, address))
        elif self._link is not None:
            self._link.send(packet)

    def _own_flow(self, flow: Flow, index: int, address: str) -> Flow:
        """Return the flow by our own indexes; the successor's connection is not ours."""
        if address and self._addresses is not None:
            index = self._addresses.at(index, address)
        return flow._replace(interface=index, connection=0)

    def _on_closed(self) -> None:
        """Take the sockets back: nobody else reads them."""
        was, self.state, self._link = self.state, HandoverState.LISTENING, None
        if was is HandoverState.LISTENING:
            return
        self._take_back()
        if was is HandoverState.SUPERSEDED:
            with suppress(OSError):  # without the path we serve calls all the same
                self.start()
                self.accept_successor()
            self._changed(False)
