"""Why a call ended: who ended it, whose side that is, one cause, and one sentence for a person.

::

    refused here --------> by the cause: the API's side, the trunk's, or ours
    INVITE not answered -> by the outcome: cancelled (caller), rejected (upstream, agent), ...
    answered ------------> BYE (caller, agent), no ACK (trunk), or unseen (ours)

The words of peers in a sentence were masked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import (
    CallOutcome,
    EndCause,
    RefusalCause,
    Side,
    StagingOutcome,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.model.call import Cause
    from sip_stager.observability.call_records import CallRecord

_NO_ACK = "The agent hung up, because no ACK of its answer came: nobody could speak."
UNSEEN = "unseen"
"""The field ``ended_by`` of a call whose end was not seen."""
SHORT_CALL = 3.0
"""Seconds; a call that a caller ends so soon after the answer may have been silent."""
_DECLINES = frozenset({480, 486, 600, 603})
"""Statuses by which the agent's side declines, rather than the upstream fails."""
_CHALLENGES = frozenset({401, 407})

_REFUSALS: Mapping[Cause, tuple[Side, str]] = {
    RefusalCause.UNKNOWN_SOURCE: (
        Side.TRUNK,
        "its source address belongs to no trunk: a stranger, or a new address of a trunk",
    ),
    RefusalCause.UNMAPPED_NUMBER: (Side.US, "no agent is mapped to the called number"),
    RefusalCause.INVALID_REQUEST: (Side.TRUNK, "its INVITE breaks a rule of SIP"),
    RefusalCause.PRIVACY: (Side.TRUNK, "the caller requires privacy that no proxy can perform"),
    RefusalCause.CALL_LIMIT: (
        Side.US,
        "its trunk or its number has as many calls as the settings allow",
    ),
    RefusalCause.OVERLOAD: (Side.US, "this process has more calls than it can serve"),
    RefusalCause.STOPPED: (Side.US, "this program was being stopped"),
    StagingOutcome.STOPPED: (Side.US, "this program was being stopped"),
    StagingOutcome.INTERNAL_ERROR: (
        Side.US,
        "of a fault of this program; the log has the traceback",
    ),
    StagingOutcome.REFUSED: (Side.API, "the API refused to stage the agent"),
    StagingOutcome.BUSY: (Side.API, "the API takes no more requests for now"),
    StagingOutcome.FAILED: (Side.API, "the API failed"),
    StagingOutcome.TIMEOUT: (Side.API, "the API did not stage the agent in time"),
    StagingOutcome.API_UNREACHABLE: (Side.API, "the API could not be reached"),
    StagingOutcome.INVALID_RESPONSE: (Side.API, "the API's response was of no use"),
    StagingOutcome.BREAKER_OPEN: (
        Side.API,
        "the API failed for many calls before, so it was not asked (breaker)",
    ),
    StagingOutcome.AGENT_BREAKER_OPEN: (
        Side.API,
        "its agent failed for many calls before, so the API was not asked for it (breaker)",
    ),
}


Verdict = tuple[str, Side, str, str]
"""The end of a call in the words of the log: ended by, side, cause, and the sentence."""


def status_of(start_line: bytes) -> int:
    """Return the status in the start line of a response; 0 if there was none."""
    return int(start_line[8:11] or b"0")


def judge_refusal(cause: Cause, status: int) -> Verdict:
    """Return the verdict on a call that was refused here."""
    side, why = _REFUSALS.get(cause, (Side.US, cause))
    return Side.US, side, cause, f"The call was refused with {status}, because {why}."


