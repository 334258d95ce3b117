"""A branch: one target of an INVITE, until its final response (RFC 3261 16.6 to 16.10).

::

                                               +-- 2xx without the caller's Via --> ANSWERED
                                               |                                        |
                                               |                   right 2xx, timer M --+
                                               |                                        v
    LOCATING --> CALLING ------ 1xx -----> PROCEEDING ------ final ------------------> OVER
                    | |                    ^   |                                        ^
                    | +-- 100, if a next --|---|----> TRYING                            |
                    |     target is left   |   |      |   |                             |
                    |                      +- 1xx ----+   |                             |
                    |                          |          |                             |
                 cancel                     cancel, silence: CANCEL is sent             |
                    v                          v                                        |
           CANCELLED_UNHEARD --- 1xx --> CANCELLING ---- final, 64*T1 ------------------+
                    |                                                                   |
                    +---------------------- final, timer B -----------------------------+

A CANCEL may be sent only after a provisional response (RFC 3261 9.1), so a branch that is cancelled
before one waits for it.  A 2xx may come again and again after OVER (RFC 6026), and is passed back
each time; nothing else comes then.

One timer runs at a time.  Timer C limits the ringing (16.6 step 11).  Timer M limits ANSWERED.
While another target is left, two timers limit the silence before the ringing:

- In CALLING nothing was heard.  The next target is tried at once, and a 2xx of either counts.
- In TRYING a 100 came, so the target has the INVITE.  It is cancelled, and its final response is
  awaited for a short time: that shows that nobody there uses the staged agent.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from sip_stager.events import MessageDropped
from sip_stager.model.vocabulary import CallOutcome, DropCause
from sip_stager.proxy.answer_on_error import answer_on_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.sender import Sender
    from sip_stager.proxy.target_set import Failover
    from sip_stager.sip.message import Response
    from sip_stager.transaction.invite_client import InviteClientTransaction


MIN_WAIT = 0.001
"""Seconds; a shorter wait is but the rounding of floats."""


class BranchState(Enum):
    """The states of a branch."""

    LOCATING = auto()
    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    CANCELLED_UNHEARD = auto()
    CANCELLING = auto()
    ANSWERED = auto()
    OVER = auto()


class BranchOwner(Protocol):
    """The response context of an INVITE (RFC 3261 16.7), which gets the events of its branches."""

    @property
    def has_targets(self) -> bool:
        """True if there is a next target."""

    def add_addresses(
        self, routed: Routed, further: Sequence[Flow]
    ) -> tuple[Routed, Failover | None]:
        """Try the other addresses of a name next; return the request for the first one."""

    def invite_sent(self, branch: Branch, target: Flow) -> None:
        """Count an INVITE that was sent to a target."""

    def receive_provisional(self, response: Response) -> None:
        """Receive a provisional response above 100."""

    def receive_final(self, branch: Branch, response: Response) -> None:
        """Receive a final response; a 2xx may come more than once."""

    def fail(self, branch: Branch, status: int, outcome: CallOutcome) -> None:
        """End a branch without a response, as if it had got one with that status."""

    def fail_over(self, branch: Branch) -> None:
        """Try the next target: this one was silent for too long."""

    def respond_internal_error(self) -> None:
        """Answer the caller 500, because our own code raised."""


class Branch:
    """Sends an INVITE to one target; with ``failover`` it reports a target that is too slow.

    ``rang_out`` is True if timer C ended it.  ``given_up`` is True if the target sent 100 and
    nothing more.  ``in_doubt`` is True if the target cannot be reached any more, but may have
    received the INVITE before.
    """

    __slots__ = (
        "_client", "_context", "_failover", "_reasons", "_rings_until", "_routed", "_sender",
        "_source", "_state", "_target", "_timer", "_unconfirmed", "given_up", "in_doubt",
        "rang_out",
    )  # fmt: skip

    def __init__(
        self,
        sender: Sender,
        routed: Routed,
        source: Flow,
        context: BranchOwner,
        failover: Failover | None = None,
    ) -> None:
        self._sender = sender
        self._routed: Routed | None = routed
        self._source = source
        self._context = context
        self._failover = failover
        self._state = BranchState.LOCATING
        self._target: Flow | None = None
        self._client: InviteClientTransaction | None = None
        self._timer: Cancellable | None = None
        self._reasons: list[bytes] = []
        self._rings_until = 0.0
        self._unconfirmed = False  # ended without the final response that a CANCEL asks for
        self.given_up = self.in_doubt = self.rang_out = False

    def __repr__(self) -> str:
        return f"Branch({self._state.name})"

    @property
    def may_be_in_use(self) -> bool:
        """True if its target got a CANCEL and sent no final response: it may still answer."""
        return self._state is BranchState.CANCELLING or self._unconfirmed

    def locate_and_send(self) -> None:
        """Find the next hop and send the copy."""
        if self._routed is not None:
            look_up = self._sender.locator.find(self._routed, self._source, self._located)
            # An address needs no look-up: ``_located`` has been called, and has set its own timer.
            self._timer = look_up or self._timer

    def cancel(self, reasons: list[bytes]) -> None:
        """Cancel the INVITE with these Reason fields, as soon as a CANCEL may be sent (9.1)."""
        self._reasons = reasons
        state = self._state
        if state is BranchState.CALLING:
            self._stop_timer()
            self._enter(BranchState.CANCELLED_UNHEARD)
        elif state is BranchState.PROCEEDING or state is BranchState.TRYING:
            self._send_cancel()
        elif state is BranchState.LOCATING or state is BranchState.ANSWERED:  # no CANCEL is due
            self._fail(487, CallOutcome.CANCELLED)
        # Else it was cancelled before, by timer C for example, or has had its final response.

    def receive_response(self, response: Response) -> None:
        """Receive a response of the target."""
        if response.status >= 200:
            self._receive_final(response)
            return
        if self._failover is not None:
            self._proceed(self._failover, response.status)
        elif self._state is BranchState.CALLING:
            self._enter(BranchState.PROCEEDING)
        elif self._state is BranchState.CANCELLED_UNHEARD:
            self._send_cancel()
        if response.status > 100:
            # Timer C is reset by each of these, but not by a 100 (RFC 3261 16.7 step 2).
            if self._state is BranchState.PROCEEDING:
                self._rings_until = self._sender.clock.time() + self._sender.timer_c
            self._context.receive_provisional(response)

    def await_right_answer(self) -> None:
        """Drop a 2xx without the requester's Via; wait for the right one until timer M.

        Until then the client transaction passes every 2xx on (RFC 6026 7.2).
        """
        if self._target is not None:
            detail = "a 2xx without the Via of the caller"
            self._sender.notify(MessageDropped(self._target, DropCause.STRAY_RESPONSE, detail))
        if self._state is not BranchState.ANSWERED:
            self._enter(BranchState.ANSWERED)
            self._start_timer(self._sender.timer_m, self._timer_m_fired)

    @answer_on_error
    def timed_out(self) -> None:
        """End it: no response came in time (timer B), or no end of a cancelled INVITE."""
        self._fail(408, CallOutcome.TIMEOUT)

    @answer_on_error
    def send_failed(self, why: str) -> None:  # noqa: ARG002  the transport's failure is logged there
        """Send it over UDP if the target refused TCP, else end the branch (RFC 3261 16.9)."""
        client, target, calling = self._client, self._target, self._state is BranchState.CALLING
        if calling and client and target and client.flow.transport != target.transport:
            # The request went over TCP only for its size (``Sender._copy``): retry over UDP,
            # as RFC 3261 18.1.1 asks, and do so for this target from now on.
            self._sender.locator.avoid_tcp(client.flow)
            self._send(target)
        else:
            self.in_doubt = client is not None and client.retransmitted
            if target is not None:
                self._sender.locator.try_last(target)
            self._fail(503, CallOutcome.UPSTREAM_UNREACHABLE)

    def respond_internal_error(self) -> None:
        """End the whole response context with a 500."""
        self._context.respond_internal_error()

    @answer_on_error
    def _located(self, target: Flow | None, further: Sequence[Flow]) -> None:
        assert self._state is BranchState.LOCATING  # a look-up is cancelled with the branch
        self._timer = None
        if target is None:
            self._fail(503, CallOutcome.UPSTREAM_UNREACHABLE)
            return
        if further and self._routed is not None:
            self._routed, self._failover = self._context.add_addresses(self._routed, further)
        self._enter(BranchState.CALLING)
        if self._failover is not None:
            self._start_timer(self._failover.silence, self._failover_timer_fired)
        else:
            self._start_timer(self._sender.timer_c, self._timer_c_fired)
        self._send(target)

    def _proceed(self, failover: Failover, status: int) -> None:
        """Receive a provisional response while there may be a next target."""
        if self._state is BranchState.CANCELLED_UNHEARD:
            self._send_cancel()
        elif status > 100 and self._state in {BranchState.CALLING, BranchState.TRYING}:
            self._ring()
        elif self._state is BranchState.CALLING:
            self._enter(BranchState.TRYING)
            self._start_timer(failover.trying, self._trying_timer_fired)

    def _ring(self) -> None:
        """Start timer C, which alone limits the branch from now on: its target is alive."""
        self._enter(BranchState.PROCEEDING)
        self._start_timer(self._sender.timer_c, self._timer_c_fired)

    @answer_on_error
    def _receive_final(self, response: Response) -> None:
        # RFC 6026 7.2: the transaction passes nothing but another 2xx after a final response.
        assert self._state is not BranchState.OVER or response.status < 300
        if self._state is not BranchState.ANSWERED:  # else a repeated 2xx would stop the timer
            self._enter(BranchState.OVER)
        self._context.receive_final(self, response)

    @answer_on_error
    def _timer_m_fired(self) -> None:
        """End it with a 500: the right 2xx has not come."""
        self._fail(500, CallOutcome.REJECTED)

    @answer_on_error
    def _failover_timer_fired(self) -> None:
        # Any response but the end, and the caller's CANCEL, stops this timer.
        assert self._state is BranchState.CALLING or self.given_up
        if self._target is not None:
            self._sender.locator.try_last(self._target)
        self._context.fail_over(self)

    @answer_on_error
    def _trying_timer_fired(self) -> None:
        """Cancel a target that sent 100 and nothing more; the next one is tried when it has ended.

        A 2xx that crosses the CANCEL is the call's answer.
        """
        assert self._state is BranchState.TRYING
        if self._failover is None or not self._context.has_targets:
            self._ring()
            return
        self.given_up = True
        self._send_cancel()
        self._start_timer(self._failover.silence, self._failover_timer_fired)

    def _send(self, target: Flow) -> None:
        if self._routed is not None:
            self._target = target
            self._client = self._sender.forward_invite(self._routed, self._source, target, self)
            self._context.invite_sent(self, self._client.flow)

    def _send_cancel(self) -> None:
        self._enter(BranchState.CANCELLING)
        self._stop_timer()
        if self._client is not None:
            self._sender.send_cancel(self._client, self._reasons)

    @answer_on_error
    def _timer_c_fired(self) -> None:
        """Cancel an INVITE that rang too long; a 2xx that crosses still counts (16.8)."""
        left = self._rings_until - self._sender.clock.time()
        if left > MIN_WAIT:  # it was reset since it began
            self._start_timer(left, self._timer_c_fired)
            return
        self.rang_out = True
        if self._state is BranchState.PROCEEDING:
            self._send_cancel()
        elif self._client is not None:  # nothing was heard: timer B is set to take even longer
            self._client.terminate()
            self._fail(408, CallOutcome.TIMEOUT)

    def _fail(self, status: int, outcome: CallOutcome) -> None:
        # Silence after a CANCEL does not show that the target's agent is free (9.1).
        self._unconfirmed = self._state is BranchState.CANCELLING
        self._enter(BranchState.OVER)
        self._context.fail(self, status, outcome)

    def _enter(self, state: BranchState) -> None:
        """Change the state; OVER releases all but the way back: a 2xx may come again for 32 s."""
        self._state = state
        if state is BranchState.OVER:
            self._stop_timer()
            self._client = self._routed = None

    def _start_timer(self, delay: float, callback: Callable[..., object]) -> None:
        self._stop_timer()
        self._timer = self._sender.clock.call_later(delay, callback)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
