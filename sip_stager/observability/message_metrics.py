"""SIP messages, counted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import LargeRequestSent, MessageDropped, MessageReceived, MessageSent
from sip_stager.observability.instruments import EventCounter
from sip_stager.observability.registered_labels import code_label, method_label
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sip_stager.ports import Handlers


class MessageMetrics:
    """Counts what comes and goes, by method and code."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(EventCounter, registry)
        requests_received = counter("requests_received", "SIP requests parsed.", "method")
        requests_sent = counter("requests_sent", "SIP requests sent.", "method")
        responses_received = counter(
            "responses_received", "SIP responses parsed.", "method", "code"
        )
        responses_sent = counter("responses_sent", "SIP responses sent.", "method", "code")
        self._requests_received = requests_received.counts
        self._requests_sent = requests_sent.counts
        self._responses_received = responses_received.counts
        self._responses_sent = responses_sent.counts
        self._retransmissions = counter(
            "retransmissions_sent", "SIP messages sent again; they count as sent, too.", "method"
        )
        self._dropped = counter(
            "messages_dropped", "Messages that got no answer and went nowhere.", "cause"
        )
        self._large = counter(
            "large_requests_sent", "Requests above 1300 bytes to a UDP target.", "transport"
        )
        self.handlers: Handlers = {
            MessageReceived: self._received,
            MessageSent: self._sent,
            MessageDropped: lambda event: self._dropped.add(event.cause),
            LargeRequestSent: lambda event: self._large.add(event.target.transport),
        }

    def _received(self, event: MessageReceived) -> None:
        message = event.message
        if isinstance(message, Request):
            self._requests_received[method_label(message),] += 1
        else:
            self._responses_received[method_label(message), code_label(message.status)] += 1

    def _sent(self, event: MessageSent) -> None:
        message = event.message
        method = method_label(message)
        if isinstance(message, Request):
            self._requests_sent[method,] += 1
        else:
            self._responses_sent[method, code_label(message.status)] += 1
        if event.retransmission:
            self._retransmissions.add(method)
