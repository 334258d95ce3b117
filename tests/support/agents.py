"""User agents that write as real ones do: dialogs from what they have seen (RFC 3261 12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.sip.message import Message, Request, Response
from sip_stager.sip.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterable


MARK = b"x-agent"
"""Every response of an agent holds this field: what has none is the proxy's own."""


@dataclass
class Dialog:
    """One side's view of a dialog; ``local`` and ``remote`` are From or To values with a tag."""

    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str]
    cseq: int = 100


@dataclass
class UserAgent:
    """A user agent that writes messages and keeps those it was sent; the test carries them."""

    name: str
    flow: Flow
    sent: list[Request] = field(default_factory=list)
    received: list[Request] = field(default_factory=list)
    answered: list[tuple[Request, Response]] = field(default_factory=list)
    dialogs: dict[tuple[str, str, str], Dialog] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._count = count(1)
        transport = "" if self.flow.transport == "UDP" else ";transport=tcp"
        self.contact = f"<sip:{self.name}@{self.flow.host}{transport}>"

    def invite(self, extra: Iterable[str] = (), via_parameters: str = "") -> Request:
        """Begin a call."""
        number = next(self._count)
        head = (
            f'From: "A. Lice" <sip:+33912345678@{self.flow.host}>;tag={self.name}{number}',
            "To: <sip:+33612345678@198.51.100.1>",
            f"Call-ID: {number}@{self.flow.host}",
        )
        uri = "sip:+33612345678@198.51.100.1"
        return self._ask("INVITE", uri, head, 1, extra, via_parameters)

    def fork(self, invite: Request) -> Request:
        """Send an INVITE by another way too, as a proxy that forks would (RFC 3261 8.2.2.2)."""
        return self._sending(bytes(invite).replace(b";branch=", b";branch=z9hG4bK-fork", 1))

    def cancel(self, invite: Request) -> Request:
        """Cancel an INVITE, in its own words (RFC 3261 9.1)."""
        return self._hop_by_hop("CANCEL", invite, invite)

    def acknowledge(self, invite: Request, response: Response) -> Request:
        """Acknowledge a final response: hop by hop, or as a request of the dialog for a 2xx."""
        if response.status >= 300:
            return self._hop_by_hop("ACK", invite, response)
        return self.ask("ACK", self._dialog(invite, response), invite.cseq[0])

    def ask(
        self, method: str, dialog: Dialog, cseq: int | None = None, extra: Iterable[str] = ()
    ) -> Request:
        """Write a request of a dialog (RFC 3261 12.2.1.1)."""
        if cseq is None:
            dialog.cseq += 1
            cseq = dialog.cseq
        head = f"From: {dialog.local}", f"To: {dialog.remote}", f"Call-ID: {dialog.call_id}"
        routes = [f"Route: {route}" for route in dialog.routes]
        return self._ask(method, dialog.target, head, cseq, [*routes, *extra])

    def answer(self, request: Request, status: int, tag: str = "") -> Response:
        """Answer a request; a response with a tag begins a dialog."""
        to = text(request, b"to")
        lines = [f"SIP/2.0 {status} Whatever", *copied(request)]
        lines.append(f"To: {to}" if ";tag=" in to or status == 100 else f"To: {to};tag={tag}")
        lines += [f"Contact: {self.contact}", f"X-Agent: {next(self._count)}"]
        response = parse(written(lines))
        assert isinstance(response, Response)
        if request.method == b"INVITE" and not request.to_tag and 100 < status < 300:
            routes = [route.decode() for route in request.values(b"record-route")]
            self._begin(response, "to", "from", contact(request), routes)
        return response

    def receive(self, message: Request | Response) -> None:
        """Keep a message; a response to an INVITE of ours may begin a dialog."""
        if isinstance(message, Request):
            self.received.append(message)
            return
        for request in self.sent:
            if (request.branch, request.method) == (message.branch, message.cseq_method):
                self.answered.append((request, message))
                if request.method == b"INVITE" and 100 < message.status < 300:
                    self._dialog(request, message)
                return

    def _dialog(self, invite: Request, response: Response) -> Dialog:
        if invite.to_tag:
            key = response.call_id.decode(), *tags(invite)
            return self.dialogs[key]
        routes = [route.decode() for route in reversed(response.values(b"record-route"))]
        return self._begin(response, "from", "to", contact(response), routes)

    def _begin(
        self, seen: Response, local: str, remote: str, target: str, routes: list[str]
    ) -> Dialog:
        ours, theirs = text(seen, local.encode()), text(seen, remote.encode())
        key = seen.call_id.decode(), tag_of(ours), tag_of(theirs)
        made = Dialog(key[0], ours, theirs, target, routes)
        return self.dialogs.setdefault(key, made)

    def _ask(
        self,
        method: str,
        uri: str,
        head: Iterable[str],
        cseq: int,
        extra: Iterable[str],
        via_parameters: str = "",
    ) -> Request:
        via = f"SIP/2.0/{self.flow.transport} {self.flow.host}:5060"
        branch = f"z9hG4bK-{self.name}-{next(self._count)}"
        lines = (
            f"{method} {uri} SIP/2.0", f"Via: {via};branch={branch}{via_parameters}", *head,
            f"CSeq: {cseq} {method}", "Max-Forwards: 70", f"Contact: {self.contact}", *extra,
        )  # fmt: skip
        return self._sending(written(lines))

    def _hop_by_hop(self, method: str, invite: Request, to: Message) -> Request:
        lines = [f"{method} {invite.uri_text.decode()} SIP/2.0"]
        lines += [f"Via: {text(invite, b'via')}", f"From: {text(invite, b'from')}"]
        lines += [f"To: {text(to, b'to')}", f"Call-ID: {invite.call_id.decode()}"]
        lines += [f"Route: {route.decode()}" for route in invite.values(b"route")]
        lines += [f"CSeq: {invite.cseq[0]} {method}", "Max-Forwards: 70"]
        return self._sending(written(lines))

    def _sending(self, data: bytes) -> Request:
        request = parse(data)
        assert isinstance(request, Request)
        self.sent.append(request)
        return request


def copied(request: Request) -> list[str]:
    """Return the fields that a response copies (RFC 3261 8.2.6.2, 12.1.1)."""
    names = (b"via", b"from", b"call-id", b"cseq", b"record-route")
    pairs = zip(request.names, request.fields, strict=True)
    return [field.decode() for name, field in pairs if name in names]


def written(lines: Iterable[str]) -> bytes:
    """Return a message without a body."""
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


def text(message: Message, name: bytes) -> str:
    """Return a field's value."""
    return (message.value(name) or b"").decode()


def tag_of(value: str) -> str:
    """Return the tag of a From or To value."""
    return value.rpartition(";tag=")[2]


def tags(request: Request) -> tuple[str, str]:
    """Return the two tags of a request, its sender's first."""
    return tag_of(text(request, b"from")), request.to_tag.decode()


def contact(message: Message) -> str:
    """Return the URI of a message's Contact."""
    return text(message, b"contact").strip("<>")
