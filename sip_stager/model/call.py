"""A call as admission, staging and the proxy see it, and the decisions about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import RefusalCause, StagingOutcome, TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = RefusalCause | StagingOutcome
"""The reason why a call is refused or treated: a word for a label, the same in the log."""
Value = str | int | float | bool
"""What a variable of an agent may hold."""
MIN_STAGING_TIME = 0.3
"""Seconds that a staging takes: with less left none is begun, for the agent would wait in vain."""
MAX_STAGED_ID_AGE = 55.0
"""Seconds from its staging in which an id may be sent: at the platform it lives for a minute."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """One thing to do with a call that could not be staged.

    ``kind``: ``forward`` (go on upstream without a staged agent), ``refuse`` (``status`` and
    ``reason``, each with a default where it is 0 or empty), ``redirect`` (``target`` is the SIP
    URI to try instead of the upstream), ``moved`` (the same URI in a 302), ``agent`` (``target``
    is the agent to stage instead).
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
    """What becomes of a call while it is staged, and when it can not be.

    ``treatments`` are tried one after another, by the cause of the failure; a cause without any is
    refused.  ``after_ringing`` stands for all of them once we have rung.  ``refusal`` is the status
    of a refusal that names none.  ``ringing`` is the status of our own provisional response (180 or
    183, 0 for none), ``ringing_delay`` the seconds until it is sent.
    """

    treatments: Mapping[Cause, tuple[Treatment, ...]] = field(default_factory=dict)
    after_ringing: tuple[Treatment, ...] = ()
    refusal: int = 503
    ringing: int = 0
    ringing_delay: float = 2.0


@dataclass(frozen=True, slots=True)
class Call:
    """A new call that admission has let in: what staging needs to know.

    Numbers are E.164 with the plus sign where the caller's or the dialled string is a number;
    what is not a number is left as it was.  ``deadline`` is the time that staging may take in
    all, in seconds; ``pass_503`` tells whether the trunk wants an upstream's 503 as it is.
    ``variables`` are what the agent is told of the call; they may hold what a stranger wrote.
    Without an ``agent_id`` it is not staged: the platform redirects the number by itself.
    ``generation`` is that of the row which maps the number.  ``another_follows`` tells that the
    deadline leaves time for another agent.  ``anonymous`` tells that the caller
    requested privacy, and that the trunk does not pass the number all the same.
    """

    call_id: str
    trunk: str
    from_number: str
    to_number: str
    agent_id: str
    deadline: float
    pass_503: bool = False
    policy: Policy = Policy()
    variables: Mapping[str, Value] = field(default_factory=dict, hash=False, repr=False)
    generation: int = 0
    another_follows: bool = False
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is not to go on: what its caller gets, and why.

    ``cause`` is one of a small set of words, fit for a metric's label and the same in the log
    (``unknown_source``, ``unmapped_number``, ``timeout``, ...); ``text`` says it to who reads
    the log, and goes out to no peer.  ``retry_after`` is in seconds; ``trunk`` is empty where the
    source belongs to none.
    """

    status: int
    reason: str
    cause: Cause
    text: str
    retry_after: int | None = None
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Staging's word to go on upstream; ``staged_id`` goes into ``X-Rounded-Call-Id``.

    ``staged_at`` is when it was staged, by the clock.
    """

    staged_id: str
    staged_at: float = 0.0


Decision = Forward | Refusal
