"""Our own ringing while a call is staged, in an early dialog of our own."""

from __future__ import annotations

import pytest

from sip_stager.events import CallRinging
from sip_stager.model.call import Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from tests.support.conversation import BOB, Conversation
from tests.support.messages import request, response


def held(
    ringing: int = 180, extra: tuple[str, ...] = (), policy: Policy | None = None
) -> Conversation:
    edge = Conversation()
    edge.admission.policy = policy or Policy(ringing=ringing, ringing_delay=2.0)
    edge.receive(request(extra=extra))
    return edge


@pytest.mark.parametrize("status", [180, 183])
def test_ringing_is_sent_after_its_delay_and_once_a_minute(status: int) -> None:
    """RFC 3261 13.3.1.1: a provisional response is repeated every minute."""
    edge = held(status)
    edge.clock.advance(1.9)
    assert edge.take() == ["alice 100 INVITE"]
    edge.clock.advance(0.2)
    assert edge.take() == [f"alice {status} INVITE"]
    edge.clock.advance(59.8)
    assert edge.take() == []
    edge.clock.advance(0.2)
    assert edge.take() == [f"alice {status} INVITE"]
    (event,) = edge.of(CallRinging)
    assert (event.status, event.local) == (status, True)


def test_ringing_has_no_body_and_its_own_to_tag() -> None:
    """RFC 3261 12.1: it begins an early dialog beside the one of the callee."""
    edge = held()
    edge.clock.advance(2)
    ours = edge.last_response("alice")
    assert ours.body == b""
    assert ours.to_tag
    edge.stager.stagings[0].succeed()
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    assert edge.last_response("alice").to_tag == b"bob"


def test_the_early_dialog_has_a_contact_and_the_route_set() -> None:
    """RFC 3261 12.1.1: "the UAS MUST copy all Record-Route header field values from the request
    into the response [...] The UAS MUST add a Contact header field to the response."
    """
    routes = ("Record-Route: <sip:p2.example;lr>", "Record-Route: <sip:p1.example;lr>")
    edge = held(extra=routes)
    edge.clock.advance(2)
    ours = edge.last_response("alice")
    assert ours.rows(b"record-route") == [route.encode() for route in routes]
    assert ours.rows(b"contact") == [b"Contact: <sip:198.51.100.1:5060>"]


def test_a_request_in_the_early_dialog_is_refused() -> None:
    """RFC 3261 12.2.2: it gets 481: the early dialog has no usage that a request could change."""
    edge = held()
    edge.clock.advance(2)
    ours = edge.last_response("alice")
    edge.take()
    edge.receive(request("UPDATE", "sip:198.51.100.1:5060", to_tag=ours.to_tag.decode()))
    assert edge.take() == ["alice 481 UPDATE"]


def test_a_policy_without_ringing_sends_100_alone() -> None:
    edge = held(0)
    edge.clock.advance(100)
    assert edge.take() == ["alice 100 INVITE"]


@pytest.mark.parametrize(
    "required", ["Require: 100rel", "Require: timer, 100REL", "Require : 100rel"]
)
def test_an_invite_that_requires_100rel_gets_no_ringing(required: str) -> None:
    """RFC 3262 3: it would have to be sent reliably."""
    edge = held(extra=(required,))
    edge.clock.advance(100)
    assert edge.take() == ["alice 100 INVITE"]


def test_ringing_stops_when_the_call_is_forwarded() -> None:
    edge = held()
    edge.clock.advance(2)
    edge.stager.stagings[0].succeed()
    edge.receive(response(edge.last_request("bob"), 100), BOB)
    edge.take()
    edge.clock.advance(120)
    assert edge.take() == []


def test_ringing_of_the_upstream_after_ours_is_not_reported_again() -> None:
    edge = held()
    edge.clock.advance(2)
    edge.stager.stagings[0].succeed()
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    assert [event.local for event in edge.of(CallRinging)] == [True]


def test_a_cancel_ends_ringing_and_the_487_has_its_tag() -> None:
    """RFC 3261 9.2: the responses to the CANCEL and to the INVITE have the same To tag."""
    edge = held()
    edge.clock.advance(2)
    ringing = edge.last_response("alice").to_tag
    edge.take()
    edge.receive(request("CANCEL"))
    answers = [message for _, message in edge.messages()]
    assert [one.to_tag for one in answers] == [ringing, ringing]
    edge.clock.advance(100)
    assert edge.clock.waiting == 0


def test_after_ringing_the_policy_for_that_applies() -> None:
    policy = Policy(
        {StagingOutcome.TIMEOUT: (Treatment(TreatmentKind.REFUSE, 503),)},
        after_ringing=(Treatment(TreatmentKind.FORWARD),),
        ringing=180,
        ringing_delay=2.0,
    )
    edge = held(policy=policy)
    edge.clock.advance(2)
    edge.stager.stagings[0].fail("timeout")
    assert edge.take()[-1] == "bob INVITE"
    early = held(policy=policy)
    early.stager.stagings[0].fail("timeout")
    assert early.take()[-1] == "alice 503 INVITE"


def test_a_refusal_after_ringing_has_its_tag() -> None:
    edge = held()
    edge.clock.advance(2)
    ringing = edge.last_response("alice").to_tag
    edge.stager.stagings[0].fail()
    assert edge.last_response("alice").to_tag == ringing
