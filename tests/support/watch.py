"""A watch over each message, which asserts what no peer may ever get (RFC 3261 9, 16, 17)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.calls.second_copy import SecondCopy
from sip_stager.model.call import MAX_STAGED_ID_AGE
from sip_stager.model.flow import Flow
from sip_stager.sip.message import Request, Response
from sip_stager.transaction.base import TransactionState
from sip_stager.transaction.matching import server_key
from tests.support.agents import MARK

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.transaction.invite_server import InviteServerTransaction
    from tests.support.conversation import Conversation

TIMER_C = 181.0
_STAMPS = re.compile(rb";received=[0-9a-f.:]+|(?<=;rport)=[0-9]+")


@dataclass
class Asked:
    """A server transaction as its peer sees it."""

    request: Request
    began: float
    answers: list[Response] = field(default_factory=list)
    cancelled: bool = False

    @property
    def final(self) -> Response | None:
        return next((one for one in self.answers if one.status >= 200), None)


@dataclass
class Forwarded:
    """The client transaction of an INVITE as its peer sees it."""

    request: Request
    flow: Flow
    asked: Asked
    began: float
    heard: list[int] = field(default_factory=list)
    cancel: Request | None = None


Sent = list[tuple[Request | Response, "Flow"]]


class Watch:
    """The view of every peer; each method asserts.

    ``failover_timeout`` is the time in seconds after which another target is tried, where there
    is one.
    """

    def __init__(self, edge: Conversation, failover_timeout: float | None) -> None:
        self._edge = edge
        self._serial = failover_timeout is not None
        self._patience = failover_timeout or TIMER_C
        self._asked: dict[tuple[bytes, bytes], Asked] = {}
        self._forwarded: dict[bytes, Forwarded] = {}
        self._ours: set[bytes] = set()
        self._now: Sent = []

    def staged(self, staged_id: str) -> None:
        """Record the id of a staged call."""
        self._ours.add(staged_id.encode())

    def unanswered(self) -> list[Asked]:
        """Return the INVITEs without a final response."""
        invites = [one for one in self._asked.values() if one.request.method == b"INVITE"]
        return [one for one in invites if one.final is None]

    # What leaves the proxy.

    def leaves(self, message: Request | Response, flow: Flow) -> None:
        """Check one message that the proxy sends."""
        self._now.append((message, flow))
        if isinstance(message, Response):
            self._response(message)
            return
        assert set(message.values(b"x-rounded-call-id")) <= self._ours, "a foreign call id"
        if message.method == b"INVITE":
            self._invite(message, flow)
        elif message.method == b"CANCEL":
            self._cancel(message, flow)
        elif message.method == b"ACK" and message.branch in self._forwarded:
            heard = self._forwarded[message.branch].heard
            finals = [status for status in heard if status >= 200]
            assert finals, "an ACK of nothing"
            assert finals[0] >= 300, "an ACK of a 2xx, by itself"

    def _response(self, response: Response) -> None:
        asked = self._asked[response.branch, response.cseq_method]
        vias = [_STAMPS.sub(b"", via) for via in response.values(b"via")]
        assert vias == asked.request.values(b"via"), "Vias that the requester did not send"
        if response.status == 100:
            assert MARK not in response.names, "100 was forwarded (16.7 step 5)"
        if response.cseq_method != b"INVITE":
            assert response.status >= 200 or response.status == 100, "RFC 4320 4.1"
            assert response.status != 408, "a 408 to a non-INVITE (RFC 4320 4.2)"
        self._after_final(response, asked)
        asked.answers.append(response)

    @staticmethod
    def _after_final(response: Response, asked: Asked) -> None:
        final = asked.final
        if final is None:
            return
        assert response.status >= 200, "a provisional response after the final one"
        if bytes(response) == bytes(final):
            return
        assert response.cseq_method == b"INVITE", "a second final response"
        assert 200 <= response.status < 300, "a second final response that is no 2xx"
        assert 200 <= final.status < 300, "a 2xx after another final response"

    def _invite(self, invite: Request, flow: Flow) -> None:
        known = self._forwarded.get(invite.branch)
        if known is not None:
            assert bytes(invite) == bytes(known.request), "a repetition that differs"
            assert not known.heard, "an INVITE repeated though it was heard"
            assert flow.transport == "UDP", "an INVITE repeated over a reliable transport"
            return
        asked = self._asked[invite.values(b"via")[1].partition(b"branch=")[2].split(b";")[0],
                            b"INVITE"]  # fmt: skip
        assert asked.final is None, "an INVITE goes on after its final response"
        assert not asked.cancelled, "an INVITE goes on after its CANCEL"
        now = self._edge.clock.time()
        if not invite.to_tag:
            ids = len(invite.values(b"x-rounded-call-id"))
            forgotten = now - asked.began > MAX_STAGED_ID_AGE  # the API may know it no more
            withheld = forgotten or self._in_use(asked)
            assert ids == 1 or (ids == 0 and withheld), "an INVITE that was not staged"
        self._forwarded[invite.branch] = Forwarded(invite, flow, asked, now)

    def _in_use(self, asked: Asked) -> bool:
        """True if a target was cancelled after its 100, and has not ended: it may use the id."""
        return any(
            one.asked is asked and one.cancel is not None and max(one.heard, default=0) < 200
            for one in self._forwarded.values()
        )

    def _cancel(self, cancel: Request, flow: Flow) -> None:
        known = self._forwarded[cancel.branch]
        if known.cancel is not None:
            assert bytes(cancel) == bytes(known.cancel), "a repeated CANCEL that differs"
            return
        assert known.heard, "a CANCEL before any provisional response (9.1)"
        assert max(known.heard) < 200, "a CANCEL after the final response (9.1)"
        waited = self._edge.clock.time() - known.began
        final = known.asked.final
        unwanted = final is not None and final.status < 300  # it was answered elsewhere (16.7)
        assert known.asked.cancelled or unwanted or waited >= self._patience, "an idle CANCEL"
        invite = known.request
        assert cancel.values(b"via") == invite.values(b"via")[:1]
        assert (cancel.uri_text, cancel.call_id) == (invite.uri_text, invite.call_id)
        assert (cancel.cseq[0], cancel.value(b"to")) == (invite.cseq[0], invite.value(b"to"))
        assert flow == known.flow, "a CANCEL that goes elsewhere than its INVITE"
        known.cancel = cancel

    # What reaches the proxy.

    def reaches(self, message: Request | Response, source: Flow) -> None:
        """Pass one message to the proxy, and check its immediate reaction."""
        self._now = []
        if isinstance(message, Response):
            self._response_reaches(message, source)
        elif message.method == b"ACK":
            self._ack_reaches(message, source)
        else:
            self._request_reaches(message, source)

    def _hand(self, message: Request | Response, source: Flow) -> Sent:
        self._edge.receive(message, source)
        return self._now

    def _request_reaches(self, request: Request, source: Flow) -> None:
        layer, key = self._edge.layer, server_key(request)
        invite = layer.invite_servers.get(key)
        known = invite if request.method == b"INVITE" else layer.servers.get((key, request.method))
        stagings = len(self._edge.stager.stagings)
        if known is None:
            self._asked[request.branch, request.method] = Asked(request, self._edge.clock.time())
        if request.method == b"CANCEL" and invite is not None:
            self._asked[request.branch, b"INVITE"].cancelled = True
        sent = self._hand(request, source)
        begins = known is None and request.method == b"INVITE" and not request.to_tag
        staged = len(self._edge.stager.stagings) - stagings
        assert staged <= begins, "a call is staged more than once"
        if request.method == b"CANCEL":
            self._cancel_answered(request, sent, invite)
        elif known is None:
            assert sent or self._waits(key), "a request without any effect"
            assert begins or not request.to_tag or _forwards(sent, request), "no way in a dialog"

    def _waits(self, key: Hashable) -> bool:
        """True if an INVITE waits for the end of its first copy."""
        server = self._edge.layer.invite_servers.get(key)
        return server is not None and isinstance(server.owner, SecondCopy)

    def _cancel_answered(
        self, cancel: Request, sent: Sent, invite: InviteServerTransaction | None
    ) -> None:
        status = 481 if invite is None else 200
        answers = [one for one, _ in sent if isinstance(one, Response)]
        own = [one for one in answers if one.cseq_method == b"CANCEL"]
        assert [one.status for one in own] in ([status], [200]), "a CANCEL's answer (9.2)"
        if invite is None or invite.state is not TransactionState.COMPLETED:
            return
        final = self._asked[cancel.branch, b"INVITE"].final
        if final is not None and final.status == 487 and MARK not in final.names:
            assert final.to_tag == own[0].to_tag, "two To tags for one INVITE (9.2)"

    def _ack_reaches(self, ack: Request, source: Flow) -> None:
        own = (ack.branch, b"INVITE") in self._asked
        known = self._edge.layer.invite_servers.get(server_key(ack))
        late = ack.to_tag and (known is None or known.state is TransactionState.ACCEPTED)
        sent = self._hand(ack, source)
        if own:
            assert late or not sent, "an ACK that is hop by hop goes on"
        else:
            assert _forwards(sent, ack), "the ACK of a 2xx does not go on"

    def _response_reaches(self, response: Response, source: Flow) -> None:
        forwarded = self._forwarded.get(response.branch)
        client = self._edge.layer.invite_clients.get((response.branch, response.cseq_method))
        if forwarded is None or response.cseq_method != b"INVITE":
            self._hand(response, source)
            return
        state = client.state if client is not None else TransactionState.TERMINATED
        if client is not None:
            forwarded.heard.append(response.status)
        asked = forwarded.asked
        told, final = len(asked.answers), asked.final
        sent = self._hand(response, source)
        if response.status >= 300 and state not in {
            TransactionState.ACCEPTED,
            TransactionState.TERMINATED,
        }:
            acks = [one for one, _ in sent if isinstance(one, Request) and one.method == b"ACK"]
            assert [ack.branch for ack in acks] == [response.branch], "no ACK (17.1.1.3)"
            assert state is TransactionState.COMPLETED or acks[0].to_tag == response.to_tag
        passed = len(asked.answers) - told
        if self._serial and response.status >= 300:
            assert passed <= (final is None), "the best response goes back once (16.7 step 6)"
        else:
            assert passed == _passes(response.status, state, final), "16.7 steps 4 and 5"

    # What is in the stores.

    def stores(self) -> None:
        """Assert that no store holds an entry that has ended, or that will never end."""
        layer = self._edge.layer
        for store in (layer.invite_servers, layer.servers, layer.invite_clients, layer.clients):
            for one in store.values():
                assert one.state is not TransactionState.TERMINATED, "a store holds what has ended"
        for server in layer.invite_servers.values():
            assert server.owner is not None or server.state is not TransactionState.PROCEEDING
        if self._edge.alive:
            assert self._edge.clock.waiting or self._edge.stager.stagings


def _forwards(sent: Sent, request: Request) -> bool:
    """True if a copy of a request was forwarded."""
    return any(
        isinstance(one, Request) and (one.method, one.cseq) == (request.method, request.cseq)
        and one.values(b"via")[1:] and _STAMPS.sub(b"", one.values(b"via")[1])
        == request.values(b"via")[0]
        for one, _ in sent
    )  # fmt: skip


def _passes(status: int, state: TransactionState, final: Response | None) -> bool:
    """True if a response goes back at once, by the messages that both transactions have seen."""
    if state in {TransactionState.COMPLETED, TransactionState.TERMINATED} or status == 100:
        return False
    if 200 <= status < 300:
        return final is None or final.status < 300
    return state is not TransactionState.ACCEPTED and final is None
