"""What becomes of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.model.call import Call, Cause
    from sip_stager.model.flow import Flow
    from sip_stager.model.vocabulary import CallOutcome, TreatmentKind


@dataclass(frozen=True, slots=True)
class CallAdmitted:
    """A new INVITE belongs to a trunk and a mapped number.

    It will be staged, unless the platform redirects the number by itself (``call.agent_id``).
    """

    call: Call
    source: Flow


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A new INVITE got a final response of our own making.

    ``trunk`` is empty where the source belongs to none.  ``elapsed`` counts from the INVITE.
    """

    call_id: str
    trunk: str
    status: int
    cause: Cause
    text: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class CallTreated:
    """A call that could not be staged goes another way than to be refused.

    ``treatment`` is ``forward``, ``redirect``, ``moved`` or ``agent`` (``ports.Treatment``).
    """

    call: Call
    cause: Cause
    treatment: TreatmentKind
    text: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class InviteForwarded:
    """The INVITE of a call left for the upstream; ``elapsed`` counts from its arrival.

    ``staged_id`` is the id that it brings, empty where there is none: the call was not staged,
    or too
    long ago.  ``attempt`` is 1 for the first time, and goes up with each other target and with the
    same one over another transport.
    """

    call: Call
    staged_id: str
    target: Flow
    elapsed: float
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class CallRinging:
    """The first 18x of a call went to the caller; ``elapsed`` counts from the INVITE.

    ``local`` tells that it was of our own making, while the call was staged.
    """

    call: Call
    status: int
    elapsed: float
    local: bool = False


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A forwarded or staging INVITE has its final response.

    ``outcome``: ``answered``, ``rejected`` (the upstream said no), ``cancelled``, ``timeout``,
    ``upstream_unreachable`` (the upstream), ``moved`` (302 by the policy), ``stopped`` (with the
    program).
    ``staged_id`` is the id that was sent, where it was answered to who answered; else it is empty.
    """

    call: Call
    staged_id: str
    outcome: CallOutcome
    status: int
    elapsed: float


@dataclass(frozen=True, slots=True)
class HeaderLost:
    """A call was answered, and yet its staged call was claimed by nobody: the header got lost."""

    call: Call
    staged_id: str
