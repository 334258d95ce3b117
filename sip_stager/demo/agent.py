"""The built-in agent: it stands where the voice platform's SIP side does.

Each call rings for a moment, is answered, and is hung up by the agent when it has said what it had
to say, unless the caller was quicker.  One that was not staged finds the agent cold.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.demo.credentials import challenge, proven
from sip_stager.demo.endpoint import Endpoint, dialog_of

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction
    from sip_stager.transaction.server import ServerTransaction

STAGED_ID = b"x-rounded-call-id"
_MOST_SEEN = 1000
_LONGEST_SILENCE = 32.0  # seconds without an ACK; the call is over then (RFC 3261 13.3.1.4)


@dataclass(slots=True)
class _Conversation:
    """A call that the agent takes part in."""

    invite: Request
    transaction: InviteServerTransaction
    tag: bytes
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Agent(Endpoint):
    """Rings for ``rings`` seconds and talks for ``talks``; a cold one warms for ``warms`` before.

    ``seen`` holds the ``X-Rounded-Call-Id`` of each INVITE that came, empty where there was none,
    by its SIP Call-ID; the oldest are forgotten.  INVITEs to a number of ``guarded`` are asked for
    credentials, those to one of ``refused`` get 503, and those to one of ``ignored`` nothing.
    """

    def __init__(
        self, user: str = "agent", rings: float = 0.3, talks: float = 0.6, warms: float = 0.4
    ) -> None:
        super().__init__(user)
        self.rings = rings
        self.talks = talks
        self.warms = warms
        self.seen: dict[str, list[str]] = {}
        self.guarded: set[str] = set()
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
        """Take a call, or a softphone's wish to put one on hold, say."""
        if invite.to_tag:
            known = invite.call_id in self.conversations
            transaction.respond(self.answer(invite, 200 if known else 481))
        else:
            self._invited(invite, transaction)

    def receive_ack(self, ack: Request, _source: Flow) -> None:
        """Know that the caller has heard the answer."""
        if conversation := self.conversations.get(ack.call_id):
            conversation.acknowledged.set()

    def receive_cancel(
        self,
        cancel: Request,
        transaction: ServerTransaction,
        invite: InviteServerTransaction | None,
    ) -> None:
        """Stop ringing."""
        conversation = self.conversations.get(cancel.call_id)
        if conversation is None or conversation.transaction is not invite:
            super().receive_cancel(cancel, transaction, invite)
            return
        transaction.respond(self.answer(cancel, 200))
        if conversation.task:
            conversation.task.cancel()
        invite.respond(self.answer(conversation.invite, 487, conversation.tag))

    def _invited(self, invite: Request, transaction: InviteServerTransaction) -> None:
        self._remember(invite)
        number = (invite.uri.user or b"").decode("ascii", "replace")
        if number in self.ignored:
            return
        if number in self.refused:
            transaction.respond(self.answer(invite, 503))
        elif number in self.guarded and not self._proven(invite):
            asked = (b"Proxy-Authenticate", challenge(self._nonce))
            transaction.respond(self.answer(invite, 407, extra=(asked,)))
        else:
            self._take(invite, transaction)

    def _take(self, invite: Request, transaction: InviteServerTransaction) -> None:
        conversation = _Conversation(invite, transaction, self.identifiers.tag())
        self.conversations[invite.call_id] = conversation
        conversation.task = self.loop.create_task(self._converse(conversation))

    def _remember(self, invite: Request) -> None:
        if len(self.seen) >= _MOST_SEEN:
            del self.seen[next(iter(self.seen))]
        call_id = invite.call_id.decode("ascii", "backslashreplace")
        staged = (invite.value(STAGED_ID) or b"").decode("ascii", "backslashreplace")
        self.seen.setdefault(call_id, []).append(staged)

    def _proven(self, invite: Request) -> bool:
        given = (invite.value(b"proxy-authorization") or b"").decode("ascii", "replace")
        return proven(given, self._nonce, "INVITE")

    async def _converse(self, conversation: _Conversation) -> None:
        invite, transaction, tag = conversation.invite, conversation.transaction, conversation.tag
        try:
            if not invite.value(STAGED_ID):
                await asyncio.sleep(self.warms)
            if not invite.requires(b"100rel"):  # a 180 would have to be a reliable one (RFC 3262 3)
                transaction.respond(self.answer(invite, 180, tag))
            await asyncio.sleep(self.rings)
            await self._answer(conversation)
            async with asyncio.timeout(self.talks):
                await conversation.hung_up.wait()
        except TimeoutError:
            self._hang_up(conversation)
        finally:
            del self.conversations[invite.call_id]

    async def _answer(self, conversation: _Conversation) -> None:
        """Send the 200 until its ACK comes, at growing intervals (RFC 3261 13.3.1.4)."""
        answer = self.answer(conversation.invite, 200, conversation.tag)
        interval = 0.5
        async with asyncio.timeout(_LONGEST_SILENCE):
            while not conversation.acknowledged.is_set():
                conversation.transaction.respond(answer)
                await _within(interval, conversation.acknowledged)
                interval = min(2 * interval, 4.0)

    def _hang_up(self, conversation: _Conversation) -> None:
        invite = conversation.invite
        to = (self.answer(invite, 200, conversation.tag).value(b"to")) or b""
        routes = invite.values(b"record-route")
        dialog = dialog_of(invite, to, invite.value(b"from") or b"", routes)
        self.ask(self.in_dialog(dialog, "BYE", 1), dialog.next_hop)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event for so long, and no longer."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
