"""Stateless forwarding (RFC 3261 16.11): the ACK of a 2xx, which has no transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import MessageDropped
from sip_stager.model.vocabulary import DropCause
from sip_stager.sip.field_grammar import Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Notify
    from sip_stager.proxy.dialog_fast_path import DialogFastPath
    from sip_stager.proxy.dialog_routing import DialogRouting
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.sender import Sender
    from sip_stager.sip.message import Request


class AckForwarding:
    """Forwards each ACK that matches no transaction of ours, or drops it."""

    def __init__(
        self,
        sender: Sender,
        responder: Responder,
        dialogs: DialogRouting,
        fast_path: DialogFastPath,
        notify: Notify,
    ) -> None:
        self._sender = sender
        self._responder = responder
        self._dialogs = dialogs
        self._fast_path = fast_path
        self._notify = notify

    def forward_ack(self, ack: Request, source: Flow) -> None:
        """Forward an ACK, unless it acknowledges a response of ours that we have forgotten."""
        routed = self._fast_path.route(ack, source)
        if routed is None or routed.flow is None:
            self._forward_unusual(ack, source)
        elif not self._responder.is_of_refusal(ack):
            self._sender.forward_ack(routed, source, routed.flow)

    def _forward_unusual(self, ack: Request, source: Flow) -> None:
        try:
            popped = self._dialogs.preprocess(ack, source)
            routed = self._dialogs.route(popped, source)
            if self._responder.is_of_refusal(ack):
                return  # it acknowledges a refusal of ours, which was sent without a transaction
            wrong = self._dialogs.why_not_ours(popped)
            wrong = wrong or ("no hops are left" if ack.max_forwards == 0 else "")
        except Malformed as fault:
            self._drop(source, DropCause.MALFORMED, str(fault))
            return
        if wrong:
            self._drop(source, DropCause.STRAY_ACK, wrong)
        else:
            self._locate_and_send(routed, source)

    def _locate_and_send(self, routed: Routed, source: Flow) -> None:
        def located(target: Flow | None, further: Sequence[Flow]) -> None:  # noqa: ARG001
            if target is None:
                self._drop(source, DropCause.UNROUTABLE, "the next hop of an ACK has no address")
            else:
                self._sender.forward_ack(routed, source, target)

        self._sender.locator.find(routed, source, located)

    def _drop(self, source: Flow, cause: DropCause, detail: str) -> None:
        self._notify(MessageDropped(source, cause, detail))
