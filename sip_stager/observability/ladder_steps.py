"""The line that an event has on a ladder: an arrow from one party to another, and a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import (
    CallRefused,
    CallRinging,
    CallTreated,
    MessageReceived,
    MessageSent,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingWasted,
)
from sip_stager.observability.ladder_model import Column, Step, printable
from sip_stager.observability.ladder_staging_steps import staging_step
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event
    from sip_stager.sip.message import Response


def call_key(event: Event) -> str:
    """Return the SIP Call-ID that an event belongs to, empty if it belongs to none."""
    match event:
        case MessageReceived() | MessageSent():
            return event.message.call_id.decode("ascii", "backslashreplace")
        case CallRefused():
            return event.call_id
        case (StagingStarted() | StagingPolled() | StagingRetried() | StagingEnded()) | (
            StagingClaimed() | StagingWasted() | CallTreated() | CallRinging()
        ):
            return event.call.call_id
        case _:
            return ""


def from_tag(message: Request | Response) -> bytes:
    """Return the tag of the From, empty if it cannot be read."""
    try:
        return message.from_.tag
    except Malformed:
        return b""


def step(event: Event, caller_tag: bytes, shown: Callable[[str], str]) -> Step | None:
    """Return an event's line on the ladder of its call, or None if it has none.

    ``caller_tag`` is the From tag of the call's first INVITE.  The caller's requests, and the
    responses to them, have it in the From, the agent's in the To (RFC 3261 12.1.1).  ``shown``
    masks phone numbers.
    """
    if isinstance(event, MessageReceived | MessageSent):
        return _message(event, caller_tag, shown)
    return staging_step(event, shown)


def _message(
    event: MessageReceived | MessageSent, caller_tag: bytes, shown: Callable[[str], str]
) -> Step:
    message = event.message
    callers = from_tag(message) == caller_tag  # the caller began this transaction
    received = isinstance(event, MessageReceived)
    to_agent = callers if isinstance(message, Request) else not callers
    outside = Column.CALLER if to_agent is received else Column.AGENT
    ends = (outside, Column.PROXY) if received else (Column.PROXY, outside)
    return Step(*ends, printable(shown(_short_form(message))), _style(message))


def _short_form(message: Request | Response) -> str:
    if isinstance(message, Request):
        staged = message.value(b"x-rounded-call-id")
        about = f"X-Rounded-Call-Id: {_text(staged)}" if staged else _user(_text(message.uri_text))
        return f"{_text(message.method)} {about}"
    status = f"{message.status} {_text(message.reason)}"
    if message.status < 200:
        return status
    try:
        method = _text(message.cseq_method)
    except Malformed:
        method = "?"
    # Only an INVITE fails like that, and the method would not fit beside the reason.
    failed_call = method == "INVITE" and message.status >= 300
    return status if failed_call else f"{status} ({method})"


def _user(uri: str) -> str:
    """Return the user of a SIP URI; the host if it has none."""
    rest = uri.partition(":")[2] or uri
    user, at, host = rest.rpartition("@")
    return (user if at else host).partition(";")[0]


def _style(message: Request | Response) -> str:
    if isinstance(message, Request):
        return "cyan"
    if message.status < 200:
        return "dim"
    return "green" if message.status < 300 else "red"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
