"""What an event is on a ladder: who said what to whom, in a few words."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.events import (
    BreakerMoved,
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
    StagingTerminated,
    StagingWasted,
)
from sip_stager.sip.fields import Malformed
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event
    from sip_stager.sip.message import Response


class Column(IntEnum):
    """Those who talk, from left to right."""

    CALLER = 0
    PROXY = 1
    API = 2
    AGENT = 3


class Step(NamedTuple):
    """One line of a ladder; a remark has the same column at both ends.

    ``text`` is visible ASCII, whoever wrote it; ``style`` is a colour as ``rich`` names it.
    """

    source: Column
    target: Column
    text: str
    style: str = ""


_Staging = StagingStarted | StagingPolled | StagingRetried | StagingEnded

_TREATMENTS = {
    "forward": "goes on without a staged agent",
    "redirect": "goes to another target",
    "moved": "the trunk is sent to another target",
    "agent": "another agent is staged",
}
_UNASKED = {"breaker_open": "the API is left alone", "unreachable": "no whole answer from the API"}


def call_key(event: Event) -> str:
    """Give the SIP Call-ID that an event belongs to, empty where there is none."""
    match event:
        case MessageReceived() | MessageSent():
            return event.message.call_id.decode("ascii", "backslashreplace")
        case CallRefused():
            return event.sip_call_id
        case (StagingStarted() | StagingPolled() | StagingRetried() | StagingEnded()) | (
            StagingClaimed() | StagingWasted() | CallTreated() | CallRinging()
        ):
            return event.call.sip_call_id
        case _:
            return ""


def from_tag(message: Request | Response) -> bytes:
    """Give the tag of the From, empty where there is none to be read."""
    try:
        return message.from_.tag
    except Malformed:
        return b""


def step(event: Event, caller_tag: bytes, shown: Callable[[str], str]) -> Step | None:
    """Give an event's place on the ladder of its call, None for one that has none.

    ``caller_tag`` is the From tag of the call's first INVITE, which tells the two sides apart in
    either direction (RFC 3261 12.1.1); ``shown`` masks telephone numbers.
    """
    match event:
        case MessageReceived() | MessageSent():
            return _message(event, caller_tag, shown)
        case StagingStarted() | StagingPolled() | StagingRetried() | StagingEnded():
            return _staging(event)
        case CallRefused():
            return _remark(shown(f"{event.cause}: {event.text}"), "red")
        case CallTreated():
            what = _TREATMENTS.get(event.treatment, event.treatment)
            return _remark(shown(f"{event.cause}: {event.text}; {what}"), "yellow")
        case CallRinging(local=True):
            return _remark("our own: the agent is not ready yet", "dim")
        case _:
            return _claim(event)


def _claim(event: Event) -> Step | None:
    """Tell what became of a staged call that was not used, or of the API's breaker."""
    match event:
        case StagingClaimed():
            return _remark(f"claimed {_short(event.call_id)}: staged before", "green")
        case StagingWasted():
            return _remark(f"wasted {_short(event.call_id)}: nobody claimed it", "yellow")
        case StagingTerminated():
            return Step(Column.PROXY, Column.API, f"POST terminate: {event.outcome}", "magenta")
        case BreakerMoved():
            return _remark(_breaker(event), "yellow")
        case _:
            return None


def _breaker(event: BreakerMoved) -> str:
    match event.state:
        case "open":
            failed = (
                f"{event.failures} of {event.calls} failed" if event.calls else "it failed again"
            )
            return f"breaker open for {event.pause:g} s: {failed}"
        case "half_open":
            return "breaker half open: one call tries"
        case "closed":
            return "breaker closed: the API is well"


def _short(call_id: str) -> str:
    return f"{call_id[:8]}..." if len(call_id) > 11 else call_id


def _remark(text: str, style: str) -> Step:
    return Step(Column.PROXY, Column.PROXY, printable(text), style)


def printable(text: str) -> str:
    """Write everything but visible ASCII as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _message(
    event: MessageReceived | MessageSent, caller_tag: bytes, shown: Callable[[str], str]
) -> Step:
    message = event.message
    asks = from_tag(message) == caller_tag  # the caller began this transaction
    received = isinstance(event, MessageReceived)
    to_agent = asks if isinstance(message, Request) else not asks
    outside = Column.CALLER if to_agent is received else Column.AGENT
    ends = (outside, Column.PROXY) if received else (Column.PROXY, outside)
    return Step(*ends, printable(shown(_short_form(message))), _style(message))


def _short_form(message: Request | Response) -> str:
    if isinstance(message, Request):
        staged = message.value(b"x-rounded-call-id")
        whom = f"X-Rounded-Call-Id: {_text(staged)}" if staged else _whom(_text(message.uri_text))
        return f"{_text(message.method)} {whom}"
    said = f"{message.status} {_text(message.reason)}"
    if message.status < 200:
        return said
    try:
        method = _text(message.cseq_method)
    except Malformed:
        method = "?"
    failed_call = method == "INVITE" and message.status >= 300  # which speaks for itself
    return said if failed_call else f"{said} ({method})"


def _whom(uri: str) -> str:
    """Give the user of a SIP URI, else what it names."""
    rest = uri.partition(":")[2] or uri
    user, at, host = rest.rpartition("@")
    return (user if at else host).partition(";")[0]


def _style(message: Request | Response) -> str:
    if isinstance(message, Request):
        return "cyan"
    if message.status < 200:
        return "dim"
    return "green" if message.status < 300 else "red"


def _staging(event: _Staging) -> Step:
    match event:
        case StagingStarted():
            return Step(Column.PROXY, Column.API, "POST /v1/calls/stage", "magenta")
        case StagingPolled():
            return Step(Column.API, Column.PROXY, f"status {printable(event.status)}", "magenta")
        case StagingRetried():
            text = f"{event.http_status or event.outcome}: again in {event.wait:g} s"
            if event.http_status:
                return Step(Column.API, Column.PROXY, text, "yellow")
            return _remark(text, "yellow")
        case StagingEnded():
            return _staging_ended(event)


def _staging_ended(event: StagingEnded) -> Step:
    if event.outcome == "staged":
        text = f"{event.http_status} staged {printable(event.call_id)}"
        return Step(Column.API, Column.PROXY, text, "green")
    if event.http_status:
        text = f"{event.http_status} {event.outcome}"
        return Step(Column.API, Column.PROXY, text, "red")
    if unasked := _UNASKED.get(event.outcome):
        return _remark(unasked, "red")
    return Step(Column.PROXY, Column.API, f"closed: {event.outcome}", "red")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
