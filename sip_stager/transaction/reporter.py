"""An observer that reports each message as an event, for observers of single messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import MessageReceived, MessageSent
from sip_stager.sip.parser import parse_sent

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import MessageObserver, Notify
    from sip_stager.sip.message import Request, Response


class MessageReporter:
    """A ``ports.MessageObserver`` that reports events, after passing a message to a counter."""

    def __init__(self, notify: Notify, counter: MessageObserver | None = None) -> None:
        self._notify = notify
        self._counter = counter

    def request_received(self, request: Request, flow: Flow) -> None:
        """Report a request that was parsed."""
        if self._counter is not None:
            self._counter.request_received(request, flow)
        self._notify(MessageReceived(request, flow))

    def response_received(self, response: Response, method: bytes, flow: Flow) -> None:
        """Report a response that was parsed."""
        if self._counter is not None:
            self._counter.response_received(response, method, flow)
        self._notify(MessageReceived(response, flow))

    def request_sent(self, data: bytes, method: bytes, flow: Flow, *, retransmission: bool) -> None:
        """Report a request that was handed to the transport."""
        if self._counter is not None:
            self._counter.request_sent(data, method, flow, retransmission=retransmission)
        self._notify(MessageSent(parse_sent(data), flow, retransmission))

    def response_sent(
        self, data: bytes, method: bytes, status: int, flow: Flow, *, retransmission: bool
    ) -> None:
        """Report a response that was handed to the transport."""
        if self._counter is not None:
            counter = self._counter
            counter.response_sent(data, method, status, flow, retransmission=retransmission)
        self._notify(MessageSent(parse_sent(data), flow, retransmission))

    def raw_message(self, data: bytes, flow: Flow, *, sent: bool) -> None:
        """Report a message that was never parsed; for the event it has to be."""
        if self._counter is not None:
            self._counter.raw_message(data, flow, sent=sent)
        message = parse_sent(data)
        self._notify(MessageSent(message, flow) if sent else MessageReceived(message, flow))
