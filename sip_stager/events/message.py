"""SIP messages that come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.model.vocabulary import DropCause
    from sip_stager.sip.message import Request, Response


class MessageReceived(NamedTuple):
    """A message was parsed; retransmissions are among them."""

    message: Request | Response
    flow: Flow


class MessageSent(NamedTuple):
    """A message was handed to the transport; retransmissions are among them."""

    message: Request | Response
    flow: Flow
    retransmission: bool = False


@dataclass(frozen=True, slots=True)
class MessageDropped:
    """A message got no answer and went nowhere.

    ``cause`` is a word for a label: ``malformed``, ``keepalive``, ``stray_response``,
    ``stray_ack``, ``unroutable``, ``internal_error``, ``send_failed``, ``too_many_connections``,
    ``too_slow``; ``detail`` says more, and may hold what a stranger sent: escape it.
    """

    flow: Flow
    cause: DropCause
    detail: str


@dataclass(frozen=True, slots=True)
class LargeRequestSent:
    """A request too large for a safe datagram left, over TCP where the target may take it."""

    target: Flow
