"""A staged call is returned if the upstream did not use it."""

from __future__ import annotations

import pytest

from sip_stager.events import CallEnded, InviteForwarded, StagingWasted
from sip_stager.model.call import MAX_STAGED_ID_AGE, Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from tests.support.conversation import BOB, CAROL, Conversation
from tests.support.messages import request, response


@pytest.fixture
def edge() -> Conversation:
    edge = Conversation()
    edge.receive(request())
    return edge


MAY_COME_AGAIN = (413, 415, 416, 420, 421, 422, 484, 488, 494)
"""Other refusals that a caller may repair and repeat: RFC 3261 8.1.3.5 and 21.4, RFC 4028, RFC
3329.
"""


@pytest.mark.parametrize(
    ("status", "unused"),
    [(401, 1), (407, 1), *((status, 0) for status in (*MAY_COME_AGAIN, 486, 503, 200))],
)
def test_a_challenge_leaves_the_staging_unused_and_an_answer_does_not(
    edge: Conversation, status: int, unused: int
) -> None:
    """RFC 3261 22.3: the call comes again, with credentials.

    RFC 3261 8.2: requests are processed "starting with authentication, then inspecting the method,
    the header fields": any refusal other than a challenge may have used the id.
    """
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    assert [forward.staged_id for _, forward in edge.stager.returned_unused] == ["call-7"] * unused


def test_an_unreachable_upstream_leaves_the_staging_unused(edge: Conversation) -> None:
    edge.transport.failing.add("192.0.2.2")
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(0.1)
    assert [forward.staged_id for _, forward in edge.stager.returned_unused] == ["call-7"]


def test_a_silent_upstream_may_have_used_the_staging(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(33)
    assert edge.take()[-1] == "alice 408 INVITE"
    assert edge.stager.returned_unused == []


def test_the_returned_call_is_the_one_that_was_staged() -> None:
    edge = Conversation()
    edge.admission.policy = Policy(
        {
            StagingOutcome.TIMEOUT: (
                Treatment(TreatmentKind.AGENT, target="other"),
                Treatment(TreatmentKind.REFUSE),
            )
        }
    )
    edge.receive(request())
    edge.stager.stagings[0].fail()
    edge.stager.stagings[1].succeed()
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    assert [call.agent_id for call, _ in edge.stager.returned_unused] == ["other"]


def test_an_unstaged_call_returns_nothing() -> None:
    edge = Conversation()
    edge.admission.policy = Policy({StagingOutcome.TIMEOUT: (Treatment(TreatmentKind.FORWARD),)})
    edge.receive(request())
    edge.stager.stagings[0].fail()
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    assert edge.stager.returned_unused == []


def failing_over(*backups: str) -> Conversation:
    """Forward a call to bob, with further targets."""
    edge = Conversation(backups=backups)
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    return edge


def returned_unused(edge: Conversation) -> list[str]:
    return [forward.staged_id for _, forward in edge.stager.returned_unused]


def test_a_silent_target_may_have_used_it_although_the_next_is_unreachable() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.transport.failing.add("192.0.2.3")
    edge.clock.advance(40)
    assert edge.take()[-1].startswith("alice ")
    assert returned_unused(edge) == []


def test_a_target_that_rang_has_used_it_although_another_challenged() -> None:
    """RFC 3261 16.7 step 6: the challenge is the best response, and not the only one."""
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    edge.receive(response(edge.last_request("carol"), 180), CAROL)
    edge.receive(response(edge.last_request("carol"), 486), CAROL)
    assert edge.last_response("alice").status == 407
    assert returned_unused(edge) == []


def test_it_is_unused_if_all_targets_challenged_or_were_unreachable() -> None:
    edge = failing_over("sip:192.0.2.3", "sip:192.0.2.4")
    edge.transport.failing.add("192.0.2.4")
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    edge.receive(response(edge.last_request("carol"), 401), CAROL)
    edge.clock.advance(0.1)
    assert edge.last_response("alice").status in {401, 407}
    assert returned_unused(edge) == ["call-7"]


def test_a_cancel_before_the_invite_is_sent_leaves_it_unused() -> None:
    """RFC 3261 9.2: the upstream's name is being looked up, so nothing was sent."""
    edge = Conversation("sip:upstream.example:5060")
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(request("CANCEL"))
    assert edge.last_response("alice").status == 487
    assert returned_unused(edge) == ["call-7"]


def test_a_connection_lost_with_the_invite_may_have_delivered_it() -> None:
    edge = Conversation("sip:192.0.2.2;transport=tcp")
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    edge.take()
    edge.transport.failing.add("192.0.2.2")
    edge.layer.flow_lost(edge.transport.sent[-1][1], "the connection ended")
    edge.clock.advance(1)
    assert edge.take()[0] == "alice 503 INVITE"
    assert returned_unused(edge) == []


def test_the_next_target_gets_the_same_id_within_its_life() -> None:
    """RFC 3261 16.6: one INVITE, tried at one target after another."""
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE - 1)
    edge.receive(response(edge.last_request("bob"), 480), BOB)
    assert edge.last_request("carol").value(b"x-rounded-call-id") == b"call-7"


