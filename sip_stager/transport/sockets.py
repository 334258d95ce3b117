"""All listeners together: the core's ``Transport``, and where our own mistakes end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sip_stager.config import Limits
from sip_stager.events import MessageDropped
from sip_stager.model.vocabulary import DropCause
from sip_stager.transport.tcp import TcpTransport
from sip_stager.transport.udp import UdpListener

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Notify
    from sip_stager.transport.types import Lost, Receive

_log = logging.getLogger(__name__)


class Sockets:
    """Listens and sends; what arrives, and what can not, goes to what is attached."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, notify: Notify, limits: Limits | None = None
    ) -> None:
        self._loop = loop
        self._notify = notify
        self._udp: dict[int, UdpListener] = {}
        self._tcp = TcpTransport(
            loop, limits or Limits(), self._arrived, self._tell_lost, self._dropped
        )
        self._receive: Receive | None = None
        self._lost: Lost | None = None

    @property
    def connections(self) -> Mapping[str, int]:
        """How many TCP connections are open, by who opened them: ``accepted`` or ``opened``."""
        return {"accepted": len(self._tcp.accepted), "opened": len(self._tcp.ours)}

    def attach(self, receive: Receive, lost: Lost | None = None) -> None:
        """Say who takes what arrives; before ``listen``.

        ``lost`` is told, never while something is being sent, that nothing reaches an address:
        of an ICMP error, or of a connection that we opened and that broke.  It gets the flow with
        no connection in it, and the reason in words.
        """
        self._receive = receive
        self._lost = lost

    async def listen(self, transport: str, address: tuple[str, int], index: int) -> int:
        """Bind the listener with that index and give its port; raises ``OSError``."""
        if transport == "TCP":
            return await self._tcp.listen(address, index)
        listener = UdpListener(self._loop, address, index, self._arrived, self._not_reached)
        self._udp[index] = listener
        return listener.port

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        """Send one message (``ports.Transport``)."""
        if flow.transport == "UDP":
            self._send_datagram(data, flow, failed)
            return

        def send_failed(why: str) -> None:
            self._not_sent(flow, why, failed)

        self._tcp.send(data, flow, send_failed)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for listener in self._udp.values():
            listener.close()
        await self._tcp.close()

    def _send_datagram(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None) -> None:
        """Send a datagram; a full send buffer loses it as any network may, and it is sent again."""
        try:
            self._udp[flow.interface].send(data, flow)
        except BlockingIOError:
            self._dropped(flow, DropCause.SEND_FAILED, "the send buffer is full")
        except (OSError, ValueError, TypeError, OverflowError) as error:  # no host, no port
            why = getattr(error, "strerror", None) or str(error)
            self._loop.call_soon(self._not_sent, flow, why, failed)

    def _not_sent(self, flow: Flow, why: str, failed: Callable[[str], None] | None) -> None:
        self._dropped(flow, DropCause.SEND_FAILED, why)
        if failed is not None:
            self._guarded(failed, flow, why)

    def _not_reached(self, flow: Flow, why: str) -> None:
        self._dropped(flow, DropCause.SEND_FAILED, why)
        self._tell_lost(flow, why)

    def _tell_lost(self, flow: Flow, why: str) -> None:
        if self._lost is not None:
            self._guarded(self._lost, flow, flow, why)

    def _arrived(self, data: bytes, flow: Flow) -> None:
        if self._receive is not None:
            self._guarded(self._receive, flow, data, flow)

    def _guarded(self, tell: Callable[..., None], flow: Flow, *facts: object) -> None:
        """Let a mistake of ours cost one message and nothing else."""
        try:
            tell(*facts)
        except Exception as mistake:  # noqa: BLE001  the last line: nothing that is sent stops us
            _log.exception("a message was lost to a mistake of sip-stager's own")
            self._dropped(flow, DropCause.INTERNAL_ERROR, repr(mistake))

    def _dropped(self, flow: Flow, cause: DropCause, detail: str) -> None:
        self._notify(MessageDropped(flow, cause, detail))
