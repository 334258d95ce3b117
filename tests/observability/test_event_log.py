from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

import pytest

from sip_stager.events import (
    AftercareFailed,
    AgentStateChanged,
    BreakerMoved,
    CallEnded,
    CallRefused,
    InviteForwarded,
    MessageDropped,
    NumbersNotRefreshed,
    NumbersRefreshed,
    OverloadChanged,
    StagingClaimed,
    StagingEnded,
    StagingWasted,
)
from sip_stager.model.call import Call
from sip_stager.model.vocabulary import (
    AftercareKind,
    AftercareOutcome,
    AgentState,
    BreakerState,
    CallOutcome,
    DropCause,
    OverloadState,
    RefusalCause,
    StagingOutcome,
    WasteReason,
)
from sip_stager.observability import staging_log
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.event_log import EventLog
from sip_stager.observability.line_quota import MAX_LINES_PER_SECOND
from sip_stager.observability.logs import Logger
from sip_stager.observability.number_hash import number_hash
from sip_stager.trunks.phone_numbers import mask
from tests.observability.sample_events import (
    AGENT,
    CALL,
    CALLED,
    CALLER,
    EVERYTHING,
    FAILED,
    FLOW,
    SIP_CALL_ID,
    STAGED,
)

if TYPE_CHECKING:
    from sip_stager.events import Event


class LogScene:
    """An event log, the lines that it wrote, and its clock, moved by hand."""

    def __init__(self, numbers: Literal["masked", "plain"] = "masked") -> None:
        self.now = 0.0
        self._file = StringIO()
        self.log = EventLog(Logger(self._file), numbers, lambda: self.now)
        self._dispatcher = Dispatcher(self.log.observers)

    def log_events(self, *events: Event) -> list[dict[str, Any]]:
        self._file.seek(0)
        self._file.truncate()
        for event in events:
            self._dispatcher.dispatch(event)
        return [_without_time(line) for line in self._file.getvalue().splitlines()]


def _without_time(text: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text)
    del line["timestamp"]
    return line


def test_a_forwarded_call_leaves_a_line() -> None:
    forwarded, *more = LogScene().log_events(STAGED, InviteForwarded(CALL, "c-1", AGENT, 0.21))
    assert more == []
    assert forwarded == {
        "event": "call_forwarded",
        "level": "info",
        "call_id": SIP_CALL_ID,
        "trunk": "carrier",
        "from_number": "+336******78",
        "from_hash": number_hash("")(CALLER),
        "to_number": "+331******89",
        "to_hash": number_hash("")(CALLED),
        "agent_id": CALL.agent_id,
        "staged_id": "c-1",
        "target": "udp:198.51.100.9:5060",
        "attempt": 1,
        "elapsed_seconds": 0.21,
        "staging_seconds": 0.2,
        "staging_phases": {"connect": 0.01, "request": 0.19},
    }


def test_a_failed_staging_and_its_refusal_have_the_reason() -> None:
    text = f"no agent at {CALLED}"
    refusal = CallRefused(SIP_CALL_ID, "carrier", 503, StagingOutcome.REFUSED, text, 0.1, call=CALL)
    failed, refused = LogScene().log_events(FAILED, refusal)
    assert (failed["event"], failed["level"]) == ("staging_failed", "warning")
    assert (failed["outcome"], failed["http_status"]) == ("refused", 404)
    (silent,) = LogScene().log_events(FAILED._replace(http_status=0))
    assert "http_status" not in silent
    assert failed["text"] == "no agent at +331******89"
    assert failed["staging_phases"] == {"request": 0.1}
    assert (refused["event"], refused["level"]) == ("call_ended", "warning")
    assert (refused["status"], refused["cause"]) == (503, "refused")
    assert refused["text"] == "no agent at +331******89"


def test_a_cancelled_call_is_not_a_failed_staging() -> None:
    ended = CallEnded(CALL, "", CallOutcome.CANCELLED, 487, 1.0)
    staging = StagingEnded(CALL, StagingOutcome.CANCELLED, 1.0, {"queue": 0.9})
    line, where = LogScene().log_events(ended, staging)
    assert (where["event"], where["level"]) == ("staging_cancelled", "info")
    assert where["staging_phases"] == {"queue": 0.9}
    assert (line["event"], line["level"], line["cause"]) == ("call_ended", "info", "cancelled")


def test_an_unreachable_upstream_is_a_warning() -> None:
    [line] = LogScene().log_events(
        CallEnded(CALL, "c-1", CallOutcome.UPSTREAM_UNREACHABLE, 503, 1.0)
    )
    assert (line["event"], line["level"]) == ("call_ended", "warning")
    assert line["cause"] == "upstream_unreachable"


def test_every_line_has_the_sip_call_id_or_the_peer() -> None:
    for line in LogScene().log_events(*EVERYTHING):
        if line["event"].startswith(("breaker_", "agent_", "numbers_", "overload_", "settings_")):
            continue  # about no call
        assert line.get("call_id") == SIP_CALL_ID or line["peer"] == str(FLOW)


