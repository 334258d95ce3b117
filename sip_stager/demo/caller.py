"""The built-in caller: it stands where the trunk does, and places one call after another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from sip_stager.demo.endpoint import HOST, SDP, Dialog, Endpoint, dialog_of
from sip_stager.ports import Flow
from sip_stager.transaction.hop_by_hop import make_cancel

if TYPE_CHECKING:
    from sip_stager.sip.message import Request, Response
    from sip_stager.transaction.server import ServerTransaction

NUMBER = "+33912345678"
_PATIENCE = 10.0  # seconds; no call of the demo takes so long


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller's end noticed of a call.

    ``status`` is the final response's, 0 where none came; ``rings_after`` is in seconds from the
    INVITE, None where it never rang; ``over_after`` is when the final response came.
    """

    call_id: str
    status: int
    rings_after: float | None
    over_after: float


class _Placed:
    """One call from the caller's end (``ClientUser`` of its INVITE)."""

    def __init__(self, caller: Caller, call_id: str) -> None:
        self._caller = caller
        self._call_id = call_id
        self._began = perf_counter()
        self._rings_after: float | None = None
        self.heard = caller.loop.create_future()
        self.dialog: Dialog | None = None
        self.hung_up = asyncio.Event()

    def receive(self, response: Response) -> None:
        if 180 <= response.status < 190 and self._rings_after is None:
            self._rings_after = perf_counter() - self._began
        if 200 <= response.status < 300:
            self.dialog = _dialog(response)
            self._caller.acknowledge(self.dialog)  # each time that it comes: RFC 3261 13.2.2.4
        if response.status >= 200:
            self._over(response.status)

    def timed_out(self) -> None:
        self._over(0)

    def send_failed(self, why: str) -> None:  # noqa: ARG002  the shape of a user
        self._over(0)

    def _over(self, status: int) -> None:
        if not self.heard.done():
            elapsed = perf_counter() - self._began
            self.heard.set_result(Heard(self._call_id, status, self._rings_after, elapsed))


class Caller(Endpoint):
    """Calls by way of the proxy on ``port``."""

    def __init__(self, port: int) -> None:
        super().__init__("caller")
        self._proxy = Flow("UDP", HOST, port)
        self._placed: dict[bytes, _Placed] = {}

    async def call(
        self, number: str, *, cancel_after: float | None = None, talks: float = _PATIENCE
    ) -> Heard:
        """Place a call and see it to its end.

        The caller gives up ``cancel_after`` seconds without an answer, and hangs up ``talks``
        seconds after one, unless the agent does so first.
        """
        invite = self._invite(number)
        placed = _Placed(self, invite.call_id.decode())
        self._placed[invite.call_id] = placed
        self.invite(invite, self._proxy, placed)
        if cancel_after is not None:
            self.loop.call_later(cancel_after, self._cancel, invite, placed)
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                heard: Heard = await placed.heard
                if placed.dialog is not None:
                    await self._talk(placed, placed.dialog, talks)
        finally:
            del self._placed[invite.call_id]
        return heard

    def receive_request(
        self, request: Request, source: Flow, transaction: ServerTransaction
    ) -> None:
        """Take the agent's BYE."""
        if request.method != b"BYE":
            super().receive_request(request, source, transaction)
            return
        placed = self._placed.get(request.call_id)
        transaction.respond(self.answer(request, 200 if placed else 481))
        if placed:
            placed.hung_up.set()

    def _invite(self, number: str) -> Request:
        fields = [
            f"From: <sip:{NUMBER}@{HOST}>;tag={self.identifiers.tag().decode()}",
            f"To: <sip:{number}@{HOST}>",
            f"Call-ID: {self.identifiers.tag().decode()}@{HOST}",
            "CSeq: 1 INVITE",
            self.contact,
        ]
        return self.compose("INVITE", f"sip:{number}@{HOST}:{self._proxy.port}", fields, SDP)

    def _cancel(self, invite: Request, placed: _Placed) -> None:
        if not placed.heard.done():
            self.ask(make_cancel(invite, []), self._proxy)

    async def _talk(self, placed: _Placed, dialog: Dialog, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await placed.hung_up.wait()
        except TimeoutError:
            self.ask(self.in_dialog(dialog, "BYE", 2), dialog.next_hop)


def _dialog(ok: Response) -> Dialog:
    """Make the caller's dialog: the recorded proxies in reverse order (RFC 3261 12.1.2)."""
    routes = ok.values(b"record-route")[::-1]
    return dialog_of(ok, ok.value(b"from") or b"", ok.value(b"to") or b"", routes)
