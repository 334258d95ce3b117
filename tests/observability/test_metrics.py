from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sip_stager import __version__
from sip_stager.events import (
    AftercareFailed,
    AgentBreakerMoved,
    BreakerMoved,
    CallAcknowledged,
    CallEnded,
    CallHungUp,
    CallRefused,
    CallRinging,
    CallTreated,
    Event,
    HeaderLost,
    InviteForwarded,
    LargeRequestSent,
    MessageDropped,
    MessageReceived,
    MessageSent,
    NumbersNotRefreshed,
    OverloadChanged,
    StagingClaimed,
    StagingEnded,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.model.vocabulary import (
    AftercareKind,
    AftercareOutcome,
    BreakerState,
    CallOutcome,
    DropCause,
    OverloadState,
    RefusalCause,
    RetryCause,
    StagingOutcome,
    TerminationOutcome,
    TreatmentKind,
    WasteReason,
)
from sip_stager.observability.call_metrics import KnownOutcomes
from sip_stager.observability.metrics import Metrics
from sip_stager.observability.registered_labels import CODE_LABELS, METHOD_LABELS
from sip_stager.observability.staging_metrics import FAILURES, PHASES, RETRIED_OUTCOMES
from sip_stager.sip.message import Request, Response
from tests.observability.sample_events import (
    CALL,
    CALLED,
    CALLER,
    EVERYTHING,
    FLOW,
    GAUGE_SOURCES,
    SIP_CALL_ID,
    message,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from prometheus_client.samples import Sample


def counted(
    *events: Event,
    trunks: Collection[str] = (),
    known: KnownOutcomes = KnownOutcomes(),  # noqa: B008  a tuple
) -> list[Sample]:
    metrics = Metrics(GAUGE_SOURCES, trunks, known)
    for event in events:
        match event:
            case MessageReceived(Request() as received, flow):
                metrics.messages.request_received(received, flow)
            case MessageReceived(Response() as received, flow):
                metrics.messages.response_received(received, received.cseq_method, flow)
            case MessageSent(Request() as sent, flow, again):
                metrics.messages.request_sent(b"", sent.method, flow, retransmission=again)
            case MessageSent(Response() as sent, flow, again):
                method, status = sent.cseq_method, sent.status
                metrics.messages.response_sent(b"", method, status, flow, retransmission=again)
            case _:
                metrics.handlers.get(type(event), lambda _: None)(event)
    text = generate_latest(metrics.registry).decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    [found] = [s.value for s in samples if s.name == f"sip_stager_{name}" and s.labels == labels]
    return found


def labels(samples: list[Sample], name: str) -> list[dict[str, str]]:
    return [dict(s.labels) for s in samples if s.name == f"sip_stager_{name}"]


def test_the_sample_has_every_event_type() -> None:
    assert {type(event) for event in EVERYTHING} == set(get_args(Event))


COUNTED_AS_MESSAGES = {CallAcknowledged, CallHungUp}
"""Events of an ACK and a BYE, each of which is counted as a message already."""


@pytest.mark.parametrize(
    "event",
    [event for event in EVERYTHING if type(event) not in COUNTED_AS_MESSAGES],
    ids=lambda event: type(event).__name__,
)
def test_every_event_changes_a_metric(event: Event) -> None:
    def ours(samples: list[Sample]) -> set[tuple[str, str, float]]:
        return {
            (s.name, str(s.labels), s.value) for s in samples if s.name.startswith("sip_stager")
        }

    assert ours(counted(event)) != ours(counted())


def test_no_label_holds_a_number_or_a_call_id() -> None:
    samples = counted(*EVERYTHING)
    values = {text for sample in samples for text in sample.labels.values()}
    for secret in (CALLER, CALLED, SIP_CALL_ID, "c-1", FLOW.host, CALL.agent_id):
        assert not [text for text in values if secret.lstrip("+") in text]


def test_messages_are_counted_by_method_and_code() -> None:
    samples = counted(*EVERYTHING)
    assert value(samples, "requests_received_total", method="INVITE") == 1
    assert value(samples, "requests_sent_total", method="INVITE") == 1
    assert value(samples, "responses_received_total", method="INVITE", code="100") == 1
    assert value(samples, "responses_sent_total", method="INVITE", code="100") == 2
    assert value(samples, "retransmissions_sent_total", method="INVITE") == 1
    assert value(samples, "messages_dropped_total", cause="malformed") == 1


def test_strangers_create_no_labels() -> None:
    made_up = [
        MessageReceived(message(f"M{n} sip:x@edge.example SIP/2.0", f"1 M{n}"), FLOW)
        for n in range(50)
    ]
    codes = [MessageReceived(message(f"SIP/2.0 {n} x", f"1 M{n}"), FLOW) for n in range(610, 699)]
    samples = counted(*made_up, *codes)
    assert value(samples, "requests_received_total", method="other") == 50
    assert labels(samples, "requests_received_total") == labels(
        counted(), "requests_received_total"
    )
    known = labels(counted(), "responses_received_total")
    new = [each for each in labels(samples, "responses_received_total") if each not in known]
    assert new == [{"method": "other", "code": "6xx"}]


def test_a_response_to_an_unregistered_method_is_counted_as_other() -> None:
    samples = counted(MessageSent(message("SIP/2.0 200 OK", "1 WHAT"), FLOW))
    assert value(samples, "responses_sent_total", method="other", code="200") == 1


def test_stagings_are_counted_by_outcome_and_timed_by_phase() -> None:
    samples = counted(*EVERYTHING)
    assert value(samples, "stagings_started_total", mode="async") == 1
    assert value(samples, "staging_polls_total") == 1
    assert value(samples, "stagings_ended_total", trunk="carrier", outcome="staged") == 1
    assert value(samples, "staging_duration_seconds_sum", outcome="staged") == 0.2
    assert value(samples, "staging_duration_seconds_bucket", outcome="staged", le="0.2") == 1
    assert value(samples, "staging_duration_seconds_bucket", outcome="staged", le="0.15") == 0
    assert value(samples, "staging_phase_duration_seconds_sum", phase="connect") == 0.01
    assert value(samples, "staging_phase_duration_seconds_count", phase="request") == 2


def test_a_staged_call_that_is_answered_is_counted_and_one_that_was_not_staged_is_not() -> None:
    answered = CallEnded(CALL, "c-1", CallOutcome.ANSWERED, 200, 1.0)
    samples = counted(
        answered, answered._replace(staged_id=""), answered._replace(outcome=CallOutcome.REJECTED)
    )
    assert value(samples, "stagings_answered_total", trunk="carrier") == 1


def test_wasted_stagings_are_counted_by_the_reason() -> None:
    samples = counted(StagingWasted(CALL, "c-1", WasteReason.CANCELLED), trunks=["carrier"])
    for reason in WasteReason:
        found = value(samples, "stagings_wasted_total", trunk="carrier", reason=reason)
        assert found == (reason == "cancelled")


def test_retries_and_breaker_transitions_are_counted() -> None:
    samples = counted(*EVERYTHING)
    assert value(samples, "staging_retries_total", outcome="refused") == 1
    assert value(samples, "breaker_transitions_total", state="open") == 1
    assert value(samples, "breaker_transitions_total", state="closed") == 0
    assert value(samples, "agent_breaker_transitions_total", state="open") == 1


def test_an_unknown_rate_limit_has_no_series() -> None:
    metrics = Metrics(replace(GAUGE_SOURCES, rate_limit_remaining=lambda: None))
    text = generate_latest(metrics.registry).decode()
    assert "\nsip_stager_api_rate_limit_remaining " not in text


def test_calls_are_counted_and_timed() -> None:
    samples = counted(*EVERYTHING)
    assert value(samples, "calls_admitted_total", trunk="carrier") == 1
    refusal = {"trunk": "carrier", "cause": "timeout", "status": "503"}
    assert value(samples, "calls_refused_total", **refusal) == 1
    assert value(samples, "calls_ended_total", trunk="carrier", outcome="answered") == 1
    assert value(samples, "invite_forward_seconds_sum") == 0.21
    assert value(samples, "invite_ringing_seconds_sum") == 0.3


def test_the_time_of_failed_targets_is_not_counted_as_ours() -> None:
    forwarded = InviteForwarded(CALL, "c-1", FLOW, 0.2)
    samples = counted(forwarded, forwarded._replace(elapsed=2.2, attempt=2))
    assert value(samples, "invite_forward_seconds_sum") == 0.2


def test_the_refusal_of_a_stranger_has_an_empty_trunk() -> None:
    samples = counted(CallRefused("x", "", 403, RefusalCause.UNKNOWN_SOURCE, "no trunk", 0.0))
    refusal = {"trunk": "", "cause": "unknown_source", "status": "403"}
    assert value(samples, "calls_refused_total", **refusal) == 1


def test_the_series_of_each_trunk_exist_before_its_first_call() -> None:
    samples = counted(trunks=["carrier"])
    for outcome in StagingOutcome:
        assert value(samples, "stagings_ended_total", trunk="carrier", outcome=outcome) == 0
    for ended in CallOutcome:
        assert value(samples, "calls_ended_total", trunk="carrier", outcome=ended) == 0
    assert value(samples, "calls_admitted_total", trunk="carrier") == 0


@pytest.mark.parametrize("outcome", StagingOutcome)
def test_each_outcome_of_a_staging_is_counted(outcome: StagingOutcome) -> None:
    samples = counted(StagingEnded(CALL, outcome, 0.0, {"queue": 0.1}))
    assert value(samples, "stagings_ended_total", trunk="carrier", outcome=outcome) == 1
    assert value(samples, "staging_phase_duration_seconds_count", phase="queue") == 1


@pytest.mark.parametrize("outcome", CallOutcome)
def test_each_outcome_of_a_call_is_counted(outcome: CallOutcome) -> None:
    samples = counted(CallEnded(CALL, "", outcome, 302, 1))
    assert value(samples, "calls_ended_total", trunk="carrier", outcome=outcome) == 1


def test_gauges_are_read_at_each_scrape() -> None:
    samples = counted()
    assert value(samples, "calls_staging") == 3
    assert value(samples, "transactions", kind="invite_server") == 2
    assert value(samples, "message_bytes") == 4300
    assert value(samples, "tcp_connections", kind="accepted") == 5
    assert value(samples, "tcp_connections", kind="opened") == 1
    assert value(samples, "api_requests", state="active") == 9
    assert value(samples, "api_requests", state="queued") == 8
    for state, expected in (("closed", 0), ("open", 0), ("half_open", 1)):
        assert value(samples, "breaker_state", state=state) == expected
    assert value(samples, "agent_breakers", state="open") == 2
    assert value(samples, "calls_up", trunk="carrier") == 12
    assert value(samples, "api_rate_limit_remaining") == 41
    assert value(samples, "api_rate_limit_holds", scope="agent") == 1
    assert value(samples, "limit", store="connections") == 1000
    assert value(samples, "log_lines_dropped_total") == 7
    assert value(samples, "log_write_errors_total") == 2
    assert value(samples, "event_loop_lag_max_seconds") == 0.004


def test_the_loop_lag_is_a_histogram() -> None:
    metrics = Metrics(GAUGE_SOURCES)
    metrics.loop_lag.observe(0.03)
    text = generate_latest(metrics.registry).decode()
    assert 'sip_stager_event_loop_lag_seconds_bucket{le="0.05"} 1.0' in text
    assert 'sip_stager_event_loop_lag_seconds_bucket{le="0.025"} 0.0' in text


def test_the_build_and_the_process_have_metrics() -> None:
    samples = counted()
    [build] = labels(samples, "build_info")
    assert build["version"] == __version__
    assert any(sample.name == "process_resident_memory_bytes" for sample in samples)


def test_two_instances_share_nothing() -> None:
    counted(*EVERYTHING)
    assert value(counted(), "requests_received_total", method="INVITE") == 0


FIXED: list[Event] = [
    *(MessageDropped(FLOW, cause, "") for cause in DropCause),
    *(LargeRequestSent(FLOW._replace(transport=name)) for name in ("UDP", "TCP")),
    *(
        MessageReceived(message(f"{name} sip:x@y SIP/2.0", f"1 {name}"), FLOW)
        for name in METHOD_LABELS.values()
    ),
    *(MessageSent(message(f"SIP/2.0 {code} x"), FLOW, retransmission=True) for code in CODE_LABELS),
    *(CallEnded(CALL, "", outcome, 500, 1.0) for outcome in CallOutcome),
    *(StagingStarted(CALL, mode) for mode in ("sync", "async")),
    *(StagingEnded(CALL, outcome, 1.0, dict.fromkeys(PHASES, 0.1)) for outcome in StagingOutcome),
    *(StagingRetried(CALL, outcome, 0, 0.0) for outcome in (*RETRIED_OUTCOMES, RetryCause.CLOSED)),
    *(StagingTerminated("c-1", end) for end in (*TerminationOutcome, *FAILURES)),
    *(
        AftercareFailed(CALL, "c-1", kind, outcome)
        for kind in AftercareKind
        for outcome in (*AftercareOutcome, *FAILURES)
    ),
    *(StagingWasted(CALL, "c-1", reason) for reason in WasteReason),
    *(BreakerMoved(state, 1, 1, 1.0) for state in BreakerState),
    *(AgentBreakerMoved("2a", state, 1, 1, 1.0) for state in BreakerState),
    *(OverloadChanged(state, 0.1, 1.0, 0, 0.0) for state in OverloadState),
    *(NumbersNotRefreshed(outcome, 500, "") for outcome in FAILURES),
    CallRinging(CALL, 180, 1.0, local=True),
    StagingClaimed(CALL, "c-1"),
    HeaderLost(CALL, "c-1"),
    CallRefused(SIP_CALL_ID, "carrier", 404, RefusalCause.UNMAPPED_NUMBER, "", 0.0),
    CallTreated(CALL, StagingOutcome.TIMEOUT, TreatmentKind.FORWARD, "", 1.0),
]
"""An event for each value of each label whose values are fixed."""


@pytest.mark.parametrize("event", FIXED, ids=lambda event: type(event).__name__)
def test_series_with_fixed_labels_exist_at_0_from_the_start(event: Event) -> None:
    """Prometheus sees no increase in the first value of a series: an alert would miss one call."""
    known = KnownOutcomes(
        frozenset({("carrier", "unmapped_number", "404")}),
        frozenset({("carrier", "timeout", "forward")}),
    )

    def series(*events: Event) -> set[tuple[str, str]]:
        samples = counted(*events, trunks=["carrier"], known=known)
        return {(s.name, str(s.labels)) for s in samples if s.name.startswith("sip_stager")}

    assert series(event) == series()


def test_the_first_lost_header_of_a_trunk_is_an_increase() -> None:
    assert value(counted(trunks=["carrier"]), "headers_lost_total", trunk="carrier") == 0


def test_the_overload_control_has_a_state_and_a_delay() -> None:
    samples = counted()
    assert value(samples, "overload_state", state="shedding") == 1
    assert value(samples, "overload_state", state="normal") == 0
    assert value(samples, "receive_delay_max_seconds") == 0.12
    assert value(samples, "overload_transitions_total", state="shedding") == 0


def test_messages_that_are_never_parsed_are_counted() -> None:
    metrics = Metrics(GAUGE_SOURCES)
    for data, sent in (
        (b"INVITE sip:a SIP/2.0\r\n", False),
        (b"SIP/2.0 503 Service Unavailable\r\n", True),
        (b"ACK sip:a SIP/2.0\r\n", False),
    ):
        metrics.messages.raw_message(data, FLOW, sent=sent)
    text = generate_latest(metrics.registry).decode()
    found = [line for line in text.splitlines() if line.endswith("} 1.0") and "INVITE" in line]
    assert found == [
        'sip_stager_requests_received_total{method="INVITE"} 1.0',
        'sip_stager_responses_sent_total{code="503",method="INVITE"} 1.0',
    ]
    assert 'sip_stager_requests_received_total{method="ACK"} 1.0' in text


def test_words_that_strangers_make_up_are_counted_without_being_kept() -> None:
    messages = Metrics(GAUGE_SOURCES).messages
    for n in range(50):
        request = message(f"M{n} sip:x@edge.example SIP/2.0", f"1 M{n}")
        assert isinstance(request, Request)
        messages.request_received(request, FLOW)
        messages.response_sent(b"", b"INVITE", 610 + n, FLOW, retransmission=False)
        messages.response_sent(b"", b"M%d" % n, 200, FLOW, retransmission=False)
    assert (messages._requests_received, messages._responses_sent) == ({}, {})


def test_the_polls_that_wait_for_the_budget_are_a_gauge() -> None:
    assert value(counted(), "staging_polls_delayed") == 11
