"""The vocabularies: outcomes, causes, reasons and states, each word spelled once.

The words are labels of the metrics, values in the log and keys of the settings.  A test compares
the tables of ``docs/metrics.md`` with them.
"""

from __future__ import annotations

from enum import StrEnum


class StagingOutcome(StrEnum):
    """The end of one staging; label ``outcome`` of ``stagings_ended_total``."""

    STAGED = "staged"
    REFUSED = "refused"  # the API said no: HTTP 4xx, or the call's own status
    BUSY = "busy"  # HTTP 429, or the API's rate limit is used up
    FAILED = "failed"  # HTTP 5xx
    TIMEOUT = "timeout"  # the deadline, or HTTP 408
    API_UNREACHABLE = "api_unreachable"  # no whole response: name look-up, TCP, TLS, a broken one
    INVALID_RESPONSE = "invalid_response"  # HTTP 2xx without a usable id
    BREAKER_OPEN = "breaker_open"  # that of the API: it concerns every call
    AGENT_BREAKER_OPEN = "agent_breaker_open"  # that of the call's agent
    STOPPED = "stopped"  # with the program
    INTERNAL_ERROR = "internal_error"  # ours; the log has the traceback
    CANCELLED = "cancelled"  # by the caller


class RefusalCause(StrEnum):
    """The reason for a refusal without a staging; the others are ``StagingOutcome``."""

    UNKNOWN_SOURCE = "unknown_source"
    UNMAPPED_NUMBER = "unmapped_number"
    INVALID_REQUEST = "invalid_request"  # the INVITE breaks a rule of SIP: a loop, no hops left
    PRIVACY = "privacy"  # it is critical to the caller, and no proxy can perform it
    CALL_LIMIT = "call_limit"  # of the trunk or the number, in the settings
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


class EndCause(StrEnum):
    """The end of a call that talked, in the log; the others are those of refusals and outcomes."""

    HUNG_UP = "hung_up"  # by a BYE
    NO_ACK = "no_ack"  # it was answered, and no ACK came: nobody spoke
    UNSEEN = "unseen"  # its record gave way, or the program stopped first


class Side(StrEnum):
    """The side that a call's end is due to; fields ``side`` and ``ended_by`` of ``call_ended``."""

    CALLER = "caller"
    TRUNK = "trunk"
    US = "us"  # this program, or its settings
    API = "api"
    UPSTREAM = "upstream"
    AGENT = "agent"


class WasteReason(StrEnum):
    """The reason why a staged call came to nothing; label ``reason`` of ``stagings_wasted_total``.

    The first two are of calls that waited in the store, ``abandoned`` of async mode; the others
    are of calls that were sent upstream.
    """

    UNCLAIMED = "unclaimed"  # no call claimed it in time
    STORE_FULL = "store_full"
    STOPPED = "stopped"
    REJECTED = "rejected"  # by the upstream
    CANCELLED = "cancelled"  # by the caller
    UNANSWERED = "unanswered"  # no target that got the id answered
    ABANDONED = "abandoned"  # its id was known, and its staging not over


class DropCause(StrEnum):
    """The reason why a message was dropped; label ``cause`` of ``messages_dropped_total``."""

    MALFORMED = "malformed"
    KEEPALIVE = "keepalive"
    STRAY_RESPONSE = "stray_response"
    STRAY_ACK = "stray_ack"
    UNROUTABLE = "unroutable"
    INTERNAL_ERROR = "internal_error"
    SEND_FAILED = "send_failed"  # a socket error or an ICMP error
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_SLOW = "too_slow"  # a TCP peer: no complete message in time, or it does not read
    OLD_REPEAT = "old_repeat"  # of a request whose branch has served a later one since
    STRANGER = "stranger"  # of no trunk and no upstream: it gets nothing, or a bare answer
    NEXT_HOP_REFUSED = "next_hop_refused"  # a stranger's, to an address of no party of its dialog
    STALE = "stale"  # an INVITE that waited in the socket for longer than T1, in overload


class OverloadState(StrEnum):
    """The state of the overload control; label ``state`` of ``overload_state``."""

    NORMAL = "normal"  # every new call is admitted
    SHEDDING = "shedding"  # some new calls are refused, so that the others are served in time


class TreatmentKind(StrEnum):
    """A way to treat a call that could not be staged; the first word of a policy's value."""

    FORWARD = "forward"  # upstream, without a staged agent
    REFUSE = "refuse"
    REDIRECT = "redirect"  # to another SIP URI instead of the upstream
    MOVED = "moved"  # the same URI in a 302
    AGENT = "agent"  # another agent is staged instead


class BreakerState(StrEnum):
    """The state of a circuit breaker; label ``state`` of ``breaker_state``, ``agent_breakers``."""

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


class AftercareOutcome(StrEnum):
    """The end of an aftercare request that was not sent; the others are ``StagingOutcome``."""

    SKIPPED = "skipped"  # too many waited


class RetryCause(StrEnum):
    """The reason for a retry that is no failure; the others are ``StagingOutcome``."""

    CLOSED = "closed"  # the API had closed a kept connection just as the request was sent


class RefreshOutcome(StrEnum):
    """The end of a successful fetch of the platform's numbers; others are ``StagingOutcome``."""

    REFRESHED = "refreshed"


class ReloadOutcome(StrEnum):
    """The end of a reload of the settings; label ``outcome`` of ``settings_reloads_total``."""

    APPLIED = "applied"
    INVALID = "invalid"  # the files have mistakes
    NOT_LISTENING = "not_listening"  # a listener could not be opened
    INTERNAL_ERROR = "internal_error"  # ours; the log has the traceback


class TerminationOutcome(StrEnum):
    """The end of a successful termination of a wasted call; others are ``StagingOutcome``."""

    ENDED = "ended"
    OVER = "over"  # it had ended before
