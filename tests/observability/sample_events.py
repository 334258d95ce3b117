"""One event of each type, about a call between two numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import (
    AftercareFailed,
    AgentBreakerMoved,
    AgentStateChanged,
    BreakerMoved,
    CallAcknowledged,
    CallAdmitted,
    CallEnded,
    CallHungUp,
    CallRefused,
    CallRinging,
    CallTreated,
    FlowRecorded,
    HeaderLost,
    InviteForwarded,
    LargeRequestSent,
    MessageDropped,
    MessageReceived,
    MessageSent,
    NumbersNotRefreshed,
    NumbersRefreshed,
    OverloadChanged,
    SettingsReloaded,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
    TrunkAddressSuspected,
)
from sip_stager.model.call import Call
from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import (
    AftercareKind,
    AgentState,
    BreakerState,
    CallOutcome,
    DropCause,
    OverloadState,
    ReloadOutcome,
    StagingOutcome,
    TerminationOutcome,
    TreatmentKind,
)
from sip_stager.observability.gauges import GaugeSources
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse

if TYPE_CHECKING:
    from sip_stager.events import Event

CALLER = "+33612345678"
CALLED = "+33123456789"
SIP_CALL_ID = "one@caller.example"
CALL = Call(SIP_CALL_ID, "carrier", CALLER, CALLED, "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", 4.0)
FLOW = Flow("UDP", "192.0.2.7", 5060)
AGENT = Flow("UDP", "198.51.100.9", 5060)
GAUGE_SOURCES = GaugeSources(
    calls_staging=lambda: 3,
    settings_fallback=lambda: 0,
    call_records=lambda: 6,
    call_records_dropped=lambda: 1,
    history=lambda: {"calls": 7, "bytes": 8},
    history_dropped=lambda: 1,
    calls_up=lambda: {"carrier": 12},
    stagings_reserved=lambda: 2,
    polls_delayed=lambda: 11,
    transactions=lambda: {"invite_server": 2, "client": 1},
    message_bytes=lambda: 4300,
    tcp_connections=lambda: {"accepted": 5, "opened": 1},
    api_requests=lambda: {"active": 9, "queued": 8},
    breaker_state=lambda: BreakerState.HALF_OPEN,
    agent_breakers=lambda: {"open": 2, "half_open": 0},
    rate_limit_remaining=lambda: 41,
    rate_limit_holds=lambda: {"all": 0, "agent": 1},
    agents=lambda: {"known": 4, "missing": 1, "unknown": 0},
    numbers=lambda: {"settings": 6, "platform": 5},
    platform_numbers=lambda: {"staged": 4, "redirected": 1, "without_agent": 3, "unusable": 2},
    numbers_refreshed_at=lambda: 1_795_000_000.0,
    limits=lambda: {"connections": 1000},
    log_lines_dropped=lambda: 7,
    log_write_errors=lambda: 2,
    worst_lag=lambda: 0.004,
    overload_state=lambda: OverloadState.SHEDDING,
    worst_receive_delay=lambda: 0.12,
)


def request(start_line: str, cseq: str) -> Request:
    """Return a request with only the mandatory header fields."""
    parsed = message(start_line, cseq)
    assert isinstance(parsed, Request)
    return parsed


def response(start_line: str, cseq: str) -> Response:
    """Return a response with only the mandatory header fields."""
    parsed = message(start_line, cseq)
    assert isinstance(parsed, Response)
    return parsed


def message(
    start_line: str, cseq: str = "1 INVITE", tag: str = "caller", call_id: str = SIP_CALL_ID
) -> Request | Response:
    """Return a message with only the mandatory header fields."""
    return parse(
        f"{start_line}\r\n"
        "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKone\r\n"
        f"From: <sip:{CALLER}@caller.example>;tag={tag}\r\n"
        f"To: <sip:{CALLED}@edge.example>\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {cseq}\r\n\r\n".encode()
    )


INVITE = message(f"INVITE sip:{CALLED}@edge.example SIP/2.0")
TRYING = message("SIP/2.0 100 Trying")
ACK = request(f"ACK sip:{CALLED}@edge.example SIP/2.0", "1 ACK")
BYE = request(f"BYE sip:{CALLED}@edge.example SIP/2.0", "2 BYE")
OK = response("SIP/2.0 200 OK", "2 BYE")

STAGED = StagingEnded(
    CALL, StagingOutcome.STAGED, 0.2, {"connect": 0.01, "request": 0.19}, "c-1", 201
)
FAILED = StagingEnded(
    CALL, StagingOutcome.REFUSED, 0.1, {"request": 0.1}, "", 404, f"no agent at {CALLED}"
)

EVERYTHING: list[Event] = [
    MessageReceived(INVITE, FLOW),
    MessageSent(TRYING, FLOW),
    MessageSent(TRYING, FLOW, retransmission=True),
    MessageReceived(TRYING, AGENT),
    MessageSent(INVITE, AGENT),
    LargeRequestSent(FLOW),
    MessageDropped(FLOW, DropCause.MALFORMED, f"no header named {CALLER}", SIP_CALL_ID),
    CallAdmitted(CALL, FLOW),
    CallRefused(
        SIP_CALL_ID, "carrier", 503, StagingOutcome.TIMEOUT, f"{CALLED} was not staged in 4 s", 4.0
    ),
    StagingStarted(CALL, "async"),
    StagingPolled(CALL, "c-1", "initiated"),
    StagingRetried(CALL, StagingOutcome.REFUSED, 429, 1.0),
    STAGED,
    FAILED,
    BreakerMoved(BreakerState.OPEN, 20, 12, 5.0),
    AgentBreakerMoved("2a", BreakerState.OPEN, 20, 12, 5.0),
    InviteForwarded(CALL, "c-1", AGENT, 0.21),
    CallRinging(CALL, 180, 0.3),
    StagingClaimed(CALL, "c-1"),
    StagingWasted(CALL, "c-1"),
    StagingTerminated("c-1", TerminationOutcome.ENDED),
    HeaderLost(CALL, "c-1"),
    FlowRecorded(CALL, FLOW),
    AftercareFailed(
        CALL, "c-1", AftercareKind.LABEL, StagingOutcome.REFUSED, 404, f"no call of {CALLED}"
    ),
    CallTreated(
        CALL, StagingOutcome.TIMEOUT, TreatmentKind.FORWARD, f"{CALLED} was not staged in 4 s", 4.0
    ),
    CallEnded(CALL, "c-1", CallOutcome.ANSWERED, 200, 1.3),
    CallAcknowledged(ACK),
    CallHungUp(BYE, b"", OK),
    AgentStateChanged(CALL.agent_id, None, AgentState.MISSING, "Agent not found"),
    NumbersRefreshed(GAUGE_SOURCES.platform_numbers(), ("+331******89 is no number",), news=True),
    NumbersNotRefreshed(StagingOutcome.REFUSED, 403, f"not for {CALLED}"),
    OverloadChanged(OverloadState.SHEDDING, 0.12, 600.0, 0, 0.0),
    SettingsReloaded(ReloadOutcome.INVALID, 0.1, 1, 2, ("s.toml:3: wrong",)),
    TrunkAddressSuspected(FLOW, "it calls a number that is mapped", "call-9@pbx"),
]
