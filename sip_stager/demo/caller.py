"""The built-in caller: the SIP trunk of the demo."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from sip_stager.demo.digest_authentication import make_credentials
from sip_stager.demo.endpoint import HOST, SDP, Dialog, Endpoint, make_dialog
from sip_stager.model.flow import Flow
from sip_stager.transaction.hop_by_hop import make_cancel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.sip.message import Request, Response

NUMBER = "+33912345678"
_CALL_TIMEOUT = 10.0  # seconds; every call of the demo is shorter


@dataclass(frozen=True, slots=True)
class ProvisionalResponse:
    """A provisional response, ``after`` seconds from the INVITE; ``tag`` is its early dialog's."""

    status: int
    after: float
    tag: bytes


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call as the caller saw it.

    ``final`` is the status and reason phrase of the final response, or why there was none; it
    came ``ended_after`` seconds after the INVITE.  ``provisional`` leaves out 100.
    """

    call_id: str
    final: str
    provisional: tuple[ProvisionalResponse, ...]
    ended_after: float
    contact: str = ""
    retry_after: str = ""

    @property
    def rang_after(self) -> float | None:
        """Seconds from the INVITE to the first ringing; None if there was none."""
        return self.provisional[0].after if self.provisional else None


class _OutgoingCall:
    """One INVITE and its dialog (a ``ClientUser``)."""

    def __init__(self, caller: Caller, invite: Request) -> None:
        self.invite = invite
        self.report: asyncio.Future[CallReport] = caller.loop.create_future()
        self.dialog: Dialog | None = None
        self.challenge = ""
        self.hung_up = asyncio.Event()
        self._caller = caller
        self._started = perf_counter()
        self._provisional: list[ProvisionalResponse] = []

    def receive_response(self, response: Response) -> None:
        if 100 < response.status < 200:
            after = perf_counter() - self._started
            self._provisional.append(ProvisionalResponse(response.status, after, response.to_tag))
        if 200 <= response.status < 300:
            self.dialog = _dialog(response)
            # Each retransmission of a 2xx needs an ACK (RFC 3261 13.2.2.4).
            self._caller.send_ack(self.dialog)
        if response.status == 407:
            self.challenge = _text(response, b"proxy-authenticate")
        if response.status >= 200:
            self._end(f"{response.status} {response.reason.decode()}", response)

    def timed_out(self) -> None:
        self._end("no answer")

    def send_failed(self, why: str) -> None:
        self._end(f"no answer ({why})")

    def _end(self, final: str, response: Response | None = None) -> None:
        if self.report.done():  # a retransmitted 2xx
            return
        self.report.set_result(
            CallReport(
                self.invite.call_id.decode(),
                final,
                tuple(self._provisional),
                perf_counter() - self._started,
                _text(response, b"contact"),
                _text(response, b"retry-after"),
            )
        )


class Caller(Endpoint):
    """A user agent at ``host`` that calls through the proxy on ``port``."""

    def __init__(self, port: int, host: str = HOST) -> None:
        super().__init__("caller", host)
        self._proxy = Flow("UDP", HOST, port)
        self.conversations: dict[bytes, _OutgoingCall] = {}

    async def call(
        self,
        number: str,
        *,
        cancel_after: float | None = None,
        talk_time: float = _CALL_TIMEOUT,
        caller: str = NUMBER,
        fields: Sequence[str] = (),
    ) -> CallReport:
        """Place a call and return once it has ended; ``fields`` are further header fields.

        An unanswered call is cancelled after ``cancel_after`` seconds; an answered one is hung up
        after ``talk_time`` seconds, unless the agent hangs up first.  A challenge (407) is answered
        with a second INVITE.
        """
        fields = [*self._call_fields(number, caller), *fields]
        async with asyncio.timeout(2 * _CALL_TIMEOUT):
            placed = await self._attempt(number, fields, 1, cancel_after)
            if placed.challenge:
                uri = placed.invite.uri_text.decode()
                credentials = make_credentials(placed.challenge, "INVITE", uri)
                proof = f"Proxy-Authorization: {credentials}"
                placed = await self._attempt(number, [*fields, proof], 2, cancel_after)
            if placed.dialog is not None:
                await self._talk(placed, placed.dialog, talk_time)
        return placed.report.result()

    def _call_fields(self, number: str, caller: str) -> list[str]:
        """Return the header fields that all INVITEs of a call share (RFC 3261 8.1.3.5)."""
        return [
            f"From: <sip:{caller}@{self.host}>;tag={self.identifiers.tag().decode()}",
            f"To: <sip:{number}@{HOST}>",
            f"Call-ID: {self.identifiers.tag().decode()}@{self.host}",
            self.contact,
        ]

    async def _attempt(
        self, number: str, fields: Sequence[str], cseq: int, cancel_after: float | None
    ) -> _OutgoingCall:
        """Send an INVITE and wait for its final response."""
        uri = f"sip:{number}@{HOST}:{self._proxy.port}"
        invite = self.build_request("INVITE", uri, [*fields, f"CSeq: {cseq} INVITE"], SDP)
        placed = self.conversations[invite.call_id] = _OutgoingCall(self, invite)
        self.send_invite(invite, self._proxy, placed)
        if cancel_after is not None:
            self.loop.call_later(cancel_after, self._cancel, placed)
        try:
            await placed.report
        finally:
            if placed.dialog is None:
                del self.conversations[invite.call_id]
        return placed

    def _cancel(self, placed: _OutgoingCall) -> None:
        if not placed.report.done():
            self.send_request(make_cancel(placed.invite, []), self._proxy)

    async def _talk(self, placed: _OutgoingCall, dialog: Dialog, seconds: float) -> None:
        """Wait until the agent hangs up, and hang up after a timeout."""
        try:
            async with asyncio.timeout(seconds):
                await placed.hung_up.wait()
        except TimeoutError:
            self.send_request(
                self.build_in_dialog(dialog, "BYE", dialog.invite_cseq + 1), dialog.next_hop
            )
        finally:
            del self.conversations[dialog.call_id]


def _dialog(ok: Response) -> Dialog:
    """Return the caller's dialog; its route set is reversed (RFC 3261 12.1.2)."""
    routes = ok.values(b"record-route")[::-1]
    return make_dialog(ok, ok.value(b"from") or b"", ok.value(b"to") or b"", routes)


def _text(response: Response | None, name: bytes) -> str:
    value = response.value(name) if response else None
    return (value or b"").decode()