def test_the_platforms_numbers_leave_a_line_if_they_changed() -> None:
    counts = {"staged": 2, "redirected": 1, "without_agent": 0, "unusable": 0}
    good, bad = LogScene().log_events(
        NumbersRefreshed(counts, (), news=True),
        NumbersRefreshed(counts, (), news=False),
        NumbersRefreshed({**counts, "unusable": 1}, ("+331******89 is there twice",), news=True),
    )
    assert good == {"event": "numbers_refreshed", "level": "info", **counts, "problems": []}
    assert (bad["level"], bad["unusable"]) == ("warning", 1)
    assert bad["problems"] == ["+331******89 is there twice"]


def test_a_failed_fetch_of_numbers_leaves_a_line_with_a_masked_reason() -> None:
    (line,) = LogScene().log_events(
        NumbersNotRefreshed(StagingOutcome.REFUSED, 403, "not for +33123456789")
    )
    assert line == {
        "event": "numbers_refresh_failed",
        "level": "warning",
        "outcome": "refused",
        "http_status": 403,
        "text": "not for +331******89",
    }


def test_an_agent_leaves_a_line_when_it_is_missing_and_when_it_is_known_again() -> None:
    missing, known = LogScene().log_events(
        AgentStateChanged("a-1", 3, AgentState.MISSING, "Agent not found"),
        AgentStateChanged("a-1", 3, AgentState.KNOWN),
    )
    assert missing == {
        "event": "agent_missing",
        "level": "warning",
        "agent_id": "a-1",
        "version": 3,
        "text": "Agent not found",
    }
    assert (known["event"], known["level"]) == ("agent_known", "info")


def test_each_change_of_the_breaker_leaves_a_line() -> None:
    opened, trying, closed = LogScene().log_events(
        BreakerMoved(BreakerState.OPEN, 20, 12, 5.0),
        BreakerMoved(BreakerState.HALF_OPEN, 0, 0, 0.0),
        BreakerMoved(BreakerState.CLOSED, 0, 0, 0.0),
    )
    assert opened == {
        "event": "breaker_open",
        "level": "warning",
        "calls": 20,
        "failures": 12,
        "open_seconds": 5.0,
    }
    assert (trying["event"], trying["level"]) == ("breaker_half_open", "info")
    assert (closed["event"], closed["level"]) == ("breaker_closed", "info")


def test_numbers_are_masked_everywhere() -> None:
    lines = str(LogScene("masked").log_events(*EVERYTHING))
    assert CALLER[1:] not in lines
    assert CALLED[1:] not in lines


@pytest.mark.parametrize(
    "number",
    [
        *("+3361234", "+33612345678", "+123456789012345", "+1234567890123456", "+0612345678"),
        *("0612345678", "+336", "anonymous", "+33 6 12 34 56 78", "+3361234567x", ""),
    ],
)
def test_a_callers_number_is_masked_like_one_in_a_text(number: str) -> None:
    (line,) = LogScene().log_events(StagingWasted(CALL._replace(from_number=number), "c-1"))
    assert line["from_number"] == mask(number)


def test_numbers_are_plain_if_the_operator_sets_it() -> None:
    lines = str(LogScene("plain").log_events(*EVERYTHING))
    assert CALLER in lines
    assert CALLED in lines


def test_long_texts_are_truncated() -> None:
    long = "x" * 70_000
    call = Call(long, "carrier", long, long, "agent", 4.0)
    events: list[Event] = [
        InviteForwarded(call, "c-1", AGENT, 0.0),
        StagingEnded(call, StagingOutcome.REFUSED, 0.0, {}, "", 500, long),
        CallRefused(long, "carrier", 503, StagingOutcome.REFUSED, long, 0.0),
        CallEnded(call, "", CallOutcome.REJECTED, 486, 0.0),
        MessageDropped(FLOW, DropCause.MALFORMED, long, long),
    ]
    for line in LogScene().log_events(*events):
        assert len(str(line)) < 5000


def test_lines_of_one_cause_have_a_quota_and_suppressed_ones_are_counted() -> None:
    written = LogScene()
    drop = MessageDropped(FLOW, DropCause.MALFORMED, "x")
    assert len(written.log_events(*[drop] * 1000)) == MAX_LINES_PER_SECOND
    written.now = 1.0
    first, second = written.log_events(drop, drop)
    assert first["suppressed_lines"] == 1000 - MAX_LINES_PER_SECOND
    assert "suppressed_lines" not in second
    written.now = 2.0
    [line] = written.log_events(drop)
    assert "suppressed_lines" not in line


def test_each_cause_has_a_quota_of_its_own() -> None:
    written = LogScene()
    written.log_events(*[MessageDropped(FLOW, DropCause.MALFORMED, "x")] * 1000)
    [line] = written.log_events(MessageDropped(FLOW, DropCause.INTERNAL_ERROR, "y"))
    assert (line["cause"], line["level"]) == ("internal_error", "error")


