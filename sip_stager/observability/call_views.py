"""A call of the history as values for JSON: its summary, and its ladder with all messages.

The schema has a version.  It grows by keys; a key that changes its meaning changes the version.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sip_stager.events import CallRefused, MessageReceived, MessageSent, StagingEnded
from sip_stager.observability.call_verdict import judge_refusal
from sip_stager.observability.ladder_model import Column, Step
from sip_stager.observability.ladder_steps import from_tag, step
from sip_stager.observability.log_fields import flow_text
from sip_stager.observability.message_mask import MessageMask
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.parser import parse_sent
from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sip_stager.observability.call_history import Moment, PastCall

SCHEMA_VERSION = 1
PARTIES = {
    Column.CALLER: "caller",
    Column.PROXY: "sip-stager",
    Column.API: "api",
    Column.AGENT: "agent",
}
"""The columns as the JSON spells them."""
MAX_TEXT = 500
"""Characters of one step; a stranger chooses some of them."""
_NO_END = "The call has not ended."


def summary(call: PastCall) -> dict[str, Any]:
    """Return the facts about a call, without its messages."""
    end = dict(call.ends[-1]) if call.ends else _end_of_refusal(call)
    for own in ("event", "level", "timestamp"):
        end.pop(own, None)
    began = datetime.fromtimestamp(call.began_at, UTC).isoformat(timespec="milliseconds")
    view = {"started_at": began.replace("+00:00", "Z"), **call.fields, **end}
    view |= {"call_id": call.call_id, "state": "ended" if end else "up"}
    view.setdefault("sentence", _NO_END)
    view["last_seconds"] = round(call.last - call.began, 3)
    return view


def full(call: PastCall, *, masks: bool) -> Iterator[dict[str, Any]]:
    """Yield the steps of a call's ladder, with the messages behind the arrows."""
    shown: Callable[[str], str] = mask if masks else str
    message_mask = MessageMask(masks=masks)
    caller_tag = b""
    seen: set[tuple[Column, Column, bytes]] = set()
    for moment in call.moments:
        try:
            event = _event_of(moment)
        except Malformed:  # of a peer in overload, whose messages were never parsed
            continue
        if not caller_tag and isinstance(event, MessageReceived):
            caller_tag = from_tag(event.message)
        line = step(event, caller_tag, shown)
        if line is not None:
            view = _step_view(moment, event, line, message_mask)
            way = line.source, line.target, moment.data
            view["repeated"] = moment.retransmission or (bool(moment.data) and way in seen)
            seen.add(way)
            yield view
        if isinstance(event, StagingEnded) and event.phases:
            yield _phases(moment, event.phases)


def _event_of(moment: Moment) -> Any:
    if moment.flow is None:
        return moment.event
    message = parse_sent(moment.data)
    if moment.sent:
        return MessageSent(message, moment.flow, moment.retransmission)
    return MessageReceived(message, moment.flow)


def _step_view(moment: Moment, event: Any, line: Step, message_mask: MessageMask) -> dict[str, Any]:
    view: dict[str, Any] = {
        "at": round(moment.at, 4),
        "from": PARTIES[line.source],
        "to": PARTIES[line.target],
        "text": line.text[:MAX_TEXT],
        "style": line.style,
    }
    if isinstance(event, MessageReceived | MessageSent) and moment.flow is not None:
        view |= {"peer": flow_text(moment.flow), "message": message_mask.text(event.message)}
    return view


def _phases(moment: Moment, phases: dict[str, float]) -> dict[str, Any]:
    """Return the remark about how the time of the HTTP step was spent."""
    parts = (f"{name} {seconds * 1000:.1f} ms" for name, seconds in phases.items())
    proxy = PARTIES[Column.PROXY]
    return {
        "at": round(moment.at, 4),
        "from": proxy,
        "to": proxy,
        "text": "HTTP: " + ", ".join(parts),
        "style": "dim",
        "repeated": False,
        "phases": {name: round(seconds, 6) for name, seconds in phases.items()},
    }


def _end_of_refusal(call: PastCall) -> dict[str, Any]:
    """Return the end of a refused call without a last line: those of strangers have a quota."""
    for moment in reversed(call.moments):
        if isinstance(moment.event, CallRefused):
            verdict = judge_refusal(moment.event.cause, moment.event.status)
            end = dict(zip(("ended_by", "side", "cause", "sentence"), verdict, strict=True))
            return {**end, "status": moment.event.status, "reason": moment.event.reason}
    return {}