def judge_unanswered(record: CallRecord, outcome: CallOutcome, words: str) -> Verdict:
    """Return the verdict on a call whose INVITE ended without an answer.

    ``words`` are the status and the words of the upstream's final response.
    """
    if outcome is CallOutcome.CANCELLED or record.early_bye:
        return _judge_cancelled(record)
    if outcome is CallOutcome.REJECTED:
        return _judge_rejected(record, words)
    if outcome is CallOutcome.MOVED:
        cause = record.more.get("treated_cause", RefusalCause.STOPPED)
        side = _REFUSALS[cause][0]
        moved = "The agent could not be staged, so the policy sent the caller elsewhere (302)."
        return Side.US, side, outcome, moved
    if outcome is CallOutcome.STOPPED:
        stopped = "This program was stopped while the call was ringing."
        return Side.US, Side.US, outcome, stopped
    if outcome is CallOutcome.TIMEOUT:
        state = "it rang, and nobody answered" if "ringing" in record.times else "it never rang"
        return Side.US, Side.UPSTREAM, outcome, f"The upstream gave no final response: {state}."
    return Side.US, Side.UPSTREAM, outcome, "No upstream could be reached."


def judge_hung_up(times: Mapping[str, float], *, by_caller: bool) -> Verdict:
    """Return the verdict on an answered call that ended with a BYE."""
    talked = times["end"] - times["answered"]
    if not by_caller:
        if "ack" not in times:
            return Side.AGENT, Side.TRUNK, EndCause.NO_ACK, _NO_ACK
        sentence = f"The agent hung up {talked:.1f} s after the answer."
        return Side.AGENT, Side.AGENT, EndCause.HUNG_UP, sentence
    if talked < SHORT_CALL:
        sentence = f"The caller hung up {talked:.1f} s after the answer: it may have been silent."
    else:
        sentence = f"The caller hung up {talked:.1f} s after the answer."
    return Side.CALLER, Side.CALLER, EndCause.HUNG_UP, sentence


def judge_no_ack(seconds: float) -> Verdict:
    """Return the verdict on an answered call that no ACK followed for so many seconds."""
    sentence = f"The call was answered, and no ACK came within {seconds:.0f} s: nobody could speak."
    return UNSEEN, Side.TRUNK, EndCause.NO_ACK, sentence


def judge_unseen(record: CallRecord, *, stopping: bool) -> Verdict:
    """Return the verdict on a call whose end was not seen."""
    why = "this program stopped" if stopping else "too many newer calls needed its record"
    state = "was up" if "answered" in record.times else "was being set up"
    sentence = f"The end of the call was not seen: it {state} when {why}."
    return UNSEEN, Side.US, EndCause.UNSEEN, sentence


def judge_unknown(*, by_caller: bool) -> Verdict:
    """Return the verdict on a call that ended with a BYE, and of which nothing else is known."""
    side = Side.CALLER if by_caller else Side.AGENT
    sentence = f"The {side} hung up a call that began before this program's start, or long ago."
    return side, side, EndCause.HUNG_UP, sentence


def _judge_cancelled(record: CallRecord) -> Verdict:
    times = record.times
    at = times.get("cancelled", times["end"])
    if "forwarded" not in times:
        state = "while the agent was being staged"
        if "own_ringing" in times:
            state += " and heard our own ringing"
    elif "ringing" in times:
        state = "while the upstream was ringing"
    else:
        state = "before the upstream rang"
    sentence = f"The caller hung up {at:.1f} s after the INVITE, {state}."
    return Side.CALLER, Side.CALLER, CallOutcome.CANCELLED, sentence


def _judge_rejected(record: CallRecord, words: str) -> Verdict:
    status, got = status_of(record.received), status_of(record.sent)
    if not status:
        fault = "The call ended with 500 for a fault of this program; the log has the traceback."
        return Side.US, Side.US, StagingOutcome.INTERNAL_ERROR, fault
    if status < 300:
        lost = f"The upstream's {words} had no Via of the caller, so it could not be passed back."
        return Side.UPSTREAM, Side.UPSTREAM, CallOutcome.REJECTED, lost
    changed = f"; the caller got {got}" if got != status else ""
    if status in _CHALLENGES:
        asked = (
            f"The upstream asked for credentials ({words}): the trunk has to call again with them"
        )
        return Side.UPSTREAM, Side.TRUNK, CallOutcome.REJECTED, f"{asked}{changed}."
    side = Side.AGENT if status in _DECLINES else Side.UPSTREAM
    who = "agent's side declined" if side is Side.AGENT else "upstream rejected"
    return Side.UPSTREAM, side, CallOutcome.REJECTED, f"The {who} the call: {words}{changed}."
