"""All accessors with which the program reads a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Message, Request, Response
from sip_stager.sip.parser import check_body, check_request, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.sip.via import Via


def _noted(message: Request) -> Via:
    message.note_source(Flow("UDP", "192.0.2.1", 5060))
    return message.top_via


ACCESSORS: dict[str, Callable[[Request], object]] = {
    "from_": lambda message: message.from_,
    "from_tag": lambda message: message.from_tag,
    "to": lambda message: message.to,
    "to_tag": lambda message: message.to_tag,
    "top_via": lambda message: message.top_via,
    "branch": lambda message: message.branch,
    "cseq": lambda message: message.cseq,
    "cseq_method": lambda message: message.cseq_method,
    "call_id": lambda message: message.call_id,
    "values": lambda message: [message.values(name) for name in message.names],
    "value": lambda message: [message.value(name) for name in message.names],
    "first": lambda message: [message.first(name) for name in message.names],
    "check_body": check_body,
    "uri": lambda message: message.uri,
    "check_request": check_request,
    "with_source": _noted,
}
OF_REQUESTS = {"uri", "check_request", "with_source"}


def parsed(data: bytes) -> Request:
    """Parse a request."""
    message = parse(data)
    assert isinstance(message, Request)
    return message


def answered(data: bytes) -> Response:
    """Parse a response."""
    message = parse(data)
    assert isinstance(message, Response)
    return message


def with_fields(*fields: bytes) -> Request:
    """Return an INVITE with only these header fields."""
    return parsed(b"\r\n".join([b"INVITE sip:a@b SIP/2.0", *fields, b"", b""]))


def outcome(name: str, message: Message) -> str:
    """Read one value; return "value", or "malformed"."""
    try:
        ACCESSORS[name](message)  # type: ignore[arg-type]
    except Malformed:
        return "malformed"
    return "value"


def outcomes(message: Message) -> set[str]:
    """Read every value of a message; return the different outcomes."""
    names = ACCESSORS if isinstance(message, Request) else ACCESSORS.keys() - OF_REQUESTS
    return {outcome(name, message) for name in names}


def status_of(data: bytes) -> int:
    """Return the status that refuses a request, or 0 for a valid one."""
    try:
        request = parsed(data)
        check_request(request)
        _ = request.uri
    except Malformed as fault:
        return fault.status
    return 0
