"""The observer of single messages that copies those of calls into the history.

It is an observer and no handler of events: those would parse each sent message again, which takes
as long as everything else here.  Messages are parsed when somebody reads them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.observability.call_history import CallHistory
    from sip_stager.ports import MessageObserver
    from sip_stager.sip.message import Request, Response

_USUAL = b"\r\nCall-ID: "
_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_BEGINS = frozenset({b"INVITE", b"BYE"})
"""Requests that begin a record; after a restart, a BYE is all that is seen of a call."""


class MessageRecorder:
    """A ``ports.MessageObserver`` that passes a message to a counter, and to the history."""

    def __init__(self, history: CallHistory, counter: MessageObserver) -> None:
        self._history, self._counter = history, counter

    def request_received(self, request: Request, flow: Flow) -> None:
        """Record a request that was parsed."""
        self._counter.request_received(request, flow)
        begins = request.method in _BEGINS
        self._history.note_received(request.call_id, bytes(request), flow, begins=begins)

    def response_received(self, response: Response, method: bytes, flow: Flow) -> None:
        """Record a response that was parsed."""
        self._counter.response_received(response, method, flow)
        self._history.note_received(response.call_id, bytes(response), flow, begins=False)

    def request_sent(self, data: bytes, method: bytes, flow: Flow, *, retransmission: bool) -> None:
        """Record a request that was handed to the transport."""
        self._counter.request_sent(data, method, flow, retransmission=retransmission)
        self._history.note_sent(find_call_id(data), data, flow, again=retransmission)

    def response_sent(
        self, data: bytes, method: bytes, status: int, flow: Flow, *, retransmission: bool
    ) -> None:
        """Record a response that was handed to the transport."""
        self._counter.response_sent(data, method, status, flow, retransmission=retransmission)
        self._history.note_sent(find_call_id(data), data, flow, again=retransmission)

    def raw_message(self, data: bytes, flow: Flow, *, sent: bool) -> None:
        """Record a message that was never parsed."""
        self._counter.raw_message(data, flow, sent=sent)
        call_id = find_call_id(data)
        if sent:
            self._history.note_sent(call_id, data, flow, again=False)
        else:
            begins = data.startswith(b"INVITE ")
            self._history.note_received(call_id, data, flow, begins=begins)


def find_call_id(data: bytes) -> bytes:
    """Return the Call-ID of a message without parsing it; empty if there is none."""
    begin = data.find(_USUAL)
    if begin >= 0:
        begin += len(_USUAL)
        return data[begin : data.find(b"\r\n", begin)].strip()
    found = _CALL_ID.search(data)
    return found[1].strip() if found else b""
