"""Requests from strangers: from addresses of no trunk and no upstream.

::

    request --> from a trunk or an upstream --------------> the transaction layer
       |
       +------> of a dialog of ours, by the seal
       |           |-- its next hop is of a party --------> the transaction layer
       |           +-- any other -------------------------> turned away
       |
       +------> a new INVITE, within the budget ----------> 403, by the setting
       +------> anything else ----------------------------> nothing, by the setting

A stranger is turned away ahead of transactions, and nothing is kept.  Our answer has the fields
that SIP requires and no other: it names no product and no reason, which the log has.  An answer
that is larger than its request is not sent.  So nobody is flooded through us by a forged source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from sip_stager.events import CallRefused, MessageDropped, TrunkAddressSuspected
from sip_stager.model.call import Refusal
from sip_stager.model.vocabulary import DropCause
from sip_stager.proxy.preprocessing import preprocess
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.identifiers import tag_of
from sip_stager.sip.parser import check_request
from sip_stager.sip.responses import make_response, response_flow

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission, Clock
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.relay_rules import Peers, RelayRules
    from sip_stager.proxy.seal import Seal
    from sip_stager.sip.message import Request
    from sip_stager.transaction.base import Context

MAX_SUSPECTED = 1024
"""Addresses that were reported as a trunk's; beyond it the oldest is forgotten."""

Answered = Literal["invites", "nothing", "all"]
"""The requests of strangers that are answered."""


class StrangerRules(NamedTuple):
    """What strangers get: ``answered`` says which requests are, within ``answers_per_second``."""

    answered: Answered = "invites"
    answers_per_second: float = 10.0


class AnswerBudget:
    """A token bucket for what strangers get: as many answers at once as in a second."""

    def __init__(self, clock: Clock, rules: StrangerRules) -> None:
        self._clock = clock
        self._rate = self._tokens = rules.answers_per_second
        self._filled_at = clock.time()
        self.answers_invites = rules.answered != "nothing"

    def take(self) -> bool:
        """Return True if one more may be answered now, and count it."""
        now = self._clock.time()
        filled = self._tokens + self._rate * (now - self._filled_at)
        self._tokens, self._filled_at = min(self._rate, filled), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class StrangerGate:
    """Turns requests of strangers away, ahead of their transactions (``layer.Gate``)."""

    def __init__(
        self,
        context: Context,
        peers: Peers,
        admission: Admission,
        interfaces: Interfaces,
        seal: Seal,
        relay_rules: RelayRules,
        budget: AnswerBudget,
        rules: StrangerRules,
    ) -> None:
        self._context = context
        self._peers = peers
        self._admission = admission
        self._interfaces = interfaces
        self._seal = seal
        self._relay_rules = relay_rules
        self._budget = budget
        self._answers_all = rules.answered == "all"
        self._suspected: dict[str, None] = {}
        self.is_configured = peers.is_configured

    def turns_away(self, request: Request, source: Flow, size: int, *, under_way: bool) -> bool:
        """Return True if a request was turned away, which came from no address in the settings.

        ``size`` is that of the message in bytes.  ``under_way``: the INVITE that it seems to repeat
        or to cancel is one of a live transaction.
        """
        if self._peers.is_peer(source.host):  # an upstream's name has that address now
            return False
        try:
            sealed, why = self._read_seal(request, source)
        except Malformed as fault:
            return self._turn_away(request, source, size, fault.status, str(fault))
        if sealed and not why:
            return False
        if why:
            self._drop(request, source, DropCause.NEXT_HOP_REFUSED, why)
            self._answer_any(request, source, size, 403)
        elif request.method == b"INVITE" and not request.to_tag and not under_way:
            self._refuse_invite(request, source, size)
        else:
            status = 481 if request.method == b"CANCEL" or request.to_tag else 403
            self._turn_away(request, source, size, status, f"{source.host} belongs to no trunk")
        return True

    def turns_malformed_away(
        self, request: Request, source: Flow, size: int, fault: Malformed
    ) -> bool:
        """Return True if a malformed request was turned away."""
        if self._peers.is_peer(source.host):
            return False
        return self._turn_away(request, source, size, fault.status, str(fault))

    def _read_seal(self, request: Request, source: Flow) -> tuple[bytes, str]:
        """Return the valid seal of a request, and why it is not relayed; raises ``Malformed``."""
        if not request.usual:
            check_request(request)
        if request.method == b"INVITE" and not request.to_tag:
            return b"", ""  # a seal is no permission to call
        popped = preprocess(request, self._interfaces, self._seal, source.interface)
        own = popped.own_route
        if own is None or not self._seal.is_valid(own, popped.request):
            return b"", ""
        sealed, next_hop = own.user or b"", popped.route or popped.request.uri
        if next_hop.scheme != b"sip":
            return sealed, ""  # it is answered without being relayed
        return sealed, self._relay_rules.refusal(sealed, next_hop)

    def _refuse_invite(self, invite: Request, source: Flow, size: int) -> None:
        if not self._budget.take():
            self._drop(invite, source, DropCause.STRANGER, "too many INVITEs of strangers")
            return
        refusal = self._admission.admit(invite, source)
        assert isinstance(refusal, Refusal)
        self._suspect(invite, source)
        if not self._budget.answers_invites or not self._send(invite, source, size, 403):
            self._drop(invite, source, DropCause.STRANGER, refusal.text)
            return
        self._context.notify(
            CallRefused(
                invite.call_id_text,
                "",
                refusal.status,
                refusal.cause,
                refusal.text,
                0.0,
                refusal.reason,
                refusal.from_number,
                refusal.to_number,
            )
        )

    def _suspect(self, invite: Request, source: Flow) -> None:
        """Report an address once that looks like one that a carrier has added."""
        if source.host in self._suspected:
            return
        why = self._admission.resembles_trunk(invite, source)
        if why:
            if len(self._suspected) >= MAX_SUSPECTED:
                del self._suspected[next(iter(self._suspected))]
            self._suspected[source.host] = None
            self._context.notify(TrunkAddressSuspected(source, why, invite.call_id_text))

    def _turn_away(self, request: Request, source: Flow, size: int, status: int, why: str) -> bool:
        self._drop(request, source, DropCause.STRANGER, why)
        self._answer_any(request, source, size, status)
        return True

    def _answer_any(self, request: Request, source: Flow, size: int, status: int) -> None:
        """Answer any request but an ACK, if the setting says so and the budget permits it."""
        of_ack = b"ACK" in {request.method, request.cseq_method}
        if self._answers_all and not of_ack and self._budget.take():
            self._send(request, source, size, status)

    def _send(self, request: Request, source: Flow, size: int, status: int) -> bool:
        """Send a bare answer without a transaction; return False if it is too large."""
        answer = bytes(make_response(request, status, tag_of(request)))
        if len(answer) > size:
            return False
        flow = response_flow(request.top_via, source)
        self._context.send_response(answer, request.method, status, flow)
        return True

    def _drop(self, request: Request, source: Flow, cause: DropCause, why: str) -> None:
        self._context.notify(MessageDropped(source, cause, why, request.call_id_text))
