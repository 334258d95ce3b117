"""Counters of SIP messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sip_stager.events import LargeRequestSent, MessageDropped, TrunkAddressSuspected
from sip_stager.model.vocabulary import DropCause
from sip_stager.observability.instruments import EventCounter, Series
from sip_stager.observability.registered_labels import (
    CODE_LABELS,
    METHOD_LABELS,
    OTHER,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Handlers
    from sip_stager.sip.message import Request, Response


class _RequestSeries(dict[bytes, Series]):
    """The series of a counter of requests, by the method as it is in the message.

    Only registered methods are kept: those that strangers make up would fill the memory.
    """

    def __init__(self, counter: EventCounter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, method: bytes) -> Series:
        series = self._counter.series[METHOD_LABELS.get(method, OTHER),]
        if method in METHOD_LABELS:
            self[method] = series
        return series


class _ResponseSeries(dict[tuple[int, bytes], Series]):
    """The series of a counter of responses, by the code and the method of the CSeq.

    Only registered ones are kept: those that strangers make up would fill the memory.
    """

    def __init__(self, counter: EventCounter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, key: tuple[int, bytes]) -> Series:
        status, method = key
        series = self._counter.series[METHOD_LABELS.get(method, OTHER), CODE_LABELS[status]]
        if status in CODE_LABELS and method in METHOD_LABELS:
            self[key] = series
        return series


def _with_methods(counter: EventCounter) -> EventCounter:
    """Return a counter whose series of all methods exist."""
    for method in (*METHOD_LABELS.values(), OTHER):
        counter.initialize(method)
    return counter


def _with_codes(counter: EventCounter) -> EventCounter:
    """Return a counter whose series of INVITE with all codes exist.

    All codes of all methods would be a thousand series, and nobody has an alert for most.
    """
    for code in CODE_LABELS.values():
        counter.initialize("INVITE", code)
    return counter


class MessageMetrics:
    """Messages received, sent and dropped, by method and code.

    The port passes messages and flows for other observers; they are unused here (``noqa: ARG002``).

    Each call has a dozen messages: one is counted with one look-up, by its own words.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(EventCounter, registry)
        self._requests_received = _RequestSeries(
            _with_methods(counter("requests_received", "SIP requests received.", "method"))
        )
        self._requests_sent = _RequestSeries(
            _with_methods(counter("requests_sent", "SIP requests sent.", "method"))
        )
        self._responses_received = _ResponseSeries(
            _with_codes(counter("responses_received", "SIP responses received.", "method", "code"))
        )
        self._responses_sent = _ResponseSeries(
            _with_codes(counter("responses_sent", "SIP responses sent.", "method", "code"))
        )
        self._retransmissions = _with_methods(
            counter(
                "retransmissions_sent",
                "SIP messages retransmitted; they are counted as sent, too.",
                "method",
            )
        )
        self._dropped = counter("messages_dropped", "Messages dropped without an answer.", "cause")
        self._large = counter(
            "large_requests_sent",
            "Requests above 1300 bytes to a UDP target, by the transport that was used.",
            "transport",
        )
        self._suspected = counter(
            "trunk_addresses_suspected", "Strangers' addresses that look like a carrier's new ones."
        )
        for cause in DropCause:
            self._dropped.initialize(cause)
        for transport in ("UDP", "TCP"):
            self._large.initialize(transport)
        self.handlers: Handlers = {
            MessageDropped: self._count_dropped,
            TrunkAddressSuspected: lambda _: self._suspected.increment(),
            LargeRequestSent: lambda event: self._large.increment(event.target.transport),
        }

    def _count_dropped(self, event: MessageDropped) -> None:
        self._dropped.series[event.cause,].count += event.count

    def request_received(self, request: Request, flow: Flow) -> None:  # noqa: ARG002
        """Count a request that was parsed."""
        self._requests_received[request.method].count += 1

    def response_received(self, response: Response, method: bytes, flow: Flow) -> None:  # noqa: ARG002
        """Count a response that was parsed."""
        self._responses_received[response.status, method].count += 1

    def request_sent(
        self,
        data: bytes,  # noqa: ARG002
        method: bytes,
        flow: Flow,  # noqa: ARG002
        *,
        retransmission: bool,
    ) -> None:
        """Count a request that was handed to the transport."""
        self._requests_sent[method].count += 1
        if retransmission:
            self._retransmissions.increment(METHOD_LABELS.get(method, OTHER))

    def response_sent(
        self,
        data: bytes,  # noqa: ARG002
        method: bytes,
        status: int,
        flow: Flow,  # noqa: ARG002
        *,
        retransmission: bool,
    ) -> None:
        """Count a response that was handed to the transport."""
        self._responses_sent[status, method].count += 1
        if retransmission:
            self._retransmissions.increment(METHOD_LABELS.get(method, OTHER))

    def raw_message(self, data: bytes, flow: Flow, *, sent: bool) -> None:  # noqa: ARG002
        """Count a message of an INVITE that was refused in overload."""
        if sent:
            self._responses_sent[int(data[8:11]), b"INVITE"].count += 1
        else:
            self._requests_received[b"ACK" if data.startswith(b"ACK") else b"INVITE"].count += 1
