"""A call that cannot be staged is treated by its policy, within its budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sip_stager.events import CallEnded, CallRefused, CallTreated, InviteForwarded
from sip_stager.model.call import Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from tests.support.conversation import BOB, Conversation
from tests.support.messages import request, response

FORWARD = Treatment(TreatmentKind.FORWARD)
BUSY_HERE = Treatment(TreatmentKind.REFUSE, 486, "All lines busy")
QUEUE = Treatment(TreatmentKind.REDIRECT, target="sip:queue@192.0.2.2:5080")
MOVED = Treatment(TreatmentKind.MOVED, target="sip:queue@example.com")
OTHER = Treatment(TreatmentKind.AGENT, target="other-agent")
RINGS_FIRST = Policy({StagingOutcome.TIMEOUT: (OTHER,)}, (FORWARD,), ringing=180, ringing_delay=1.0)


def edge_with(policy: Policy) -> Conversation:
    edge = Conversation()
    edge.admission.policy = policy
    edge.receive(request(extra=("X-Rounded-Call-Id: forged",)))
    return edge


def timeout(*treatments: Treatment, **keys: Any) -> Conversation:
    return edge_with(Policy({StagingOutcome.TIMEOUT: treatments}, **keys))


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        *((cause, 480) for cause in ("timeout", "api_unreachable", "failed", "refused", "busy")),
        ("invalid_response", 480),
        ("internal_error", 500),
    ],
)
def test_a_failure_of_one_call_is_no_503_and_has_no_retry_after(cause: str, status: int) -> None:
    """RFC 3261 21.5.4: who receives a Retry-After with 503 "SHOULD NOT forward any other requests
    to that server" for that time: one call, number or agent must not keep all others away.
    """
    edge = edge_with(Policy())
    edge.stager.stagings[0].fail(cause)
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.value(b"retry-after")) == (status, None)
    assert (refusal.value(b"warning") or b"").startswith(f'399 sip-stager "{cause}: '.encode())


def test_an_open_breaker_is_a_503_with_retry_after() -> None:
    """RFC 3261 21.5.4: it concerns every call, so the carrier may use another route for a time."""
    edge = edge_with(Policy())
    edge.stager.stagings[0].fail("breaker_open")
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.value(b"retry-after")) == (503, b"5")


def test_forward_is_upstream_without_a_staged_id() -> None:
    edge = timeout(FORWARD)
    edge.stager.stagings[0].fail()
    invite = edge.last_request("bob")
    assert b"x-rounded-call-id" not in invite.names
    assert invite.uri_text == b"sip:+33612345678@192.0.2.2:5060"
    edge.receive(response(invite, 200), BOB)
    assert edge.take() == ["alice 100 INVITE", "bob INVITE", "alice 200 INVITE"]
    (event,) = edge.of(CallTreated)
    assert (event.cause, event.treatment) == ("timeout", "forward")
    assert [(one.staged_id, one.outcome) for one in edge.of(CallEnded)] == [("", "answered")]


def test_a_call_without_an_agent_is_forwarded_at_once_without_a_staged_id() -> None:
    edge = Conversation()
    edge.admission.agent_id = ""
    edge.receive(request(extra=("X-Rounded-Call-Id: forged",)))
    invite = edge.last_request("bob")
    assert b"x-rounded-call-id" not in invite.names
    assert edge.stager.stagings == []
    edge.receive(response(invite, 407), BOB)
    assert edge.take()[-1] == "alice 407 INVITE"
    assert edge.stager.returned_unused == []
    edge.clock.advance(100)
    assert edge.alive == 0


def test_refuse_has_the_status_and_reason_of_the_policy() -> None:
    edge = timeout(BUSY_HERE)
    edge.stager.stagings[0].fail()
    refusal = edge.last_response("alice")
    assert refusal.start_line == b"SIP/2.0 486 All lines busy"
    assert b"retry-after" not in refusal.names
    assert [one.status for one in edge.of(CallRefused)] == [486]
    assert edge.of(CallTreated) == []


@pytest.mark.parametrize(("status", "fits"), [(480, True), (503, True), (488, False), (504, False)])
def test_retry_after_is_in_the_responses_that_may_have_it(status: int, *, fits: bool) -> None:
    """RFC 3261 20.33: the section lists the responses that may have it."""
    refused = Treatment(TreatmentKind.REFUSE, status)
    edge = edge_with(Policy({StagingOutcome.BREAKER_OPEN: (refused,)}))
    edge.stager.stagings[0].fail("breaker_open")
    assert (b"retry-after" in edge.last_response("alice").names) is fits


def test_a_refusal_without_a_status_has_the_trunks() -> None:
    edge = timeout(Treatment(TreatmentKind.REFUSE), call_refusal=486)
    edge.stager.stagings[0].fail()
    assert edge.last_response("alice").start_line == b"SIP/2.0 486 Busy Here"


def test_redirect_tries_another_uri_with_the_same_invite() -> None:
    edge = timeout(QUEUE)
    edge.stager.stagings[0].fail()
    invite = edge.last_request("bob")
    assert invite.uri_text == b"sip:queue@192.0.2.2:5080"
    assert b"x-rounded-call-id" not in invite.names
    assert edge.transport.sent[-1][1].port == 5080


def test_moved_is_a_302_with_the_uri_as_contact() -> None:
    edge = timeout(MOVED)
    edge.stager.stagings[0].fail()
    answer = edge.last_response("alice")
    assert (answer.status, answer.value(b"contact")) == (302, b"<sip:queue@example.com>")
    assert [one.outcome for one in edge.of(CallEnded)] == ["moved"]


def test_another_agent_is_staged_within_the_remaining_time() -> None:
    edge = timeout(OTHER, FORWARD)
    edge.clock.advance(1.5)
    edge.stager.stagings[0].fail()
    second = edge.stager.stagings[1]
    assert (second.call.agent_id, second.call.deadline) == ("other-agent", 2.5)
    second.succeed("call-2")
    assert edge.last_request("bob").value(b"x-rounded-call-id") == b"call-2"


@pytest.mark.parametrize(
    ("policy", "extra", "seconds"),
    [
        (Policy({StagingOutcome.TIMEOUT: (OTHER, FORWARD)}), (), 2.0),
        (Policy({StagingOutcome.TIMEOUT: (FORWARD,)}), (), 4.0),
        (Policy({StagingOutcome.INVALID_RESPONSE: (OTHER,)}), (), 4.0),
        (Policy(after_ringing=(OTHER,), ringing=180, ringing_delay=1.0), (), 2.0),
        (Policy(after_ringing=(OTHER,), ringing=180, ringing_delay=3.0), (), 3.5),
        (Policy(after_ringing=(OTHER,), ringing=180, ringing_delay=5.0), (), 4.0),
        (RINGS_FIRST, (), 4.0),  # the treatments for a timeout never apply
        (replace(RINGS_FIRST, ringing_delay=2.0), (), 4.0),
        (replace(RINGS_FIRST, ringing_delay=3.0), (), 2.0),
        (RINGS_FIRST, ("Require: 100rel",), 2.0),
    ],
)
def test_the_first_agent_gets_half_of_the_time_if_another_follows(
    policy: Policy, extra: tuple[str, ...], seconds: float
) -> None:
    edge = Conversation()
    edge.admission.policy = policy
    edge.receive(request(extra=extra))
    assert edge.stager.stagings[0].call.deadline == seconds


def test_an_agent_that_has_just_failed_is_not_staged_instead_of_itself() -> None:
    edge = timeout(Treatment(TreatmentKind.AGENT, target="agent"), BUSY_HERE)
    edge.stager.stagings[0].fail()
    assert edge.last_response("alice").status == 486
    assert len(edge.stager.stagings) == 1


def test_events_name_the_agent_that_could_not_be_staged() -> None:
    edge = timeout(OTHER, FORWARD)
    edge.stager.stagings[0].fail()
    edge.stager.stagings[1].fail()
    agents = [(event.call.agent_id, event.treatment) for event in edge.of(CallTreated)]
    assert agents == [("agent", "agent"), ("other-agent", "forward")]


def test_events_name_the_agent_that_was_staged() -> None:
    edge = timeout(OTHER)
    edge.stager.stagings[0].fail()
    edge.stager.stagings[1].succeed()
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    agents = [edge.of(InviteForwarded)[0].call.agent_id, edge.of(CallEnded)[0].call.agent_id]
    assert agents == ["other-agent", "other-agent"]


def test_ringing_between_two_failures_counts_for_the_second() -> None:
    """After our ringing ``after_ringing`` applies, and no third agent is staged."""
    edge = timeout(OTHER, BUSY_HERE, after_ringing=(OTHER, MOVED), ringing=180, ringing_delay=2.0)
    edge.clock.advance(1)
    edge.stager.stagings[0].fail()
    edge.clock.advance(2)
    edge.stager.stagings[1].fail()
    assert edge.last_response("alice").status == 302
    assert len(edge.stager.stagings) == 2


def test_a_redirection_loses_the_parts_not_allowed_in_a_request_uri() -> None:
    """RFC 3261 19.1.1: a Request-URI may have neither a method nor headers."""
    edge = timeout(
        Treatment(TreatmentKind.REDIRECT, target="sip:queue@192.0.2.2:5080;method=INVITE")
    )
    edge.stager.stagings[0].fail()
    assert edge.last_request("bob").uri_text == b"sip:queue@192.0.2.2:5080"


def test_a_stop_refuses_the_call_even_after_ringing() -> None:
    edge = edge_with(Policy(after_ringing=(FORWARD,), ringing=180, ringing_delay=1.0, refusal=480))
    edge.clock.advance(2)
    edge.stager.stagings[0].fail("stopped")
    assert edge.last_response("alice").status == 480


def test_the_rest_of_the_list_applies_to_the_second_failure_of_any_cause() -> None:
    edge = timeout(OTHER, BUSY_HERE)
    edge.stager.stagings[0].fail("timeout")
    edge.stager.stagings[1].fail("invalid_response")
    assert edge.last_response("alice").status == 486
    assert len(edge.stager.stagings) == 2


def test_no_other_agent_is_staged_without_time() -> None:
    edge = timeout(OTHER, BUSY_HERE)
    edge.clock.advance(3.8)
    edge.stager.stagings[0].fail()
    assert edge.last_response("alice").status == 486
    assert len(edge.stager.stagings) == 1


def test_a_cause_without_a_treatment_is_refused() -> None:
    edge = timeout(FORWARD)
    edge.stager.stagings[0].fail("stopped")
    assert edge.last_response("alice").status == 503


@pytest.mark.parametrize("treatment", [FORWARD, QUEUE, MOVED, BUSY_HERE])
def test_no_state_is_left(treatment: Treatment) -> None:
    edge = timeout(treatment)
    edge.stager.stagings[0].fail()
    edge.clock.advance(300)
    assert edge.alive == 0
    assert edge.clock.waiting == 0


def test_a_cancel_ends_the_staging_of_the_second_agent() -> None:
    edge = timeout(OTHER, FORWARD)
    edge.stager.stagings[0].fail()
    edge.receive(request("CANCEL"))
    assert edge.stager.stagings[1].cancelled
    assert edge.take()[-2:] == ["alice 200 CANCEL", "alice 487 INVITE"]
