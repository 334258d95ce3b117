"""An INVITE that goes on: a new call that was staged, or one of a dialog (RFC 3261 16.7).

This is the RFC's response context.  Its targets are tried one after another, each in a branch; it
passes back every provisional response, every 2xx, and the best of all other final ones.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import CallEnded, CallRinging, InviteForwarded
from sip_stager.proxy.branch import Branch
from sip_stager.proxy.finals import Final, best_of
from sip_stager.proxy.targets import redirected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.ports import Call, Flow
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.invite_server import InviteServerTransaction


class StagedCall(NamedTuple):
    """The call that an INVITE begins, its staged id, and when the INVITE came."""

    call: Call
    call_id: str
    began: float


class ForwardedInvite:
    """Joins the server transaction of an INVITE to the branches that try its targets."""

    __slots__ = (
        "_branch", "_call", "_cancelled", "_facilities", "_finals", "_over", "_redirects",
        "_request", "_ringing", "_server", "_source", "_targets", "_tried",
    )  # fmt: skip

    def __init__(
        self,
        facilities: Facilities,
        targets: Iterable[Routed],
        source: Flow,
        server: InviteServerTransaction,
        call: StagedCall | None = None,
    ) -> None:
        self._facilities = facilities
        self._targets = deque(targets)
        self._tried = self._targets[0]
        self._request = self._tried.request
        self._source = source
        self._server = server
        self._call = call
        self._branch: Branch | None = None
        self._finals: list[Final] = []
        self._redirects = facilities.upstream.redirects if call else 0
        self._ringing = self._cancelled = self._over = False

    def start(self) -> None:
        """Try the first target."""
        self._server.owner = self
        self._try_next()

    def cancel(self, cancel: Request) -> None:
        """Take the caller's CANCEL (RFC 3261 9.2, 16.10); no other target is tried."""
        self._cancelled = True
        self._targets.clear()
        if self._branch is not None:
            self._branch.cancel(cancel.rows(b"reason"))

    def forwarded(self, target: Flow) -> None:
        """Hear that the INVITE left for a target."""
        if self._call is not None:
            call, call_id, _ = self._call
            self._facilities.notify(InviteForwarded(call, call_id, target, self._elapsed()))

    def receive_provisional(self, response: Response) -> None:
        """Pass a provisional response back at once (RFC 3261 16.7 step 5)."""
        passed = self._facilities.passed_back(response, self._request)
        if passed is None or self._over:
            return
        self._server.respond(passed)
        if self._call is not None and not self._ringing and response.status >= 180:
            self._ringing = True
            event = CallRinging(self._call.call, response.status, self._elapsed())
            self._facilities.notify(event)

    def receive_final(self, branch: Branch, response: Response) -> None:
        """Take a final response: a 2xx goes back at once, others when all targets had theirs."""
        passed = self._facilities.passed_back(response, self._request)
        if passed is None:
            self.fail(branch, 500, "rejected")
        elif response.status < 300:
            self._answer(branch, passed)
        else:
            self._finals.append(Final(passed, "cancelled" if self._cancelled else "rejected"))
            self._go_on(branch, passed)

    def fail(self, branch: Branch, status: int, outcome: str) -> None:
        """Take note that a target gave no answer; what was cancelled ends with 487 all the same."""
        if self._cancelled:
            status, outcome = 487, "cancelled"
        elif status == 503 and self._call is None:
            status = 500  # one peer is out of reach: 503 would say that nothing at all can go on
        response = self._facilities.response(self._request, status)
        self._finals.append(Final(response, outcome))
        self._go_on(branch, response)

    def give_up(self, branch: Branch) -> None:
        """Try the next target ahead of a silent one's end; a 2xx of that one still counts."""
        if self._targets:
            self._try_next()
            branch.cancel([])

    def _try_next(self) -> None:
        self._tried = self._targets.popleft()
        patience = self._facilities.upstream.next_after if self._targets else None
        branch = Branch(self._facilities, self._tried, self._source, self, patience)
        self._branch = branch
        branch.start()

    def _go_on(self, branch: Branch, response: Response) -> None:
        """Try the next target, or end with the best response, once the branch under way is over."""
        if self._over or branch is not self._branch:
            return
        if branch.rang_out and not self._cancelled:
            self._finish(self._facilities.response(self._request, 408), "timed_out")
            return
        if 300 <= response.status < 400 and self._redirects:
            found = redirected(response, self._tried, self._redirects)
            self._redirects -= len(found)
            self._targets.extendleft(reversed(found))
        if self._targets and response.status < 600:
            self._try_next()
        else:
            self._finish(*best_of(self._finals))

    def _answer(self, branch: Branch, response: Response) -> None:
        """Pass a 2xx back, and cancel what is still under way (RFC 3261 16.7 steps 5 and 10)."""
        if self._branch is not branch and self._branch is not None:
            self._branch.cancel([])
        self._finish(response, "answered")

    def _finish(self, response: Response, outcome: str) -> None:
        """Answer the caller, and let go what only the way there needed."""
        if outcome == "rejected":
            passing = self._call is not None and self._call.call.pass_503
            response = self._facilities.without_503(response, self._request, pass_503=passing)
        self._server.respond(response)
        if self._over:
            return
        self._over = True
        if self._call is not None:
            call, call_id, _ = self._call
            elapsed = self._elapsed()
            self._facilities.notify(CallEnded(call, call_id, outcome, response.status, elapsed))
        self._branch = self._call = None
        self._targets.clear()
        self._finals.clear()

    def _elapsed(self) -> float:
        return self._facilities.now() - (self._call.began if self._call else 0.0)
