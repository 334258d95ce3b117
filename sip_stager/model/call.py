"""A new call, its policy, and the decisions about it: the values of admission and staging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from sip_stager.model.vocabulary import RefusalCause, StagingOutcome, TreatmentKind

Cause = RefusalCause | StagingOutcome
"""The reason why a call is refused or treated; a label in the metrics, the same in the log."""
SERVICE_CAUSES: frozenset[Cause] = frozenset(
    {RefusalCause.OVERLOAD, RefusalCause.STOPPED, StagingOutcome.BREAKER_OPEN}
)
"""The causes that concern every call, so that a caller may be asked to stay away for a while.

RFC 3261 21.5.4: a client that receives Retry-After sends this server no other request for that
time.  A carrier must not be told so because of one call, number or agent."""
Value = str | int | float | bool
"""The value of an agent's variable."""
_NO_VARIABLES: Mapping[str, Value] = MappingProxyType({})
MIN_STAGING_TIME = 0.3
"""Seconds; with less time left no staging begins, since its agent would wait in vain."""
MAX_STAGED_ID_AGE = 55.0
"""Seconds in which a staged id may be sent; the platform forgets it after 60."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One step of a policy: what to do with a call that could not be staged.

    ``status`` and ``reason`` are those of a refusal, 0 and empty for the defaults.  ``target`` is
    the SIP URI or the agent that the ``kind`` needs.
    """

    kind: TreatmentKind
    status: int = 0
    reason: str = ""
    target: str = ""

    def __str__(self) -> str:
        parts = self.kind, str(self.status or ""), self.reason, self.target
        return " ".join(part for part in parts if part)


REFUSE = Treatment(TreatmentKind.REFUSE)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a number's calls ring while they are staged, and are treated if staging fails.

    - ``treatments`` lists, by the cause of the failure, the steps to try in order.  A cause without
      an entry is refused.
    - ``after_ringing`` replaces them for all causes once the caller has heard us ring.
    - ``refusal`` is the default status of a refusal that concerns every call
      (``SERVICE_CAUSES``, no upstream can be reached, or a limit of calls), ``call_refusal`` that
      of one call's failure, ``error_refusal`` that of an error of this program.
    - ``ringing`` is the status of our own provisional response: 180, 183, or 0 for none.  It is
      sent after ``ringing_delay`` seconds.
    """

    treatments: Mapping[Cause, tuple[Treatment, ...]] = field(default_factory=dict)
    after_ringing: tuple[Treatment, ...] = ()
    refusal: int = 503
    call_refusal: int = 480
    error_refusal: int = 500
    ringing: int = 0
    ringing_delay: float = 2.0
    stages_another: bool = field(init=False)
    """True if a treatment stages another agent."""

    def __post_init__(self) -> None:
        after_a_timeout = *self.treatments.get(StagingOutcome.TIMEOUT, ()), *self.after_ringing
        found = any(one.kind is TreatmentKind.AGENT for one in after_a_timeout)
        object.__setattr__(self, "stages_another", found)

    def refuses(self, cause: Cause) -> bool:
        """Return True if a call that no agent can be staged for ends with a refusal."""
        treatments = self.treatments.get(cause, ())
        return not treatments or treatments[-1].kind is TreatmentKind.REFUSE

    def refusal_for(self, cause: Cause) -> int:
        """Return the default status of a refusal with this cause."""
        # The limit of a trunk concerns its other calls, so that its carrier may use another route;
        # it is no reason to send nothing for a while, so it is none of the SERVICE_CAUSES.
        if cause in SERVICE_CAUSES or cause == RefusalCause.CALL_LIMIT:
            return self.refusal
        own = cause == StagingOutcome.INTERNAL_ERROR
        return self.error_refusal if own else self.call_refusal


class Call(NamedTuple):
    """A new call that was admitted, with all that staging needs.

    - ``call_id`` is SIP's Call-ID.
    - Numbers are in E.164 with a plus sign; a user part that is not a number is kept as received,
      unless its row has a number for it.
    - ``agent_id`` is empty if the call is not staged: the platform redirects the number itself, or
      the INVITE replaces another call.
    - ``deadline`` is the time for all of staging, in seconds.
    - ``pass_503``: the trunk wants an upstream's 503 unchanged.
    - ``variables`` are for the agent; they may hold text from strangers.
    - ``generation`` is that of the table row which maps the number.
    - ``another_follows``: the deadline leaves time for another agent.
    - ``anonymous``: the caller requested privacy, and the trunk does not override that.
    - ``row`` is the number of the table row that maps the called one.
    - ``nat``: the trunk is behind a NAT; None if that is found out for each call.
    """

    call_id: str
    trunk: str
    from_number: str
    to_number: str
    agent_id: str
    deadline: float
    pass_503: bool = False
    policy: Policy = Policy()
    variables: Mapping[str, Value] = _NO_VARIABLES
    generation: int = 0
    another_follows: bool = False
    anonymous: bool = False
    row: str = ""
    nat: bool | None = None

    def __repr__(self) -> str:
        # A traceback or a log line must not show what strangers wrote into the variables.
        shown = [
            f"{name}={value!r}"
            for name, value in zip(self._fields, self, strict=True)
            if name != "variables"
        ]
        return f"Call({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision against a call: the response to its caller, and the reason.

    ``text`` is for the log only; it is never sent to a peer.  ``retry_after`` is in seconds, and
    None unless the cause is one of ``SERVICE_CAUSES``.  ``trunk`` is empty if the source belongs to
    none.  The numbers are for the log as well; they are empty if they were not read, the caller's
    also if the caller requested privacy.
    """

    status: int
    reason: str
    cause: Cause
    text: str
    retry_after: int | None = None
    trunk: str = ""
    from_number: str = ""
    to_number: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """A decision to forward a call; ``staged_id`` goes into ``X-Rounded-Call-Id``.

    ``staged_at`` is the clock's time of its staging.
    """

    staged_id: str
    staged_at: float = 0.0


Decision = Forward | Refusal
"""The result of a staging."""
