"""The lines that the events around staging have on a ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sip_stager.events import (
    AgentBreakerMoved,
    BreakerMoved,
    CallRefused,
    CallRinging,
    CallTreated,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.model.vocabulary import BreakerState, StagingOutcome, TreatmentKind, WasteReason
from sip_stager.observability.ladder_model import Column, Step, printable, remark

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event


_WITHOUT_RESPONSE: dict[StagingOutcome | str, str] = {
    StagingOutcome.BREAKER_OPEN: "not staged: the breaker is open",
    StagingOutcome.AGENT_BREAKER_OPEN: "not staged: the breaker of its agent is open",
    StagingOutcome.API_UNREACHABLE: "no complete response from the API",
}


def staging_step(event: Event, shown: Callable[[str], str]) -> Step | None:
    """Return the line of an event around staging, or None for any other event.

    ``shown`` masks phone numbers.
    """
    match event:
        case StagingStarted() | StagingPolled() | StagingRetried() | StagingEnded():
            return _request(event)
        case CallRefused():
            return remark(shown(f"{event.cause}: {event.text}"), "red")
        case CallTreated():
            treatment = _treatment(event.treatment)
            return remark(shown(f"{event.cause}: {event.text}; {treatment}"), "yellow")
        case CallRinging(local=True):
            return remark("own ringing: the agent is not ready", "dim")
        case _:
            return _unused(event)


def _request(event: StagingStarted | StagingPolled | StagingRetried | StagingEnded) -> Step:
    match event:
        case StagingStarted():
            return Step(Column.PROXY, Column.API, "POST /v1/calls/stage", "magenta")
        case StagingPolled():
            return Step(Column.API, Column.PROXY, f"status {printable(event.status)}", "magenta")
        case StagingRetried():
            return _retried(event)
        case StagingEnded():
            return _ended(event)


def _retried(event: StagingRetried) -> Step:
    text = f"{event.http_status or event.outcome}: again after {round(event.wait, 2):g} s"
    if event.http_status:
        return Step(Column.API, Column.PROXY, text, "yellow")
    return remark(text, "yellow")


def _ended(event: StagingEnded) -> Step:
    if event.outcome is StagingOutcome.STAGED:
        text = f"{event.http_status} staged {printable(event.staged_id)}"
        return Step(Column.API, Column.PROXY, text, "green")
    if event.http_status:
        text = f"{event.http_status} {event.outcome}"
        return Step(Column.API, Column.PROXY, text, "red")
    if reason := _WITHOUT_RESPONSE.get(event.outcome):
        return remark(reason, "red")
    return Step(Column.PROXY, Column.API, f"closed: {event.outcome}", "red")


def _unused(event: Event) -> Step | None:
    """Return the line of an event about an unused staged call, or about the breaker."""
    match event:
        case StagingClaimed():
            return remark(f"claimed {_short(event.staged_id)}: staged earlier", "green")
        case StagingWasted():
            return remark(f"wasted {_short(event.staged_id)}: {_wasted(event.reason)}", "yellow")
        case StagingTerminated():
            return Step(Column.PROXY, Column.API, f"POST terminate: {event.outcome}", "magenta")
        case BreakerMoved():
            return remark(_breaker(event), "yellow")
        case AgentBreakerMoved():
            return remark(f"agent {printable(event.agent_id)}: {_breaker(event)}", "yellow")
        case _:
            return None


def _breaker(event: BreakerMoved | AgentBreakerMoved) -> str:
    match event.state:
        case BreakerState.OPEN:
            failed = f"{event.failures} of {event.calls} failed" if event.calls else "probe failed"
            return f"breaker open for {round(event.pause, 2):g} s: {failed}"
        case BreakerState.HALF_OPEN:
            return "breaker half-open: one call probes"
        case BreakerState.CLOSED:
            works = "it" if isinstance(event, AgentBreakerMoved) else "the API"
            return f"breaker closed: {works} works again"
        case _:
            assert_never(event.state)


def _treatment(treatment: TreatmentKind) -> str:
    match treatment:
        case TreatmentKind.FORWARD:
            return "forwarded without a staged agent"
        case TreatmentKind.REFUSE:
            return "refused"
        case TreatmentKind.REDIRECT:
            return "redirected to another target"
        case TreatmentKind.MOVED:
            return "the trunk gets a 302 to another target"
        case TreatmentKind.AGENT:
            return "another agent is staged"
        case _:
            assert_never(treatment)


def _wasted(reason: WasteReason) -> str:  # noqa: PLR0911  one for each reason
    match reason:
        case WasteReason.UNCLAIMED:
            return "not claimed in time"
        case WasteReason.STORE_FULL:
            return "the store is full"
        case WasteReason.STOPPED:
            return "the program stops"
        case WasteReason.REJECTED:
            return "rejected upstream"
        case WasteReason.CANCELLED:
            return "the caller hung up"
        case WasteReason.UNANSWERED:
            return "no target answered"
        case WasteReason.ABANDONED:
            return "not staged yet"
        case _:
            assert_never(reason)


def _short(staged_id: str) -> str:
    return f"{staged_id[:8]}..." if len(staged_id) > 11 else staged_id
