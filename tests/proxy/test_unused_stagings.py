"""What was staged goes back where the upstream had no use of it."""

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
"""What else a caller may mend and send again: RFC 3261 8.1.3.5 and 21.4, RFC 4028, RFC 3329."""


@pytest.mark.parametrize(
    ("status", "unused"),
    [(401, 1), (407, 1), *((status, 0) for status in (*MAY_COME_AGAIN, 486, 503, 200))],
)
def test_a_challenge_leaves_it_unused_and_an_answer_does_not(
    edge: Conversation, status: int, unused: int
) -> None:
    """RFC 3261 22.3: the call comes again, with credentials.

    RFC 3261 8.2: requests are looked at "starting with authentication, then inspecting the method,
    the header fields": who refuses for more than a challenge may have taken the id out of ours.
    """
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    assert [forward.staged_id for _, forward in edge.stager.returned_unused] == ["call-7"] * unused


def test_an_upstream_that_nothing_reaches_leaves_it_unused(edge: Conversation) -> None:
    edge.transport.failing.add("192.0.2.2")
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(0.1)
    assert [forward.staged_id for _, forward in edge.stager.returned_unused] == ["call-7"]


def test_an_upstream_that_says_nothing_may_have_used_it(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(33)
    assert edge.take()[-1] == "alice 408 INVITE"
    assert edge.stager.returned_unused == []


def test_the_call_that_goes_back_is_the_one_that_was_staged() -> None:
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


def test_a_call_that_went_on_without_one_gives_nothing_back() -> None:
    edge = Conversation()
    edge.admission.policy = Policy({StagingOutcome.TIMEOUT: (Treatment(TreatmentKind.FORWARD),)})
    edge.receive(request())
    edge.stager.stagings[0].fail()
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    assert edge.stager.returned_unused == []


def failing_over(*backups: str) -> Conversation:
    """Bring a call to where bob has its INVITE, and others stand by."""
    edge = Conversation(backups=backups)
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    return edge


def returned_unused(edge: Conversation) -> list[str]:
    return [forward.staged_id for _, forward in edge.stager.returned_unused]


def test_a_silent_target_may_have_used_it_although_the_next_is_out_of_reach() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.transport.failing.add("192.0.2.3")
    edge.clock.advance(40)
    assert edge.take()[-1].startswith("alice ")
    assert returned_unused(edge) == []


def test_a_target_that_rang_has_used_it_although_another_one_asked_for_credentials() -> None:
    """RFC 3261 16.7 step 6: the challenge is the best response, and not the only one."""
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    edge.receive(response(edge.last_request("carol"), 180), CAROL)
    edge.receive(response(edge.last_request("carol"), 486), CAROL)
    assert edge.last_response("alice").status == 407
    assert returned_unused(edge) == []


def test_it_is_unused_where_all_targets_asked_for_credentials_or_were_out_of_reach() -> None:
    edge = failing_over("sip:192.0.2.3", "sip:192.0.2.4")
    edge.transport.failing.add("192.0.2.4")
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    edge.receive(response(edge.last_request("carol"), 401), CAROL)
    edge.clock.advance(0.1)
    assert edge.last_response("alice").status in {401, 407}
    assert returned_unused(edge) == ["call-7"]


def test_who_hangs_up_before_the_invite_has_left_leaves_it_unused() -> None:
    """RFC 3261 9.2: the upstream's name is looked up, and nobody has heard of the call."""
    edge = Conversation("sip:upstream.example:5060")
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(request("CANCEL"))
    assert edge.last_response("alice").status == 487
    assert returned_unused(edge) == ["call-7"]


def test_a_connection_that_ended_with_the_invite_on_it_may_have_brought_it() -> None:
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


def test_a_target_that_is_gone_when_it_is_asked_again_may_have_heard_the_first_time() -> None:
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
def test_what_the_upstream_refused_is_wasted(edge: Conversation, status: int) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    assert wasted(edge) == [("call-7", "rejected")]
    assert isinstance(edge.events[-1], StagingWasted)  # once the end of its call has been told


@pytest.mark.parametrize("status", [200, 401, 407])
def test_what_was_answered_is_not_wasted_nor_what_is_given_back(
    edge: Conversation, status: int
) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    edge.clock.advance(40)
    assert wasted(edge) == []


def test_what_nobody_answered_is_wasted(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(33)
    assert wasted(edge) == [("call-7", "unanswered")]


@pytest.mark.parametrize("heard", [180, None])
def test_what_was_sent_before_the_caller_hung_up_is_wasted(
    edge: Conversation, heard: int | None
) -> None:
    edge.stager.stagings[0].succeed("call-7")
    if heard:
        edge.receive(response(edge.last_request("bob"), heard), BOB)
    edge.receive(request("CANCEL"))
    assert wasted(edge) == []  # it may be answered yet
    edge.clock.advance(33)
    assert wasted(edge) == [("call-7", "cancelled")]


def test_an_answer_that_crosses_the_hang_up_has_used_it(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(request("CANCEL"))
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert wasted(edge) == []


def test_what_was_sent_is_wasted_where_a_target_answered_that_did_not_get_it() -> None:
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
    """Give the ids that were told of: for each time that the INVITE left, and at the end."""
    return [
        event.staged_id for event in edge.events if isinstance(event, InviteForwarded | CallEnded)
    ]


def test_an_id_is_told_of_only_where_it_was_sent() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE + 1)
    edge.receive(response(edge.last_request("bob"), 503), BOB)
    edge.receive(response(edge.last_request("carol"), 200), CAROL)
    assert named(edge) == ["call-7", "", ""]


def test_where_nobody_answered_the_id_is_told_that_some_target_got() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.clock.advance(MAX_STAGED_ID_AGE + 1)
    edge.receive(response(edge.last_request("bob"), 503), BOB)
    edge.receive(response(edge.last_request("carol"), 486), CAROL)
    assert named(edge) == ["call-7", "", "call-7"]


def test_the_id_of_a_call_that_ended_before_its_invite_left_is_not_told() -> None:
    edge = Conversation("sip:upstream.example:5060")
    edge.receive(request())
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(request("CANCEL"))
    assert named(edge) == [""]


def test_who_was_given_up_and_answers_all_the_same_is_told_with_his_id() -> None:
    edge = failing_over("sip:192.0.2.3")
    edge.clock.advance(2.5)
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert named(edge) == ["call-7"] * 3
