"""What becomes of stagings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sip_stager.model.vocabulary import WasteReason

if TYPE_CHECKING:
    from sip_stager.model.call import Call
    from sip_stager.model.vocabulary import AftercareKind, StagingOutcome, TerminationOutcome


@dataclass(frozen=True, slots=True)
class StagingStarted:
    """A staging has begun; it may still wait for the API's rate limit and for a connection."""

    call: Call
    mode: str


@dataclass(frozen=True, slots=True)
class StagingPolled:
    """The API was asked for the call's status; ``status`` is its word, untrusted."""

    call: Call
    staged_id: str
    status: str


@dataclass(frozen=True, slots=True)
class StagingRetried:
    """A staging failed, and after ``wait`` seconds is tried again now.

    ``outcome`` is what the attempt before met: a failure's word, as in ``StagingEnded``, or
    ``closed``: a kept connection that the API had closed as the request left.
    """

    call: Call
    outcome: StagingOutcome | Literal["closed"]
    http_status: int
    wait: float


@dataclass(frozen=True, slots=True)
class StagingEnded:
    """Staging is over.

    ``outcome``: ``staged``, ``refused``, ``busy`` (HTTP 429), ``failed`` (HTTP 5xx), ``timeout``,
    ``api_unreachable``, ``invalid_response``, ``breaker_open``, ``stopping``, ``internal_error``
    or ``cancelled``.
    ``elapsed`` is the whole step.  ``phases`` holds where the time went: ``queue`` (for a free
    connection), ``name_lookup``, ``connect``, ``tls``, ``request`` (from the request's first byte
    to the response's last), ``closed`` (a request on a connection that the API had closed before,
    which is then sent once more), ``poll`` (waiting between polls), ``rate_limit`` (until the API
    takes requests again), ``retry_wait`` (between attempts); a phase that did not occur is absent.
    ``text`` says what the API or the network said, untrusted.
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
    """A call uses what was staged for one before it, whose SIP Call-ID is ``staged_for``."""

    call: Call
    staged_id: str
    staged_for: str = ""


@dataclass(frozen=True, slots=True)
class StagingWasted:
    """A staged call came to nothing.

    ``reason``: ``unclaimed`` (nobody claimed it in time), ``store_full`` (too many are kept) or
    ``stopping``; where it was sent ``refused`` (the upstream rejected the call), ``cancelled`` (the
    caller did) or ``unanswered`` (no target that got it answered); ``abandoned`` in ``async`` mode,
    where its id was known and it was not staged yet.
    """

    call: Call
    staged_id: str
    reason: WasteReason = WasteReason.UNCLAIMED


@dataclass(frozen=True, slots=True)
class StagingTerminated:
    """The API was told to end a wasted call.

    ``outcome`` is ``ended``, ``over`` (it was at the API already), or a failure's word.
    """

    staged_id: str
    outcome: StagingOutcome | TerminationOutcome


@dataclass(frozen=True, slots=True)
class AftercareFailed:
    """A request that no call waits for went wrong, or was left out.

    ``kind``: ``label``, ``reconcile`` or ``terminate``; ``outcome`` is a failure's word, or
    ``skipped`` where too many waited already.  ``text`` is untrusted.
    """

    call: Call
    staged_id: str
    kind: AftercareKind
    outcome: StagingOutcome | Literal["skipped"]
    http_status: int = 0
    text: str = ""