def test_no_target_gets_an_id_that_the_api_may_have_forgotten() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE + 1)
    edge.receive(response(edge.last_request("bob"), 480), BOB)
    assert b"x-rounded-call-id" not in edge.last_request("carol").names


def test_a_target_lost_after_a_retransmission_may_have_used_it() -> None:
    edge = Conversation()
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    edge.transport.failing.add("192.0.2.2")
    edge.clock.advance(0.6)
    assert edge.take()[-1] == "alice 503 INVITE"
    assert returned_unused(edge) == []


def wasted(edge: Conversation) -> list[tuple[str, str]]:
    return [(event.staged_id, event.reason) for event in edge.of(StagingWasted)]


@pytest.mark.parametrize("status", [302, 408, 422, 480, 486, 487, 488, 500, 503, 600])
def test_a_staging_that_the_upstream_rejected_is_wasted(edge: Conversation, status: int) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    assert wasted(edge) == [("call-7", "rejected")]
    assert isinstance(edge.events[-1], StagingWasted)  # after the end of its call was reported


@pytest.mark.parametrize("status", [200, 401, 407])
def test_neither_an_answered_nor_a_returned_staging_is_wasted(
    edge: Conversation, status: int
) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    edge.clock.advance(40)
    assert wasted(edge) == []


def test_an_unanswered_staging_is_wasted(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(33)
    assert wasted(edge) == [("call-7", "unanswered")]


@pytest.mark.parametrize("heard", [180, None])
def test_a_staging_sent_before_the_cancel_is_wasted(edge: Conversation, heard: int | None) -> None:
    edge.stager.stagings[0].succeed("call-7")
    if heard:
        edge.receive(response(edge.last_request("bob"), heard), BOB)
    edge.receive(request("CANCEL"))
    assert wasted(edge) == []  # it may be answered yet
    edge.clock.advance(33)
    assert wasted(edge) == [("call-7", "cancelled")]


def test_an_answer_that_crosses_the_cancel_has_used_it(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(request("CANCEL"))
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert wasted(edge) == []


def test_an_id_is_wasted_if_the_answering_target_did_not_get_it() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE + 1)
    edge.receive(response(edge.last_request("bob"), 503), BOB)
    edge.receive(response(edge.last_request("carol"), 200), CAROL)
    assert wasted(edge) == [("call-7", "unanswered")]


def test_a_call_that_was_not_staged_wastes_nothing() -> None:
    edge = Conversation()
    edge.admission.policy = Policy({StagingOutcome.TIMEOUT: (Treatment(TreatmentKind.FORWARD),)})
    edge.receive(request())
    edge.stager.stagings[0].fail()
    edge.receive(response(edge.last_request("bob"), 486), BOB)
    assert wasted(edge) == []


def named(edge: Conversation) -> list[str]:
    """Return the ids in the events: of each INVITE sent, and of the end."""
    return [
        event.staged_id for event in edge.events if isinstance(event, InviteForwarded | CallEnded)
    ]


def test_events_hold_an_id_only_if_it_was_sent() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE + 1)
    edge.receive(response(edge.last_request("bob"), 503), BOB)
    edge.receive(response(edge.last_request("carol"), 200), CAROL)
    assert named(edge) == ["call-7", "", ""]


def test_an_unanswered_call_reports_the_id_that_a_target_got() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE + 1)
    edge.receive(response(edge.last_request("bob"), 503), BOB)
    edge.receive(response(edge.last_request("carol"), 486), CAROL)
    assert named(edge) == ["call-7", "", "call-7"]


def test_a_call_that_ended_before_its_invite_was_sent_reports_no_id() -> None:
    edge = Conversation("sip:upstream.example:5060")
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(request("CANCEL"))
    assert named(edge) == [""]


def test_an_answer_after_a_failover_is_reported_with_its_id() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.clock.advance(2.5)
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert named(edge) == ["call-7"] * 3