def test_a_message_that_was_dropped_is_found_by_its_call_id() -> None:
    written = LogScene()
    [line] = written.log_events(MessageDropped(FLOW, DropCause.MALFORMED, "x", f"{CALLER}@a"))
    assert line["call_id"].endswith("@a")
    assert CALLER not in line["call_id"]
    [line] = written.log_events(MessageDropped(FLOW, DropCause.STALE, "x"))
    assert "call_id" not in line


def test_keepalives_leave_no_line() -> None:
    assert LogScene().log_events(MessageDropped(FLOW, DropCause.KEEPALIVE, "")) == []


@pytest.mark.parametrize(("trunk", "calls"), [("", MAX_LINES_PER_SECOND), ("carrier", 100)])
def test_only_refusals_of_strangers_have_a_quota(trunk: str, calls: int) -> None:
    refusal = CallRefused("x", trunk, 403, RefusalCause.UNKNOWN_SOURCE, "no trunk", 0.0)
    lines = LogScene().log_events(*[refusal] * 100)
    assert sum(line.get("count", 1) for line in lines) == calls


def test_stagings_that_are_never_forwarded_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging_log, "MAX_REMEMBERED", 3)
    written = LogScene()
    calls = [Call(str(n), "carrier", CALLER, CALLED, "agent", 4.0) for n in range(5)]
    written.log_events(*[StagingEnded(call, StagingOutcome.STAGED, 0.1, {}) for call in calls])
    lines = written.log_events(*[InviteForwarded(call, "c", AGENT, 0.1) for call in calls])
    assert ["staging_seconds" in line for line in lines] == [False, False, True, True, True]
    assert written.log.stagings._staged == {}


def test_a_number_in_a_call_id_is_masked_and_the_rest_of_it_is_not() -> None:
    event = CallRefused(
        "x-+33612345678-1234567890@h", "carrier", 503, StagingOutcome.REFUSED, "", 0.1
    )
    (masked,) = LogScene("masked").log_events(event)
    assert masked["call_id"] == "x-+336******78-1234567890@h"
    (plain,) = LogScene("plain").log_events(event)
    assert plain["call_id"] == event.call_id


def test_a_claimed_staging_has_its_first_call_and_its_times() -> None:
    redial = CALL._replace(call_id="redial")
    first, again = LogScene().log_events(
        STAGED, StagingClaimed(redial, "c-1", SIP_CALL_ID), StagingClaimed(redial, "c-1", "redial")
    )
    assert (first["event"], first["call_id"]) == ("staging_claimed", "redial")
    assert (first["staged_for"], first["staging_seconds"]) == (SIP_CALL_ID, 0.2)
    assert "staging_seconds" not in again


def test_a_wasted_staging_has_a_reason_and_warns_if_its_call_has_no_line() -> None:
    unclaimed, refused = LogScene().log_events(
        StagingWasted(CALL, "c-1"), StagingWasted(CALL, "c-1", WasteReason.REJECTED)
    )
    assert (unclaimed["reason"], unclaimed["level"]) == (WasteReason.UNCLAIMED, "warning")
    assert (refused["reason"], refused["level"]) == ("rejected", "info")


def test_failed_aftercare_leaves_lines_within_a_quota() -> None:
    failed = AftercareFailed(
        CALL, "c-1", AftercareKind.LABEL, StagingOutcome.REFUSED, 404, f"no call of {CALLED}"
    )
    other = AftercareFailed(CALL, "c-1", AftercareKind.TERMINATE, AftercareOutcome.SKIPPED)
    lines = LogScene().log_events(*[failed] * 100, other)
    assert len(lines) == MAX_LINES_PER_SECOND + 1
    assert (lines[0]["kind"], lines[0]["http_status"]) == ("label", 404)
    assert lines[0]["text"] == "no call of +331******89"
    assert lines[-1]["kind"] == "terminate"


def test_overload_leaves_a_line_at_its_beginning_and_one_at_its_end() -> None:
    began, ended = LogScene().log_events(
        OverloadChanged(OverloadState.SHEDDING, 0.1234, 612.34, 0, 0.0),
        OverloadChanged(OverloadState.NORMAL, 0.2, 600.0, 1234, 61.26),
    )
    assert began == {
        "event": "overload_began",
        "level": "warning",
        "delay_seconds": 0.123,
        "calls_per_second": 612.3,
    }
    assert ended == {
        "event": "overload_ended",
        "level": "info",
        "delay_seconds": 0.2,
        "calls_refused": 1234,
        "seconds": 61.3,
    }


def test_calls_refused_in_overload_leave_few_lines() -> None:
    """There may be a thousand a second, and a line costs as much as the refusal."""
    scene = LogScene()
    refused = CallRefused(SIP_CALL_ID, "carrier", 503, RefusalCause.OVERLOAD, "late", 0.0)
    assert len(scene.log_events(*[refused] * 1000)) == MAX_LINES_PER_SECOND
    scene.now += 1
    (line,) = scene.log_events(refused)
    assert line["suppressed_lines"] == 1000 - MAX_LINES_PER_SECOND
