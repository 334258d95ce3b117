"""Events of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sip_stager.model.call import Call, Cause
from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import CallOutcome, TreatmentKind
from sip_stager.sip.message import Request, Response


class CallAdmitted(NamedTuple):
    """A new INVITE came from a trunk for a mapped number.

    It will be staged, unless its ``call.agent_id`` is empty.
    """

    call: Call
    source: Flow


class FlowRecorded(NamedTuple):
    """The seal of a new call has the flow that its INVITE came from: its caller is behind a NAT."""

    call: Call
    source: Flow


class CallRefused(NamedTuple):
    """A new INVITE was refused here.

    ``trunk`` is empty if the source belongs to none, or was not asked for.  ``elapsed`` counts from
    the INVITE.  The numbers are empty if they were not read; a stranger may have chosen them.
    ``call`` is set if the call was admitted before, and ``own_ringing`` to the seconds from the
    INVITE to our first 18x, if there was one.
    """

    call_id: str
    trunk: str
    status: int
    cause: Cause
    text: str
    elapsed: float
    reason: str = ""
    from_number: str = ""
    to_number: str = ""
    call: Call | None = None
    own_ringing: float | None = None


@dataclass(frozen=True, slots=True)
class CallTreated:
    """A call that could not be staged was not refused, but treated as its policy says.

    ``treatment`` is any ``TreatmentKind`` but ``REFUSE``.
    """

    call: Call
    cause: Cause
    treatment: TreatmentKind
    text: str
    elapsed: float


class InviteForwarded(NamedTuple):
    """The INVITE of a call was sent upstream; ``elapsed`` counts from its arrival.

    ``staged_id`` is the id that it carries; empty if the call was not staged, or too long ago.
    ``attempt`` is 1 at first, and grows with each further target, and with the same one over
    another transport.
    """

    call: Call
    staged_id: str
    target: Flow
    elapsed: float
    attempt: int = 1


class CallRinging(NamedTuple):
    """The caller was sent the first 18x of a call; ``elapsed`` counts from the INVITE.

    ``local``: it is our own, sent while the call was staged.
    """

    call: Call
    status: int
    elapsed: float
    local: bool = False


class CallEnded(NamedTuple):
    """An admitted call's INVITE got its final response, and was not refused.

    ``staged_id`` is the id that was sent upstream.  If the call was answered, it is set only if
    the target that answered received it.  ``sent`` is the final response to the caller, and
    ``received`` the last one of the upstream.  ``cancel`` is the caller's CANCEL.

    Like ``elapsed``, ``own_ringing``, ``ringing`` and ``cancelled`` count from the INVITE: to our
    first 18x, to the upstream's, and to the CANCEL.
    """

    call: Call
    staged_id: str
    outcome: CallOutcome
    status: int
    elapsed: float
    sent: Response | None = None
    received: Response | None = None
    cancel: Request | None = None
    own_ringing: float | None = None
    ringing: float | None = None
    cancelled: float | None = None


@dataclass(frozen=True, slots=True)
class CallAcknowledged:
    """The ACK of a 2xx was forwarded; a retransmitted one is reported as well."""

    ack: Request


class CallHungUp(NamedTuple):
    """A BYE of a dialog that we recorded got its final response, or none in time.

    ``seal`` is that of the dialog, from the BYE's Route.
    """

    bye: Request
    seal: bytes
    response: Response | None


@dataclass(frozen=True, slots=True)
class HeaderLost:
    """A call was answered, but no one claimed its staged call: the header was lost on the way."""

    call: Call
    staged_id: str
