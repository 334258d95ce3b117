"""The response context of an INVITE (RFC 3261 16.7): a new call, or an INVITE of a dialog.

Its targets are tried one after another, each in a branch.  Every provisional response and every 2xx
is passed back, and of all other final responses the best one.

::

              next target
                +----+
                |    v
    INVITE ---> TRYING ----- 2xx, or the best response ----------> OVER <--+ 2xx again:
                   |                                                ^  |   | passed back
                 CANCEL: no other target is tried                   |  +---+
                   v                                                |
               CANCELLED --- the branch's final response, or 487 ---+

After a failover two branches are pending; the one that was tried last is the current one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import CallOutcome
from sip_stager.proxy.best_response import Final, best_response
from sip_stager.proxy.branch import Branch
from sip_stager.proxy.refusals import WARNINGS
from sip_stager.proxy.response_forwarding import pop_via, restore_from
from sip_stager.sip.parser import parse_response
from sip_stager.sip.responses import make_response, warning_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.proxy.call_observer import CallObserver
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.responder import Responder
    from sip_stager.proxy.sender import Sender
    from sip_stager.proxy.target_search import TargetSearch
    from sip_stager.proxy.target_set import Failover
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.invite_server import InviteServerTransaction


class ContextState(Enum):
    """The states of a response context."""

    TRYING = auto()
    CANCELLED = auto()
    OVER = auto()


_CHALLENGES = frozenset({401, 407})
"""The responses after which a target has certainly not used the staged id: a challenge comes before
all else (RFC 3261 8.2).  After any other, even one that the caller can repair (420, 422, 488), and
after silence, it may have used the id."""


class ResponseContext:
    """Joins the server transaction of an INVITE to the branches that try its targets."""

    __slots__ = (
        "_branch", "_call", "_finals", "_hidden_from", "_naming", "_request", "_responder", "_seal",
        "_search", "_sender", "_server", "_source", "_state", "_tag", "_to_anonymous", "_via",
    )  # fmt: skip
    __deletable__ = ("_request",)  # for mypyc

    def __init__(
        self,
        sender: Sender,
        responder: Responder,
        search: TargetSearch,
        source: Flow,
        server: InviteServerTransaction,
        call: CallObserver | None = None,
    ) -> None:
        self._sender = sender
        self._responder = responder
        self._search = search
        first = search.left[0]
        self._request: Request = first.request
        self._via = first.request.top_via.branch
        self._to_anonymous = first.to_anonymous
        self._hidden_from = first.hidden_from if first.hides_from else b""
        # Only the responses to the first INVITE make the dialog's route set (RFC 3261 12.2).
        self._naming = responder.naming if call is not None else None
        self._seal = first.seal
        self._source = source
        self._server = server
        self._call = call
        self._tag = b""
        self._branch: Branch | None = None  # the current one
        self._finals: list[Final] = []
        self._state = ContextState.TRYING

    def try_first_target(self) -> None:
        """Own the INVITE, and send it to the first target."""
        self._server.owner = self
        self._try(self._search.take_next())

    @property
    def origin(self) -> tuple[bytes, str]:
        """The From tag of the INVITE, and the host that it came from."""
        return self._request.from_tag, self._source.host

    def cancel(self, cancel: Request) -> None:
        """Cancel the current branch after the caller's CANCEL (RFC 3261 9.2, 16.10)."""
        assert self._state is not ContextState.OVER  # then the INVITE has no owner any more
        self._enter(ContextState.CANCELLED)
        self._tag = self._to_tag(cancel)
        self._search.end()
        if self._call is not None:
            self._call.note_cancel(cancel)
        if self._branch is not None:
            self._branch.cancel(cancel.rows(b"reason"))

    @property
    def has_targets(self) -> bool:
        """True if there is a next target."""
        return bool(self._search.left)

    def add_addresses(
        self, routed: Routed, further: Sequence[Flow]
    ) -> tuple[Routed, Failover | None]:
        """Try the other addresses of a name next; return the request for the first one."""
        return self._search.add_addresses(routed, further), self._search.failover

    def invite_sent(self, branch: Branch, target: Flow) -> None:
        """Report that the INVITE was sent to a target."""
        if self._call is not None:
            self._call.report_forwarded(branch, target)

    def receive_provisional(self, response: Response) -> None:
        """Pass a provisional response back at once (RFC 3261 16.7 step 5)."""
        if self._hidden_from:
            response = restore_from(response, self._hidden_from)
        if self._naming is not None:
            response = self._naming.name_callee(response, self._seal)
        passed = pop_via(response, self._via, anonymous=self._to_anonymous)
        if passed is None or self._state is ContextState.OVER:
            return
        self._server.send_response(response.status, passed)
        if self._call is not None:
            self._call.report_ringing(response.status)

    def receive_final(self, branch: Branch, response: Response) -> None:
        """Pass a 2xx back at once; keep any other response until all targets had theirs."""
        if self._hidden_from:
            response = restore_from(response, self._hidden_from)
        if self._naming is not None:
            response = self._naming.name_callee(response, self._seal)
        passed = pop_via(response, self._via, anonymous=self._to_anonymous)
        if self._call is not None:
            self._call.received = response
        if response.status in _CHALLENGES:
            self._mark_unused(branch)
        if passed is None:
            self._receive_unforwardable(branch, response.status)
        elif response.status < 300:
            self._accept(response, passed, branch)
        elif response.status == 487 and self._cancelled_by_us(branch):
            self.fail(branch, 408, CallOutcome.TIMEOUT)  # the caller has not cancelled
        else:
            if self._search.left and response.status != 503:
                self._search.end_addresses()
            cancelled = self._state is ContextState.CANCELLED
            outcome = CallOutcome.CANCELLED if cancelled else CallOutcome.REJECTED
            self._end_branch(branch, Final(parse_response(passed), outcome))

    def _receive_unforwardable(self, branch: Branch, status: int) -> None:
        """Handle a final response without the requester's Via (16.7 step 3).

        After a 2xx nobody else is tried, for somebody has answered; the right one may still come.
        Any other is the last response of its branch: for the caller it becomes a 500.
        """
        if status < 300 or status >= 600:
            self._search.end()
        if status >= 300 or self._state is not ContextState.TRYING:
            self.fail(branch, 500, CallOutcome.REJECTED)
            return
        current, self._branch = self._branch, branch
        branch.await_right_answer()
        if current is not None and current is not branch:
            current.cancel([])

    def fail(self, branch: Branch, status: int, outcome: CallOutcome) -> None:
        """End a branch without a response, as if it had got one with that status."""
        if self._state is ContextState.OVER:
            return
        if outcome == CallOutcome.UPSTREAM_UNREACHABLE and not branch.in_doubt:
            self._mark_unused(branch)
        if self._state is ContextState.CANCELLED:
            status, outcome = 487, CallOutcome.CANCELLED
        elif status == 503 and self._call is None:
            status = 500  # one peer cannot be reached; a 503 would mean this proxy as a whole
        response = make_response(self._request, status, self._to_tag(self._request))
        self._end_branch(branch, Final(response, outcome))

    def fail_over(self, branch: Branch) -> None:
        """Try the next target before a silent one has ended; a 2xx of that one still counts."""
        if self._search.left:  # else the current branch is awaited, or it is OVER
            self._try_next()
            branch.cancel([])

    def stop(self) -> None:
        """End it: a new call gets its refusal, a later INVITE 500.

        A 500 does not end the dialog of a later INVITE (RFC 3261 14.1).
        """
        self._finish_with_500(CallOutcome.STOPPED)

    def respond_internal_error(self) -> None:
        """End it with 500, because our own code raised."""
        self._finish_with_500(CallOutcome.REJECTED)

    def _finish_with_500(self, outcome: CallOutcome) -> None:
        if self._state is not ContextState.OVER:
            response = make_response(self._request, 500, self._to_tag(self._request))
            self._finish(response, outcome)

    def _mark_unused(self, branch: Branch) -> None:
        if self._call is not None:
            self._call.users.discard(branch)

    def _to_tag(self, request: Request) -> bytes:
        """Return the To tag of our responses: that of a CANCEL's 200, or of the last 1xx (9.2)."""
        return self._tag or self._server.to_tag or self._responder.tag(request)

    def _cancelled_by_us(self, branch: Branch) -> bool:
        """Return True if we cancelled a branch for timer C or a failover, not for the caller."""
        ended_by_us = branch.rang_out or branch.given_up or branch is not self._branch
        return ended_by_us and self._state is not ContextState.CANCELLED

    def _try_next(self) -> None:
        routed = self._search.take_next()
        if self._call is not None:
            one_platform = self._search.on_one_platform
            routed = self._call.with_usable_id(routed, one_platform=one_platform)
        self._try(routed)

    def _try(self, routed: Routed) -> None:
        failover = self._search.failover
        self._branch = branch = Branch(self._sender, routed, self._source, self, failover)
        branch.locate_and_send()

    def _end_branch(self, branch: Branch, final: Final) -> None:
        """Keep the final response of a branch; try the next target, or finish."""
        current, status = self._branch, final.response.status
        if current is None:  # OVER: a branch that we cancelled has ended
            return
        if branch.rang_out or status >= 600:
            self._search.end()  # a 6xx speaks for all targets (16.7 step 5)
        if not (branch is current and 300 <= status < 400 and self._add_redirect_targets(final)):
            self._finals.append(final)
        # 1. Another branch is current, since a failover: await it, unless a 6xx ended the search.
        # 2. Targets are left, those of a 3xx included: try the next.
        # 3. None is left: pass the best response back (step 6).
        if branch is not current:
            if status >= 600:
                current.cancel([])
        elif self._search.left:
            self._try_next()
        else:
            self._finish(
                *best_response(self._finals, cancelled=self._state is ContextState.CANCELLED)
            )

    def _add_redirect_targets(self, final: Final) -> bool:
        """Try the Contacts of a 3xx next; those that we cannot try are kept (16.7 step 4)."""
        found, rest = self._search.redirect(final.response)
        if rest is not None and found:
            self._finals.append(final._replace(response=rest))
        return found

    def _accept(self, response: Response, passed: bytes, by: Branch) -> None:
        """Pass a 2xx back, every one that comes, and cancel the current branch (16.7 step 5)."""
        self._server.send_response(response.status, passed)
        if self._state is not ContextState.OVER:
            self._end(CallOutcome.ANSWERED, response, by)

    def _finish(self, response: Response, outcome: CallOutcome) -> None:
        """Answer the caller with any other final response (16.7 steps 6 and 9)."""
        if self._state is ContextState.OVER:
            return
        call = self._call
        if call is not None and outcome in WARNINGS:
            response = self._refuse_by_policy(call, WARNINGS[outcome])
        else:
            pass_503 = call is not None and call.call.pass_503
            if response.status == 503 and not pass_503:
                response = self._responder.instead_of_503(self._request)
        self._server.respond(response)
        self._end(outcome, response, None)

    def _end(self, outcome: CallOutcome, sent: Response, by: Branch | None) -> None:
        """Cancel the current branch (16.7 step 10), and report the end of the call."""
        current, call = self._branch, self._call
        self._enter(ContextState.OVER)
        if current is not None:
            current.cancel([])
        if call is not None:
            call.report_ended(outcome, sent, by)

    def _enter(self, state: ContextState) -> None:
        """Change the state; OVER releases everything but the means to pass another 2xx back."""
        self._state = state
        if state is ContextState.OVER:
            # Another 2xx may come for 32 s.  Until then no reference cycle with the branch may
            # hold the INVITE: the collector is off while calls are up.
            del self._request
            self._branch = self._call = None
            self._search.end()
            self._search.tried.clear()
            self._finals.clear()

    def _refuse_by_policy(self, call: CallObserver, words: str) -> Response:
        """Return a refusal with the status of the call's policy: no target had an answer."""
        status, tag = call.call.policy.refusal, self._to_tag(self._request)
        return make_response(self._request, status, tag, (warning_field(words),))
