"""Events of stagings and of staged calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sip_stager.model.call import Call
from sip_stager.model.vocabulary import (
    AftercareKind,
    AftercareOutcome,
    RetryCause,
    StagingOutcome,
    TerminationOutcome,
    WasteReason,
)


class StagingStarted(NamedTuple):
    """A staging began; it may still wait for the API's rate limit and for a connection."""

    call: Call
    mode: str


@dataclass(frozen=True, slots=True)
class StagingPolled:
    """The API reported a call's ``status``, in its own word, untrusted."""

    call: Call
    staged_id: str
    status: str


@dataclass(frozen=True, slots=True)
class StagingRetried:
    """A staging is tried again now, after a wait of ``wait`` seconds.

    ``outcome`` is that of the failed attempt.
    """

    call: Call
    outcome: StagingOutcome | RetryCause
    http_status: int
    wait: float


class StagingEnded(NamedTuple):
    """A staging is over.

    ``elapsed`` is the time of all of it.  ``phases`` has the seconds of each phase that occurred:

    - ``queue``: waiting for a free connection
    - ``name_lookup``, ``connect``, ``tls``: opening one
    - ``request``: from the request's first byte to the response's last
    - ``closed``: a request on a connection that the API had closed; it is sent once more
    - ``poll``: waiting between polls
    - ``rate_limit``: waiting until the API takes requests again
    - ``retry_wait``: waiting between attempts

    ``text`` is from the API or the network, untrusted.
    """

    call: Call
    outcome: StagingOutcome
    elapsed: float
    phases: dict[str, float]
    staged_id: str = ""
    http_status: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class StagingClaimed:
    """A call uses a call that was staged for an earlier one, whose Call-ID is ``staged_for``."""

    call: Call
    staged_id: str
    staged_for: str = ""


@dataclass(frozen=True, slots=True)
class StagingWasted:
    """A staged call was not used."""

    call: Call
    staged_id: str
    reason: WasteReason = WasteReason.UNCLAIMED


@dataclass(frozen=True, slots=True)
class StagingTerminated:
    """The API was asked to end a wasted call."""

    staged_id: str
    outcome: StagingOutcome | TerminationOutcome


@dataclass(frozen=True, slots=True)
class AftercareFailed:
    """An aftercare request, which no call waits for, failed or was not sent.

    ``text`` is untrusted.
    """

    call: Call
    staged_id: str
    kind: AftercareKind
    outcome: StagingOutcome | AftercareOutcome
    http_status: int = 0
    text: str = ""
