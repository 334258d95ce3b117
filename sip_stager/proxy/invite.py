"""An INVITE that goes on: a new call that was staged, or one of a dialog (RFC 3261 16.6 to 16.10).

::

    Locating --> Calling ------ 1xx -----> Proceeding ------ final ------> Over
                    |                          |                            ^
                 CANCEL                     CANCEL: CANCEL goes on          |
                    v                          v                            |
                 Cancelled, unheard -- 1xx --> Cancelling --- final, 64*T1 -+
                    |                                                       |
                    +---------------------- final, timer B -----------------+

A 2xx may come again and again after Over (RFC 6026), and is passed back each time.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import CallEnded, CallRinging, InviteForwarded
from sip_stager.transaction.hop_by_hop import make_cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Call, Cancellable, Flow
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.invite_server import InviteServerTransaction

State = Enum("State", "LOCATING CALLING PROCEEDING CANCELLED_UNHEARD CANCELLING OVER")


class StagedCall(NamedTuple):
    """The call that an INVITE begins, its staged id, and when the INVITE came."""

    call: Call
    call_id: str
    began: float


class ForwardedInvite:
    """Joins the server transaction of an INVITE to the client transaction of its copy."""

    __slots__ = (
        "_call", "_client", "_facilities", "_rang_out", "_reasons", "_ringing", "_routed",
        "_server", "_source", "_state", "_waiting",
    )  # fmt: skip

    def __init__(
        self,
        facilities: Facilities,
        routed: Routed,
        source: Flow,
        server: InviteServerTransaction,
        call: StagedCall | None = None,
    ) -> None:
        self._facilities = facilities
        self._routed: Routed | None = routed
        self._source = source
        self._server = server
        self._call = call
        self._state = State.LOCATING
        self._client: InviteClientTransaction | None = None
        self._waiting: Cancellable | None = None
        self._reasons: list[bytes] = []
        self._ringing = False
        self._rang_out = False

    def start(self) -> None:
        """Find the next hop and send the copy."""
        self._server.owner = self
        if self._routed is not None:
            look_up = self._facilities.locator.find(self._routed, self._located)
            self._waiting = look_up or self._waiting

    def receive(self, response: Response) -> None:
        """Take a response of the next hop."""
        if response.status >= 300 and self._rang_out:
            self._end(408, "timed_out")
            return
        if response.status >= 200:
            self._final(response.without_first(b"via"), self._outcome(response.status))
            return
        if self._state is State.CALLING:
            self._state = State.PROCEEDING
        elif self._state is State.CANCELLED_UNHEARD:
            self._send_cancel()
        if response.status > 100:
            self._provisional(response.without_first(b"via"))

    def timed_out(self) -> None:
        """Hear that nobody answered at all, or nobody ended what was cancelled."""
        if self._cancelled:
            self._end(487, "cancelled")
        else:
            self._end(408, "timed_out")

    def send_failed(self, why: str) -> None:  # noqa: ARG002  the transport's failure is logged there
        """Answer 503 (RFC 3261 16.9): whatever comes next would not leave either."""
        if self._cancelled:
            self._end(487, "cancelled")
        else:
            self._end(503, "unreachable")

    def cancel(self, cancel: Request) -> None:
        """Take the caller's CANCEL (RFC 3261 9.1, 16.10)."""
        self._reasons = [
            field
            for name, field in zip(cancel.names, cancel.fields, strict=True)
            if name == b"reason"
        ]
        if self._state is State.LOCATING:
            self._end(487, "cancelled")
        elif self._state is State.CALLING:
            self._state = State.CANCELLED_UNHEARD
        elif self._state is State.PROCEEDING:
            self._send_cancel()

    def _located(self, target: Flow | None) -> None:
        self._waiting = None
        if target is None or self._routed is None:
            self._end(503, "unreachable")
            return
        self._state = State.CALLING
        self._client = self._facilities.forward_invite(
            self._routed.request, self._source, target, self
        )
        self._wait(self._facilities.timers.c, self._ring_out)
        if self._call is not None:
            call, call_id, _ = self._call
            self._facilities.notify(InviteForwarded(call, call_id, target, self._elapsed()))

    def _provisional(self, response: Response) -> None:
        """Begin timer C anew and pass the response back (RFC 3261 16.7 steps 2 and 5)."""
        if self._state is State.PROCEEDING:
            self._wait(self._facilities.timers.c, self._ring_out)
        self._server.respond(response)
        if self._call is not None and not self._ringing and response.status >= 180:
            self._ringing = True
            event = CallRinging(self._call.call, response.status, self._elapsed())
            self._facilities.notify(event)

    def _send_cancel(self) -> None:
        self._state = State.CANCELLING
        self._stop_waiting()
        client = self._client
        if client is not None and client.request is not None:
            cancel = make_cancel(client.request, self._reasons)
            self._facilities.layer.start(cancel, cancel.branch, client.flow)
            client.give_up_in_time()

    def _ring_out(self) -> None:
        """Cancel what rang for too long; a 2xx that crosses the CANCEL still counts (16.8)."""
        self._rang_out = True
        self._send_cancel()

    def _outcome(self, status: int) -> str:
        if status < 300:
            return "answered"
        return "cancelled" if self._cancelled else "rejected"

    @property
    def _cancelled(self) -> bool:
        """Whether the caller wants no more of it."""
        cancelled = self._state in {State.CANCELLING, State.CANCELLED_UNHEARD}
        return cancelled and not self._rang_out

    def _end(self, status: int, outcome: str) -> None:
        if self._routed is not None:
            self._final(self._facilities.response(self._routed.request, status), outcome)

    def _final(self, response: Response, outcome: str) -> None:
        """Answer the caller, and let go what only the way there needed: a 2xx may come for 32 s."""
        self._server.respond(response)
        if self._state is State.OVER:
            return
        self._stop_waiting()
        self._state = State.OVER
        if self._call is not None:
            call, call_id, _ = self._call
            elapsed = self._elapsed()
            self._facilities.notify(CallEnded(call, call_id, outcome, response.status, elapsed))
        self._client = self._routed = self._call = None

    def _elapsed(self) -> float:
        return self._facilities.now() - (self._call.began if self._call else 0.0)

    def _wait(self, delay: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._waiting = self._facilities.clock.call_later(delay, then)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
