"""The built-in caller: it stands where the trunk does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from sip_stager.demo.credentials import credentials
from sip_stager.demo.endpoint import HOST, SDP, Dialog, Endpoint, dialog_of
from sip_stager.model.flow import Flow
from sip_stager.transaction.hop_by_hop import make_cancel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.sip.message import Request, Response

NUMBER = "+33912345678"
_PATIENCE = 10.0  # seconds; no call of the demo takes so long


@dataclass(frozen=True, slots=True)
class Provisional:
    """A response ahead of the final one: when it came, in seconds, and its early dialog's tag."""

    status: int
    after: float
    tag: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller's end noticed of a call.

    ``final`` is the final response's status and reason phrase, or why there was none; it came
    ``over_after`` seconds after the INVITE.  Of ``provisional`` ones 100 is left out.
    """

    call_id: str
    final: str
    provisional: tuple[Provisional, ...]
    over_after: float
    contact: str = ""
    retry_after: str = ""

    @property
    def rings_after(self) -> float | None:
        """Seconds from the INVITE until he heard something, None where he never did."""
        return self.provisional[0].after if self.provisional else None


class _Placed:
    """One INVITE from the caller's end (``ClientUser``)."""

    def __init__(self, caller: Caller, invite: Request) -> None:
        self.invite = invite
        self.heard: asyncio.Future[Heard] = caller.loop.create_future()
        self.dialog: Dialog | None = None
        self.challenge = ""
        self.hung_up = asyncio.Event()
        self._caller = caller
        self._began = perf_counter()
        self._provisional: list[Provisional] = []

    def receive_response(self, response: Response) -> None:
        if 100 < response.status < 200:
            after = perf_counter() - self._began
            self._provisional.append(Provisional(response.status, after, response.to_tag))
        if 200 <= response.status < 300:
            self.dialog = _dialog(response)
            self._caller.acknowledge(self.dialog)  # each time that it comes: RFC 3261 13.2.2.4
        if response.status == 407:
            self.challenge = _text(response, b"proxy-authenticate")
        if response.status >= 200:
            self._over(f"{response.status} {response.reason.decode()}", response)

    def timed_out(self) -> None:
        self._over("no answer")

    def send_failed(self, why: str) -> None:
        self._over(f"no answer ({why})")

    def _over(self, final: str, response: Response | None = None) -> None:
        if self.heard.done():
            return
        self.heard.set_result(
            Heard(
                self.invite.call_id.decode(),
                final,
                tuple(self._provisional),
                perf_counter() - self._began,
                _text(response, b"contact"),
                _text(response, b"retry-after"),
            )
        )


class Caller(Endpoint):
    """Calls by way of the proxy on ``port``, from any ``host`` of this machine's."""

    def __init__(self, port: int, host: str = HOST) -> None:
        super().__init__("caller", host)
        self._proxy = Flow("UDP", HOST, port)
        self.conversations: dict[bytes, _Placed] = {}

    async def call(
        self,
        number: str,
        *,
        cancel_after: float | None = None,
        talks: float = _PATIENCE,
        caller: str = NUMBER,
        fields: Sequence[str] = (),
    ) -> Heard:
        """Place a call and see it to its end; ``fields`` are further header fields.

        The caller gives up ``cancel_after`` seconds without an answer, and hangs up ``talks``
        seconds after one, unless the agent does so first.  Asked for credentials he comes again
        with them.
        """
        fields = [*self._identity(number, caller), *fields]
        async with asyncio.timeout(2 * _PATIENCE):
            placed = await self._attempt(number, fields, 1, cancel_after)
            if placed.challenge:
                uri = placed.invite.uri_text.decode()
                proof = f"Proxy-Authorization: {credentials(placed.challenge, 'INVITE', uri)}"
                placed = await self._attempt(number, [*fields, proof], 2, cancel_after)
            if placed.dialog is not None:
                await self._talk(placed, placed.dialog, talks)
        return placed.heard.result()

    def _identity(self, number: str, caller: str) -> list[str]:
        """Write what all INVITEs of a call have (RFC 3261 8.1.3.5)."""
        return [
            f"From: <sip:{caller}@{self.host}>;tag={self.identifiers.tag().decode()}",
            f"To: <sip:{number}@{HOST}>",
            f"Call-ID: {self.identifiers.tag().decode()}@{self.host}",
            self.contact,
        ]

    async def _attempt(
        self, number: str, fields: Sequence[str], cseq: int, cancel_after: float | None
    ) -> _Placed:
        """Send an INVITE, and wait for what becomes of it."""
        uri = f"sip:{number}@{HOST}:{self._proxy.port}"
        invite = self.compose("INVITE", uri, [*fields, f"CSeq: {cseq} INVITE"], SDP)
        placed = self.conversations[invite.call_id] = _Placed(self, invite)
        self.invite(invite, self._proxy, placed)
        if cancel_after is not None:
            self.loop.call_later(cancel_after, self._cancel, placed)
        try:
            await placed.heard
        finally:
            if placed.dialog is None:
                del self.conversations[invite.call_id]
        return placed

    def _cancel(self, placed: _Placed) -> None:
        if not placed.heard.done():
            self.ask(make_cancel(placed.invite, []), self._proxy)

    async def _talk(self, placed: _Placed, dialog: Dialog, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await placed.hung_up.wait()
        except TimeoutError:
            self.ask(self.in_dialog(dialog, "BYE", dialog.invite + 1), dialog.next_hop)
        finally:
            del self.conversations[dialog.call_id]


def _dialog(ok: Response) -> Dialog:
    """Make the caller's dialog: the recorded proxies in reverse order (RFC 3261 12.1.2)."""
    routes = ok.values(b"record-route")[::-1]
    return dialog_of(ok, ok.value(b"from") or b"", ok.value(b"to") or b"", routes)


def _text(response: Response | None, name: bytes) -> str:
    value = response.value(name) if response else None
    return (value or b"").decode()
