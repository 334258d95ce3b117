"""The words for what becomes of calls, stagings and messages, each spelled once.

They are the labels of the metrics, the values in the log and the keys of the settings; the tables
of ``docs/metrics.md`` list them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal


class StagingOutcome(StrEnum):
    """The end of one staging; label ``outcome`` of ``stagings_ended_total``."""

    STAGED = "staged"
    REFUSED = "refused"  # the API said no: HTTP 4xx, or the call's own status
    BUSY = "busy"  # HTTP 429, or the API's rate limit is used up
    FAILED = "failed"  # HTTP 5xx
    TIMEOUT = "timeout"  # the deadline, or HTTP 408
    API_UNREACHABLE = "api_unreachable"  # no whole response: name look-up, TCP, TLS, a broken one
    INVALID_RESPONSE = "invalid_response"  # HTTP 2xx without a usable id
    BREAKER_OPEN = "breaker_open"
    STOPPED = "stopped"  # with the program
    INTERNAL_ERROR = "internal_error"  # ours; the log has the traceback
    CANCELLED = "cancelled"  # by the caller


class RefusalCause(StrEnum):
    """The reason for a refusal that is not a staging's; the others are ``StagingOutcome``."""

    UNKNOWN_SOURCE = "unknown_source"
    UNMAPPED_NUMBER = "unmapped_number"
    OVERLOAD = "overload"
    STOPPED = "stopped"


class CallOutcome(StrEnum):
    """The end of an admitted call's INVITE; label ``outcome`` of ``calls_ended_total``."""

    ANSWERED = "answered"
    REJECTED = "rejected"  # by the upstream
    CANCELLED = "cancelled"  # by the caller
    TIMEOUT = "timeout"  # the upstream gave no final response in time
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    MOVED = "moved"  # a 302 of our own, by the policy
    STOPPED = "stopped"  # with the program


class WasteReason(StrEnum):
    """The reason why a staged call came to nothing; label ``reason`` of ``stagings_wasted_total``.

    The first two befall a call in the store, the rest but the last one that was sent upstream.
    """

    UNCLAIMED = "unclaimed"  # its time to live ended
    STORE_FULL = "store_full"
    STOPPED = "stopped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNANSWERED = "unanswered"
    ABANDONED = "abandoned"  # in async mode: its id was known, and it was not staged yet


class DropCause(StrEnum):
    """The reason why a message went nowhere; label ``cause`` of ``messages_dropped_total``."""

    MALFORMED = "malformed"
    KEEPALIVE = "keepalive"
    STRAY_RESPONSE = "stray_response"
    STRAY_ACK = "stray_ack"
    UNROUTABLE = "unroutable"
    INTERNAL_ERROR = "internal_error"
    SEND_FAILED = "send_failed"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_SLOW = "too_slow"


class TreatmentKind(StrEnum):
    """A way to treat a call that could not be staged; the first word of a policy's value."""

    FORWARD = "forward"  # upstream, without a staged agent
    REFUSE = "refuse"
    REDIRECT = "redirect"  # to another SIP URI instead of the upstream
    MOVED = "moved"  # the same URI in a 302
    AGENT = "agent"  # another agent is staged instead


class BreakerState(StrEnum):
    """The state of the circuit breaker; label ``state`` of ``breaker_state``."""

    CLOSED = "closed"  # calls are staged
    OPEN = "open"  # the API is left alone
    HALF_OPEN = "half_open"  # one call at a time probes the API


class AgentState(StrEnum):
    """The state of a mapped agent at the platform; label ``state`` of ``agents``."""

    KNOWN = "known"
    MISSING = "missing"
    UNKNOWN = "unknown"  # not fetched yet


class AftercareKind(StrEnum):
    """A request that no call waits for; label ``kind`` of ``aftercare_failed_total``."""

    LABEL = "label"
    RECONCILE = "reconcile"
    TERMINATE = "terminate"


SKIPPED: Final = "skipped"
"""The outcome of an aftercare request that was not sent, since too many waited."""
CLOSED: Final = "closed"
"""The outcome of a request on a kept connection that the API had closed as it left."""
REFRESHED: Final = "refreshed"
"""The outcome of a fetch of the platform's numbers that succeeded."""

TerminationOutcome = Literal["ended", "over"]
"""The outcome of a termination that succeeded: ``over`` where the call had ended already."""
