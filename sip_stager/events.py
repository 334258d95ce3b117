"""What is worth knowing, as frozen values.

The core and the rooms of the shell report these to ``notify``; metrics, logs and the ladder match
over them.  Times are durations in seconds; who observes an event knows when it came.  The two
that come by the dozen in each call are named tuples, which are made in half the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.ports import Call, Flow
    from sip_stager.sip.message import Request, Response


class MessageReceived(NamedTuple):
    """A message was parsed; retransmissions are among them."""

    message: Request | Response
    flow: Flow


class MessageSent(NamedTuple):
    """A message was handed to the transport; retransmissions are among them."""

    message: Request | Response
    flow: Flow
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class MessageDropped:
    """A message got no answer and went nowhere.

    ``cause`` is a word for a label: ``malformed``, ``keepalive``, ``stray_response``,
    ``stray_ack``, ``unroutable``, ``own_mistake``, ``send_failed``, ``too_many_connections``,
    ``too_slow``; ``detail`` says more, and may hold what a stranger sent: escape it.
    """

    flow: Flow
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class LargeRequestSent:
    """A request too large for a safe datagram left, over TCP where the target may take it."""

    target: Flow


@dataclass(frozen=True, slots=True)
class CallAdmitted:
    """A new INVITE belongs to a trunk and a mapped number; it will be staged."""

    call: Call
    source: Flow


@dataclass(frozen=True, slots=True)
class StagingClaimed:
    """A call uses what was staged for one before it, whose SIP Call-ID is ``staged_for``."""

    call: Call
    call_id: str
    staged_for: str = ""


@dataclass(frozen=True, slots=True)
class StagingWasted:
    """A staged call was used by nobody within its life, or will not be: its call has ended."""

    call: Call
    call_id: str


@dataclass(frozen=True, slots=True)
class StagingTerminated:
    """The API was told to end a wasted call; ``outcome`` is ``ended`` or a failure's word."""

    call_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HeaderLost:
    """A call was answered, and yet its staged call was claimed by nobody: the header got lost."""

    call: Call
    call_id: str


@dataclass(frozen=True, slots=True)
class AftercareFailed:
    """A request that no call waits for went wrong, or was left out.

    ``kind``: ``label``, ``reconcile`` or ``terminate``; ``outcome`` is a failure's word, or
    ``left_out`` where too many waited already.  ``text`` is untrusted.
    """

    call: Call
    call_id: str
    kind: str
    outcome: str
    http_status: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A new INVITE got a final response of our own making.

    ``trunk`` is empty where the source belongs to none.  ``elapsed`` counts from the INVITE.
    """

    sip_call_id: str
    trunk: str
    status: int
    cause: str
    text: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class StagingStarted:
    """The first HTTP request of a staging is about to leave."""

    call: Call
    mode: str


@dataclass(frozen=True, slots=True)
class StagingPolled:
    """The API was asked for the call's status; ``status`` is its word, untrusted."""

    call: Call
    call_id: str
    status: str


@dataclass(frozen=True, slots=True)
class StagingRetried:
    """A staging failed and is tried again in ``wait`` seconds; ``outcome`` is what it met."""

    call: Call
    outcome: str
    http_status: int
    wait: float


@dataclass(frozen=True, slots=True)
class StagingEnded:
    """Staging is over.

    ``outcome``: ``staged``, ``refused``, ``over_time``, ``unreachable``, ``nonsense``,
    ``breaker_open``, ``stopping``, ``own_mistake`` or ``cancelled``.  ``elapsed`` is the whole
    step.  ``phases`` holds where the time went: ``queue`` (for a free connection),
    ``name_lookup``, ``connect``, ``tls``, ``request`` (from the request's first byte to the
    response's last), ``poll`` (waiting between polls), ``rate_limit`` (until the API takes
    requests again), ``retry_wait`` (between attempts); a phase that did not occur is absent.
    ``text`` says what the API or the network said, untrusted.
    """

    call: Call
    outcome: str
    elapsed: float
    phases: dict[str, float]
    call_id: str = ""
    http_status: int = 0
    text: str = ""


BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerMoved:
    """The circuit breaker before the API changed its ``state``.

    ``failures`` of ``calls`` in its window made it open, for ``pause`` seconds; 0 of 0 where it
    was one call that tried the API again.
    """

    state: BreakerState
    calls: int
    failures: int
    pause: float


@dataclass(frozen=True, slots=True)
class InviteForwarded:
    """The INVITE of a call left for the upstream; ``elapsed`` counts from its arrival.

    ``call_id`` is empty where it was not staged.  ``attempt`` is 1 for the first time, and goes up
    with each other target and with the same one over another transport.
    """

    call: Call
    call_id: str
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
class CallTreated:
    """A call that could not be staged goes another way than to be refused.

    ``treatment`` is ``forward``, ``redirect``, ``moved`` or ``agent`` (``ports.Treatment``).
    """

    call: Call
    cause: str
    treatment: str
    text: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A forwarded or staging INVITE has its final response.

    ``outcome``: ``answered``, ``rejected`` (the upstream said no), ``cancelled``, ``timed_out``,
    ``unreachable`` (the upstream), ``moved`` (302 by the policy); ``call_id`` is empty when it was
    not staged.
    """

    call: Call
    call_id: str
    outcome: str
    status: int
    elapsed: float


@dataclass(frozen=True, slots=True)
class AgentStateChanged:
    """A mapped agent is ``missing`` in the API, or ``known`` again; ``text`` is the API's word.

    ``version`` is the one that the mapping names, None for the one that was published last.
    """

    agent_id: str
    version: int | None
    state: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class NumbersRefreshed:
    """The platform's list of numbers was fetched.

    ``counts`` has how many are ``staged``, ``redirected``, ``without_agent`` and ``unusable``;
    ``wrong`` says of some unusable ones why they are, masked.  ``news`` tells whether the list says
    anything that the one before did not.
    """

    counts: Mapping[str, int]
    wrong: tuple[str, ...]
    news: bool


@dataclass(frozen=True, slots=True)
class NumbersNotRefreshed:
    """The platform's list of numbers could not be had; the last good one stays.

    ``outcome`` is ``refused``, ``over_time``, ``unreachable``, ``nonsense`` or ``own_mistake``;
    ``text`` is untrusted.
    """

    outcome: str
    http_status: int
    text: str


Event = (
    MessageReceived
    | MessageSent
    | MessageDropped
    | LargeRequestSent
    | CallAdmitted
    | CallRefused
    | StagingStarted
    | StagingPolled
    | StagingRetried
    | StagingEnded
    | BreakerMoved
    | CallTreated
    | StagingClaimed
    | StagingWasted
    | StagingTerminated
    | HeaderLost
    | AftercareFailed
    | InviteForwarded
    | CallRinging
    | CallEnded
    | AgentStateChanged
    | NumbersRefreshed
    | NumbersNotRefreshed
)
