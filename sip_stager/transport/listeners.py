"""All listeners together: the core's ``Transport``, and the place where our own bugs are caught."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sip_stager.config import Limits
from sip_stager.events import MessageDropped
from sip_stager.model.vocabulary import DropCause
from sip_stager.transport.predecessor import settled_by
from sip_stager.transport.strangers import StrangerBudget
from sip_stager.transport.takeover_link import Wanted
from sip_stager.transport.tcp import TcpTransport
from sip_stager.transport.types import Anybody
from sip_stager.transport.udp import UdpListener

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Container, Mapping

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Notify
    from sip_stager.transport.predecessor import Predecessor
    from sip_stager.transport.types import LocalAddresses, Lost, Peers, Receive, Screen

_log = logging.getLogger(__name__)


class Sockets:
    """The sockets of all listeners (``ports.Transport``).

    An exception that an attached callback raises is a bug of ours: it is logged, counted as
    ``internal_error``, and costs one message.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        notify: Notify,
        limits: Limits | None = None,
        peers: Peers | None = None,
    ) -> None:
        self._loop = loop
        self._notify = notify
        limits, peers = limits or Limits(), peers or Anybody()
        self._udp: dict[int, UdpListener] = {}
        self._strangers = StrangerBudget(loop, limits, peers, self._report_drop)
        self._tcp = TcpTransport(
            loop, limits, self._on_message, self._on_lost, self._report_drop, peers
        )
        self._places: dict[Wanted, int] = {}
        self._given: dict[Wanted, socket.socket] = {}  # by a predecessor, until they are used
        self._taking_back: asyncio.Task[None] | None = None
        self._receive: Receive | None = None
        self._lost: Lost | None = None
        self._screen: Screen | None = None
        self._addresses: LocalAddresses | None = None

    @property
    def connections(self) -> Mapping[str, int]:
        """The number of open TCP connections: ``accepted`` from peers, and ``opened`` by us."""
        return {"accepted": len(self._tcp.accepted), "opened": len(self._tcp.ours)}

    def attach(
        self,
        receive: Receive,
        lost: Lost | None = None,
        screen: Screen | None = None,
        live: Callable[[], Container[int | tuple[str, int]]] = tuple,
        addresses: LocalAddresses | None = None,
    ) -> None:
        """Set the callbacks for what arrives; call it before ``listen``.

        While ``screen`` is active, ``receive`` is called only for messages that it passes.

        ``lost`` is called when an address cannot be reached: for an ICMP error, or for a
        connection that carried our requests and broke; never while something is being sent.  It
        gets the flow without a connection, and the reason in words.

        ``live`` returns what live transactions need: numbers of TCP connections, and addresses with
        ports.  ``addresses`` are those that wildcard listeners are used at.
        """
        self._receive = receive
        self._lost = lost
        self._screen = screen
        self._tcp.accepted.live = self._tcp.ours.live = live
        self._addresses = self._tcp.addresses = addresses

    async def listen(self, transport: str, address: tuple[str, int], index: int) -> int:
        """Bind the listener with that index and return its port; raises ``OSError``.

        A socket with that address that a predecessor has given is used instead.
        """
        bound = self._given.pop(Wanted(transport, *address), None)
        port = await self._listen(transport, address, index, bound)
        self._places[Wanted(transport, address[0], port)] = index
        return port

    def give(self, given: Mapping[Wanted, socket.socket]) -> None:
        """Use these sockets of a predecessor for the listeners with their addresses."""
        self._given.update(given)

    def put_ahead(self, predecessor: Predecessor, is_own: Callable[[bytes], bool]) -> None:
        """Pass to a predecessor each message of no transaction of ours, by ``is_own``.

        It is forgotten when it ends.
        """
        inner, receive = self._screen, self._receive
        assert receive is not None  # noqa: S101  attached before `listen`
        behind = settled_by(inner, receive)
        predecessor.attach(
            inner,
            lambda data, flow: self._guarded(behind, flow, data, flow),
            is_own,
            self._addresses,
        )
        self._attach_screen(predecessor)

    def forget_predecessor(self, predecessor: Predecessor) -> None:
        """Receive all messages directly again, as the predecessor has ended."""
        self._attach_screen(predecessor.inner)

    def lend(self, wanted: list[Wanted]) -> dict[Wanted, tuple[int, socket.socket]]:
        """Stop reading these listeners; return a copy of the socket of each, with its index."""
        lent = {each: self._places[each] for each in wanted if each in self._places}
        return {
            each: (index, self._udp[index].pause() if index in self._udp else self._tcp.lend(index))
            for each, index in lent.items()
        }

    def take_back(self) -> None:
        """Read the listeners that were lent again."""
        for listener in self._udp.values():
            listener.resume()
        self._taking_back = self._loop.create_task(self._tcp.take_back())

    def close_idle_connections(self) -> None:
        """Close the connections that no live transaction needs, so that peers use a successor."""
        self._tcp.close_idle()

    def receive_lent(self, data: bytes, flow: Flow) -> None:
        """Receive a message that a successor has read for us."""
        self._on_message(data, flow)

    async def _listen(
        self, transport: str, address: tuple[str, int], index: int, bound: socket.socket | None
    ) -> int:
        if transport == "TCP":
            return await self._tcp.listen(address, index, bound)
        listener = UdpListener(
            self._loop,
            address,
            index,
            self._on_message,
            self._on_unreachable,
            self._strangers,
            self._screen,
            self._addresses,
            bound,
        )
        self._udp[index] = listener
        return listener.port

    def _attach_screen(self, screen: Screen | None) -> None:
        self._screen = screen
        for listener in self._udp.values():
            listener.attach_screen(screen)

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        """Send one message (``ports.Transport``)."""
        if flow.transport == "UDP":
            self._send_datagram(data, flow, failed)
            return

        def send_failed(why: str) -> None:
            self._on_send_failed(flow, why, failed)

        self._tcp.send_message(data, flow, send_failed)

    def is_connected(self, host: str, port: int) -> bool:
        """Return True if a TCP connection with that address and port is open."""
        return self._tcp.is_connected(host, port)

    def close_listener(self, index: int) -> None:
        """Close the socket of one listener; connections that it accepted stay open."""
        self._places = {place: one for place, one in self._places.items() if one != index}
        listener = self._udp.pop(index, None)
        if listener is not None:
            listener.close()
        self._tcp.close_listener(index)

    def adopt(self, limits: Limits, peers: Peers) -> None:
        """Use other limits and peers from now on; no open connection is closed for them."""
        self._strangers.adopt(limits, peers)
        self._tcp.adopt(limits, peers)
        for listener in self._udp.values():
            listener.forget_sources()

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for unused in self._given.values():
            unused.close()
        for listener in self._udp.values():
            listener.close()
        await self._tcp.close()

    def _send_datagram(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None) -> None:
        try:
            listener = self._udp.get(flow.interface) or self._udp_at(flow.interface)
            listener.send_datagram(data, flow)
        except KeyError:  # a reload has removed the listener
            why = "its listener is closed"
            self._loop.call_soon(self._on_send_failed, flow, why, failed)
        except BlockingIOError:
            # Lost as any network may lose it: the transaction sends it again, and the address is
            # not to blame, so `failed` is not called.
            self._report_drop(flow, DropCause.SEND_FAILED, "the send buffer is full")
        except (OSError, ValueError, TypeError, OverflowError) as error:  # an impossible address
            why = getattr(error, "strerror", None) or str(error)
            # A port never calls back before it has returned.
            self._loop.call_soon(self._on_send_failed, flow, why, failed)

    def _udp_at(self, index: int) -> UdpListener:
        """Return the listener of an interface that is one address of a wildcard listener."""
        place = self._addresses.place(index)[0] if self._addresses else index
        return self._udp[place]

    def _on_send_failed(self, flow: Flow, why: str, failed: Callable[[str], None] | None) -> None:
        self._report_drop(flow, DropCause.SEND_FAILED, why)
        if failed is not None:
            self._guarded(failed, flow, why)

    def _on_unreachable(self, flow: Flow, why: str) -> None:
        self._report_drop(flow, DropCause.SEND_FAILED, why)
        self._on_lost(flow, why)

    def _on_lost(self, flow: Flow, why: str) -> None:
        if self._lost is not None:
            self._guarded(self._lost, flow, flow, why)

    def _on_message(self, data: bytes, flow: Flow, age: float = 0.0) -> None:
        if self._screen is not None and self._screen.active:
            self._guarded(self._screen_message, flow, data, flow, age)
        elif self._receive is not None:
            self._guarded(self._receive, flow, data, flow)

    def _screen_message(self, data: bytes, flow: Flow, age: float) -> None:
        assert self._screen is not None  # noqa: S101  asked by the only caller
        if not self._screen.screen(data, flow, age) and self._receive is not None:
            self._receive(data, flow)

    def _guarded(self, callback: Callable[..., None], flow: Flow, *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception as bug:  # noqa: BLE001  the last line: no message stops the program
            _log.exception("a message was lost to a fault of sip-stager")
            self._report_drop(flow, DropCause.INTERNAL_ERROR, repr(bug))

    def _report_drop(self, flow: Flow, cause: DropCause, detail: str, count: int = 1) -> None:
        self._notify(MessageDropped(flow, cause, detail, count=count))
