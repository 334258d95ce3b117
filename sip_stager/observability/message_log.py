"""The messages of calls as log lines, at level debug (``message_mask.py`` masks them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import MessageReceived, MessageSent
from sip_stager.observability.log_fields import flow_text
from sip_stager.observability.message_mask import MessageMask, text_of
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.observability.logs import Logger
    from sip_stager.ports import Handlers
    from sip_stager.sip.message import Response

_OF_NO_CALL = frozenset({b"OPTIONS", b"REGISTER", b"SUBSCRIBE", b"PUBLISH"})


class MessageLog:
    """Writes the lines; ``handlers`` are its observer."""

    def __init__(self, logger: Logger, fields: LogFields, *, masks: bool) -> None:
        self._logger, self._fields = logger, fields
        self._mask = MessageMask(masks=masks)
        self.handlers: Handlers = {
            MessageReceived: lambda event: self._log("message_received", event.message, event.flow),
            MessageSent: self._log_sent,
        }

    def _log_sent(self, event: MessageSent) -> None:
        name = "message_retransmitted" if event.retransmission else "message_sent"
        self._log(name, event.message, event.flow)

    def _log(self, event: str, message: Request | Response, flow: Flow) -> None:
        try:
            method = message.method if isinstance(message, Request) else message.cseq[1]
        except Malformed:
            return
        if method in _OF_NO_CALL:
            return
        self._logger.debug(
            event,
            call_id=self._fields.call_id(text_of(message.call_id)),
            peer=flow_text(flow),
            message=self._mask.text(message),
        )
