"""The built-in agent: the SIP side of the voice platform.

Each call rings for a moment, is answered, and is hung up by the agent after a while, unless the
caller hangs up first.  A call that was not staged finds the agent cold and waits longer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.demo.digest_authentication import are_valid, make_challenge
from sip_stager.demo.endpoint import Endpoint, make_dialog
from sip_stager.sip.message import Request
from sip_stager.transaction.invite_server import InviteServerTransaction

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.transaction.non_invite_server import ServerTransaction

STAGED_ID = b"x-rounded-call-id"
_MAX_REMEMBERED = 1000  # calls
_ACK_TIMEOUT = 32.0  # seconds, 64*T1; without an ACK the call ends then (RFC 3261 13.3.1.4)
_FIRST_RETRANSMISSION, _MAX_INTERVAL = 0.5, 4.0  # seconds, T1 and T2


@dataclass(slots=True)
class _Conversation:
    """A call that the agent has accepted."""

    invite: Request
    transaction: InviteServerTransaction
    tag: bytes
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Agent(Endpoint):
    """Rings for ``ring_time`` seconds and talks for ``talk_time``.

    If the call was not staged, the agent first warms up for ``warm_up_time`` seconds.
    ``staged_ids`` has the ``X-Rounded-Call-Id`` of each INVITE by SIP Call-ID, empty if there was
    none; the oldest calls are forgotten.  An INVITE to a number in ``challenged`` must bring
    credentials, one to a number in ``refused`` gets 503, and one to a number in ``ignored`` gets
    no response.
    """

    def __init__(
        self,
        user: str = "agent",
        ring_time: float = 0.3,
        talk_time: float = 0.6,
        warm_up_time: float = 0.4,
    ) -> None:
        super().__init__(user)
        self.ring_time = ring_time
        self.talk_time = talk_time
        self.warm_up_time = warm_up_time
        self.staged_ids: dict[str, list[str]] = {}
        self.challenged: set[str] = set()
        self.refused: set[str] = set()
        self.ignored: set[str] = set()
        self._nonce = self.identifiers.tag().decode()
        self.conversations: dict[bytes, _Conversation] = {}

    async def __aexit__(self, *_: object) -> None:
        tasks = [one.task for one in self.conversations.values() if one.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().__aexit__()

    def receive_invite(
        self, invite: Request, _source: Flow, transaction: InviteServerTransaction
    ) -> None:
        """Accept a new call, or a re-INVITE, by which a softphone puts a call on hold."""
        if invite.to_tag:
            known = invite.call_id in self.conversations
            transaction.respond(self.build_response(invite, 200 if known else 481))
        else:
            self._receive_new_call(invite, transaction)

    def receive_ack(self, ack: Request, _source: Flow) -> None:
        """Stop retransmitting the 200."""
        if conversation := self.conversations.get(ack.call_id):
            conversation.acknowledged.set()

    def receive_cancel(
        self,
        cancel: Request,
        source: Flow,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """End a ringing call with 487."""
        conversation = self.conversations.get(cancel.call_id)
        if conversation is None or conversation.transaction is not invite:
            super().receive_cancel(cancel, source, transaction, invite)
            return
        transaction.respond(self.build_response(cancel, 200))
        if conversation.task:
            conversation.task.cancel()
        invite.respond(self.build_response(conversation.invite, 487, conversation.tag))

    def _receive_new_call(self, invite: Request, transaction: InviteServerTransaction) -> None:
        self._remember(invite)
        number = (invite.uri.user or b"").decode("ascii", "replace")
        if number in self.ignored:
            return  # the proxy's failover timeout must expire
        if number in self.refused:
            transaction.respond(self.build_response(invite, 503))
        elif number in self.challenged and not self._has_credentials(invite):
            challenge = (b"Proxy-Authenticate", make_challenge(self._nonce))
            transaction.respond(self.build_response(invite, 407, extra=(challenge,)))
        else:
            self._accept(invite, transaction)

    def _accept(self, invite: Request, transaction: InviteServerTransaction) -> None:
        conversation = _Conversation(invite, transaction, self.identifiers.tag())
        self.conversations[invite.call_id] = conversation
        conversation.task = self.loop.create_task(self._converse(conversation))

    def _remember(self, invite: Request) -> None:
        if len(self.staged_ids) >= _MAX_REMEMBERED:
            del self.staged_ids[next(iter(self.staged_ids))]
        call_id = invite.call_id.decode("ascii", "backslashreplace")
        staged = (invite.value(STAGED_ID) or b"").decode("ascii", "backslashreplace")
        self.staged_ids.setdefault(call_id, []).append(staged)

    def _has_credentials(self, invite: Request) -> bool:
        credentials = (invite.value(b"proxy-authorization") or b"").decode("ascii", "replace")
        return are_valid(credentials, self._nonce, "INVITE")

    async def _converse(self, conversation: _Conversation) -> None:
        invite, transaction, tag = conversation.invite, conversation.transaction, conversation.tag
        try:
            if not invite.value(STAGED_ID):
                await asyncio.sleep(self.warm_up_time)
            # If the caller requires 100rel, a 180 would have to be sent reliably (RFC 3262 3).
            if not invite.requires(b"100rel"):
                transaction.respond(self.build_response(invite, 180, tag))
            await asyncio.sleep(self.ring_time)
            await self._answer(conversation)
            async with asyncio.timeout(self.talk_time):
                await conversation.hung_up.wait()
        except TimeoutError:
            self._hang_up(conversation)
        finally:
            del self.conversations[invite.call_id]

    async def _answer(self, conversation: _Conversation) -> None:
        """Send the 200 at growing intervals until its ACK arrives (RFC 3261 13.3.1.4)."""
        response = self.build_response(conversation.invite, 200, conversation.tag)
        interval = _FIRST_RETRANSMISSION
        async with asyncio.timeout(_ACK_TIMEOUT):
            while not conversation.acknowledged.is_set():
                conversation.transaction.respond(response)
                await _wait_at_most(interval, conversation.acknowledged)
                interval = min(2 * interval, _MAX_INTERVAL)

    def _hang_up(self, conversation: _Conversation) -> None:
        invite = conversation.invite
        to = (self.build_response(invite, 200, conversation.tag).value(b"to")) or b""
        routes = invite.values(b"record-route")
        dialog = make_dialog(invite, to, invite.value(b"from") or b"", routes)
        self.send_request(self.build_in_dialog(dialog, "BYE", 1), dialog.next_hop)


async def _wait_at_most(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event or for a timeout, whichever comes first."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
