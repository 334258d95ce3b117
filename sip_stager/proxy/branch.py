"""One target of an INVITE, until it has answered (RFC 3261 16.6 to 16.10).

::

    Locating --> Calling ------ 1xx -----> Proceeding ------ final ------> Over
                    |                          |                            ^
                 cancel                     cancel: CANCEL goes on          |
                    v                          v                            |
                 Cancelled, unheard -- 1xx --> Cancelling --- final, 64*T1 -+
                    |                                                       |
                    +---------------------- final, timer B -----------------+

A 2xx may come again and again after Over (RFC 6026), and is passed back each time.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from sip_stager.model.vocabulary import CallOutcome
from sip_stager.proxy.mistakes import answered
from sip_stager.transaction.hop_by_hop import make_cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Response
    from sip_stager.transaction.invite_client import InviteClientTransaction

State = Enum("State", "LOCATING CALLING PROCEEDING CANCELLED_UNHEARD CANCELLING OVER")


class ResponseContext(Protocol):
    """The response context of an INVITE (RFC 3261 16.7), which a branch tells what it hears."""

    def forwarded(self, branch: Branch, target: Flow) -> None:
        """Hear that the INVITE left."""

    def receive_provisional(self, response: Response) -> None:
        """Take a provisional response above 100."""

    def receive_final(self, branch: Branch, response: Response) -> None:
        """Take a final response; a 2xx may come more than once."""

    def fail(self, branch: Branch, status: int, outcome: CallOutcome) -> None:
        """Take a final response of our own: nobody answered."""

    def give_up(self, branch: Branch) -> None:
        """Hear that the target has said nothing for as long as another target may wait."""

    def break_off(self) -> None:
        """Hear that a mistake of ours has ended a branch."""


class Branch:
    """Sends an INVITE to one target; ``patience`` is how long it may say nothing, in seconds.

    ``rang_out`` tells that timer C ended it, and ``in_doubt`` that the target may have got the
    INVITE although nothing reaches it any more.
    """

    __slots__ = (
        "_client", "_context", "_facilities", "_patience", "_reasons", "_routed", "_source",
        "_state", "_target", "_waiting", "in_doubt", "rang_out",
    )  # fmt: skip

    def __init__(
        self,
        facilities: Facilities,
        routed: Routed,
        source: Flow,
        context: ResponseContext,
        patience: float | None = None,
    ) -> None:
        self._facilities = facilities
        self._routed: Routed | None = routed
        self._source = source
        self._context = context
        self._patience = patience
        self._state = State.LOCATING
        self._target: Flow | None = None
        self._client: InviteClientTransaction | None = None
        self._waiting: Cancellable | None = None
        self._reasons: list[bytes] = []
        self.in_doubt = self.rang_out = False

    def start(self) -> None:
        """Find the next hop and send the copy."""
        if self._routed is not None:
            look_up = self._facilities.locator.find(self._routed, self._located)
            self._waiting = look_up or self._waiting

    def cancel(self, reasons: list[bytes]) -> None:
        """End it: by a CANCEL with these Reason fields, as soon as one may be sent (9.1)."""
        self._reasons = reasons
        if self._state is State.LOCATING:
            self._fail(487, CallOutcome.CANCELLED)
        elif self._state is State.CALLING:
            self._stop_waiting()
            self._state = State.CANCELLED_UNHEARD
        elif self._state is State.PROCEEDING:
            self._send_cancel()

    def receive_response(self, response: Response) -> None:
        """Take a response of the target."""
        if response.status >= 200:
            self._receive_final(response)
            return
        if self._state is State.CALLING:
            self._state = State.PROCEEDING
        elif self._state is State.CANCELLED_UNHEARD:
            self._send_cancel()
        if response.status > 100:
            if self._state is State.PROCEEDING:
                self._wait(self._facilities.timers.c, self._ring_out)
            self._context.receive_provisional(response)
        elif self._state is State.PROCEEDING and self._patience is not None:
            self._patience = None
            self._wait(self._facilities.timers.c, self._ring_out)

    @answered
    def timed_out(self) -> None:
        """Hear that nobody answered at all, or nobody ended what was cancelled."""
        self._fail(408, CallOutcome.TIMEOUT)

    @answered
    def send_failed(self, why: str) -> None:  # noqa: ARG002  the transport's failure is logged there
        """Hear that nothing reaches the target; one that takes no TCP is asked over UDP."""
        client, target, calling = self._client, self._target, self._state is State.CALLING
        if calling and client and target and client.flow.transport != target.transport:
            self._facilities.locator.avoid(client.flow)
            self._send(target)
        else:
            self.in_doubt = client is not None and client.retransmitted
            self._fail(503, CallOutcome.UPSTREAM_UNREACHABLE)

    def break_off(self) -> None:
        """Hear that a mistake of ours has ended it."""
        self._context.break_off()

    @answered
    def _located(self, target: Flow | None) -> None:
        self._waiting = None
        if target is None:
            self._fail(503, CallOutcome.UPSTREAM_UNREACHABLE)
            return
        self._state = State.CALLING
        if self._patience is not None:
            self._wait(self._patience, self._give_up)
        else:
            self._wait(self._facilities.timers.c, self._ring_out)
        self._send(target)

    @answered
    def _receive_final(self, response: Response) -> None:
        self._end()
        self._context.receive_final(self, response)

    @answered
    def _give_up(self) -> None:
        self._context.give_up(self)

    def _send(self, target: Flow) -> None:
        if self._routed is not None:
            self._target = target
            facilities = self._facilities
            self._client = facilities.forward_invite(self._routed, self._source, target, self)
            self._context.forwarded(self, self._client.flow)

    def _send_cancel(self) -> None:
        self._state = State.CANCELLING
        self._stop_waiting()
        client = self._client
        if client is not None and client.request is not None:
            client.start_cancel_timer()
            cancel = make_cancel(client.request, self._reasons)
            self._facilities.layer.start_request(cancel, cancel.branch, client.flow)

    @answered
    def _ring_out(self) -> None:
        """Timer C: cancel what rang for too long; a 2xx that crosses it still counts (16.8)."""
        self.rang_out = True
        if self._state is State.PROCEEDING:
            self._send_cancel()
        elif self._client is not None:  # timer B is set to take even longer
            self._client.terminate()
            self._fail(408, CallOutcome.TIMEOUT)

    def _fail(self, status: int, outcome: CallOutcome) -> None:
        self._end()
        self._context.fail(self, status, outcome)

    def _end(self) -> None:
        """Let go what only the way there needed: a 2xx may come again for 32 s."""
        self._stop_waiting()
        self._state = State.OVER
        self._client = self._routed = None

    def _wait(self, delay: float, then: Callable[..., object], *arguments: object) -> None:
        self._stop_waiting()
        self._waiting = self._facilities.clock.call_later(delay, then, *arguments)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
