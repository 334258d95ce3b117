"""Events of SIP messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import DropCause
from sip_stager.sip.message import Request, Response


class MessageReceived(NamedTuple):
    """A message was received and parsed, maybe as a retransmission."""

    message: Request | Response
    flow: Flow


class MessageSent(NamedTuple):
    """A message was handed to the transport, maybe as a retransmission."""

    message: Request | Response
    flow: Flow
    retransmission: bool = False


@dataclass(frozen=True, slots=True)
class MessageDropped:
    """A message was dropped, received or to be sent.

    ``detail`` may hold text from a stranger: escape it.  ``call_id`` is empty if none was read.
    ``count`` is more than 1 if the event stands for several messages.
    """

    flow: Flow
    cause: DropCause
    detail: str
    call_id: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class TrunkAddressSuspected:
    """A stranger's INVITE looks like one of a trunk, whose carrier may have a new address.

    It is reported once for each address.  ``why`` holds no number.
    """

    flow: Flow
    why: str
    call_id: str


@dataclass(frozen=True, slots=True)
class LargeRequestSent:
    """A request too large for a safe datagram was sent, over TCP if the target may accept it."""

    target: Flow
