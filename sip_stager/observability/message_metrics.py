"""Counters of SIP messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import LargeRequestSent, MessageDropped
from sip_stager.observability.instruments import EventCounter
from sip_stager.observability.registered_labels import (
    CODE_LABELS,
    METHOD_LABELS,
    OTHER,
    method_label,
)
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Handlers
    from sip_stager.sip.message import Response


class MessageMetrics:
    """Messages received, sent and dropped, by method and code."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(EventCounter, registry)
        # Each call has a dozen messages, so these are counted without a method call.
        self._requests_received = counter(
            "requests_received", "SIP requests received.", "method"
        ).counts
        self._requests_sent = counter("requests_sent", "SIP requests sent.", "method").counts
        self._responses_received = counter(
            "responses_received", "SIP responses received.", "method", "code"
        ).counts
        self._responses_sent = counter(
            "responses_sent", "SIP responses sent.", "method", "code"
        ).counts
        self._retransmissions = counter(
            "retransmissions_sent",
            "SIP messages retransmitted; they are counted as sent, too.",
            "method",
        )
        self._dropped = counter("messages_dropped", "Messages dropped without an answer.", "cause")
        self._large = counter(
            "large_requests_sent",
            "Requests above 1300 bytes to a UDP target, by the transport that was used.",
            "transport",
        )
        self.handlers: Handlers = {
            MessageDropped: lambda event: self._dropped.increment(event.cause),
            LargeRequestSent: lambda event: self._large.increment(event.target.transport),
        }

    def message_received(self, message: Request | Response, flow: Flow) -> None:  # noqa: ARG002
        """Count a message that was parsed."""
        if isinstance(message, Request):
            self._requests_received[(METHOD_LABELS.get(message.method, OTHER),)] += 1
        else:  # its CSeq was read before: its transaction is found by it
            method = METHOD_LABELS.get(message.cseq[1], OTHER)
            self._responses_received[method, CODE_LABELS[message.status]] += 1

    def message_sent(
        self,
        message: Request | Response,
        flow: Flow,  # noqa: ARG002
        *,
        retransmission: bool,
    ) -> None:
        """Count a message that was handed to the transport."""
        if isinstance(message, Request):
            method = METHOD_LABELS.get(message.method, OTHER)
            self._requests_sent[(method,)] += 1
        else:
            method = method_label(message)
            self._responses_sent[method, CODE_LABELS[message.status]] += 1
        if retransmission:
            self._retransmissions.increment(method)

    def raw_message(self, data: bytes, flow: Flow, *, sent: bool) -> None:  # noqa: ARG002
        """Count a message of an INVITE that was refused in overload."""
        if sent:
            self._responses_sent["INVITE", CODE_LABELS[int(data[8:11])]] += 1
        else:
            self._requests_received[("ACK" if data.startswith(b"ACK") else "INVITE",)] += 1
