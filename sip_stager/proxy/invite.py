"""An INVITE that goes on: a new call that was staged, or one of a dialog (RFC 3261 16.7).

This is the RFC's response context.  Its targets are tried one after another, each in a branch; it
passes back every provisional response, every 2xx, and the best of all other final ones.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import CallOutcome
from sip_stager.proxy.branch import Branch
from sip_stager.proxy.finals import Final, best_of
from sip_stager.proxy.targets import redirected
from sip_stager.sip.responses import make_response, warning_field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.model.flow import Flow
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.new_call import NewCall
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.invite_server import InviteServerTransaction

_CHALLENGES = frozenset({401, 407})
"""With these, or out of reach, a target had no use of what was staged; silence says nothing.

A challenge comes ahead of all else (RFC 3261 8.2); who refuses for another reason, even for one
that the caller can mend (420, 422, 488), may have taken the id.
"""

_OURS = {
    CallOutcome.UPSTREAM_UNREACHABLE: "upstream_unreachable: no upstream can be reached",
    CallOutcome.STOPPED: "stopped: the proxy is being stopped",
}
"""Ends that are of our making, and their words for the caller."""


class ForwardedInvite:
    """Joins the server transaction of an INVITE to the branches that try its targets."""

    __slots__ = (
        "_branch", "_call", "_cancelled", "_facilities", "_finals", "_redirects",
        "_request", "_server", "_source", "_tag", "_targets", "_to_anonymous", "_tried", "_via",
    )  # fmt: skip

    def __init__(
        self,
        facilities: Facilities,
        targets: Iterable[Routed],
        source: Flow,
        server: InviteServerTransaction,
        call: NewCall | None = None,
    ) -> None:
        self._facilities = facilities
        self._targets = deque(targets)
        self._tried: list[Routed] = []
        self._request: Request | None = self._targets[0].request
        self._via = self._request.top_via.branch
        self._to_anonymous = self._targets[0].to_anonymous
        self._source = source
        self._server = server
        self._call = call
        self._tag = b""
        self._branch: Branch | None = None
        self._finals: list[Final] = []
        self._redirects = facilities.upstream.redirects if call else 0
        self._cancelled = False

    def start(self) -> None:
        """Try the first target."""
        self._server.owner = self
        self._try(self._targets.popleft())

    def cancel(self, cancel: Request) -> None:
        """Take the caller's CANCEL (RFC 3261 9.2, 16.10); no other target is tried."""
        self._cancelled, self._tag = True, self._answer_tag(cancel)
        self._search_no_more()
        if self._branch is not None:
            self._branch.cancel(cancel.rows(b"reason"))

    def forwarded(self, branch: Branch, target: Flow) -> None:
        """Hear that the INVITE left for a target."""
        if self._call is not None:
            self._call.forwarded(branch, target)

    def receive_provisional(self, response: Response) -> None:
        """Pass a provisional response back at once (RFC 3261 16.7 step 5)."""
        passed = self._facilities.passed_back(response, self._via, anonymous=self._to_anonymous)
        if passed is None or self._request is None:
            return
        self._server.respond(passed)
        if self._call is not None:
            self._call.heard(response.status)

    def receive_final(self, branch: Branch, response: Response) -> None:
        """Take a final response: a 2xx goes back at once, others when all targets had theirs."""
        passed = self._facilities.passed_back(response, self._via, anonymous=self._to_anonymous)
        if response.status in _CHALLENGES:
            self._not_used_by(branch)
        if passed is None:
            self.fail(branch, 500, CallOutcome.REJECTED)
        elif response.status < 300:
            self._finish(passed, CallOutcome.ANSWERED, branch)
        elif response.status == 487 and self._ended_here(branch):
            self.fail(branch, 408, CallOutcome.TIMEOUT)
        else:
            self._go_on(
                branch,
                Final(passed, CallOutcome.CANCELLED if self._cancelled else CallOutcome.REJECTED),
            )

    def fail(self, branch: Branch, status: int, outcome: CallOutcome) -> None:
        """Take note that a target gave no answer; what was cancelled ends with 487 all the same."""
        if self._request is None:
            return
        if outcome == CallOutcome.UPSTREAM_UNREACHABLE and not branch.in_doubt:
            self._not_used_by(branch)
        if self._cancelled:
            status, outcome = 487, CallOutcome.CANCELLED
        elif status == 503 and self._call is None:
            status = 500  # one peer is out of reach: 503 would say that nothing at all can go on
        response = make_response(self._request, status, self._answer_tag(self._request))
        self._go_on(branch, Final(response, outcome))

    def give_up(self, branch: Branch) -> None:
        """Try the next target ahead of a silent one's end; a 2xx of that one still counts."""
        if self._targets:
            self._try_next()
            branch.cancel([])

    def stop(self) -> None:
        """End it, because the program ends; of a later INVITE that is no reason to end the call."""
        self._break_off(CallOutcome.STOPPED)

    def break_off(self) -> None:
        """End what a mistake of ours has left without an end."""
        self._break_off(CallOutcome.REJECTED)

    def _break_off(self, outcome: CallOutcome) -> None:
        if self._request is not None:
            response = make_response(self._request, 500, self._answer_tag(self._request))
            self._finish(response, outcome)

    def _not_used_by(self, branch: Branch) -> None:
        if self._call is not None:
            self._call.users.discard(branch)

    def _answer_tag(self, request: Request) -> bytes:
        """Give the To tag that the answer to a CANCEL has, or would have now (RFC 3261 9.2)."""
        return self._tag or self._server.to_tag or self._facilities.tag(request)

    def _ended_here(self, branch: Branch) -> bool:
        """Tell whether a CANCEL that a branch got was ours and not the caller's."""
        return not self._cancelled and (branch.rang_out or branch is not self._branch)

    def _try_next(self) -> None:
        routed = self._targets.popleft()
        if self._call is not None:
            routed = self._call.fit(routed)
        self._try(routed)

    def _try(self, routed: Routed) -> None:
        self._tried.append(routed)
        patience = self._facilities.upstream.failover_timeout if self._targets else None
        branch = Branch(self._facilities, routed, self._source, self, patience)
        self._branch = branch
        branch.start()

    def _go_on(self, branch: Branch, final: Final) -> None:
        """Try the next target, or end with the best response, once the branch under way is over.

        A target that was given up is not waited for.
        """
        under_way, status = self._branch, final.response.status
        if under_way is None:
            return
        if branch.rang_out or status >= 600:
            self._search_no_more()
        if not (branch is under_way and 300 <= status < 400 and self._redirected(final)):
            self._finals.append(final)
        if branch is not under_way:
            if status >= 600:
                under_way.cancel([])
        elif self._targets:
            self._try_next()
        else:
            self._finish(*best_of(self._finals, cancelled=self._cancelled))

    def _redirected(self, final: Final) -> bool:
        """Take the Contacts of a 3xx as targets; what others hold is kept (16.7 step 4)."""
        known = [one.request.uri for one in (*self._tried, *self._targets)]
        found, rest = redirected(final.response, self._tried[-1], known, self._redirects)
        self._redirects -= len(found)
        self._targets.extendleft(reversed(found))
        if rest is not None and found:
            self._finals.append(final._replace(response=rest))
        return bool(found)

    def _search_no_more(self) -> None:
        self._targets.clear()
        self._redirects = 0

    def _finish(
        self, response: Response, outcome: CallOutcome, answered: Branch | None = None
    ) -> None:
        """Answer the caller, cancel what is under way, and let go what only that needed (16.7).

        More of 2xx may follow the first.
        """
        request, under_way, call = self._request, self._branch, self._call
        if request is not None and call is not None and outcome in _OURS:
            response = self._refusal(request, call, _OURS[outcome])
        elif request is not None:
            passing = call is not None and call.call.pass_503
            response = self._facilities.without_503(response, request, pass_503=passing)
        self._server.respond(response)
        if request is None:
            return
        self._request = self._branch = self._call = None
        self._search_no_more()
        self._finals.clear()
        self._tried.clear()
        if under_way is not None:
            under_way.cancel([])
        if call is not None:
            call.ended(outcome, response.status, answered)

    def _refusal(self, request: Request, call: NewCall, words: str) -> Response:
        """Refuse a call that no target had to say anything of as its policy refuses calls."""
        status, tag = call.call.policy.refusal, self._answer_tag(request)
        return make_response(request, status, tag, (warning_field(words),))
