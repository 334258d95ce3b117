"""Calls with several targets, which are tried one after another (RFC 3261 16.5, 16.6 and 16.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.events import CallEnded, CallRinging, InviteForwarded
from tests.support.calls import answer, called, ended
from tests.support.conversation import BOB, CAROL, DAVE, Conversation

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

THREE = ("sip:192.0.2.3", "sip:192.0.2.4")
PEERS = {"bob": BOB, "carol": CAROL, "dave": DAVE}


@pytest.fixture
def edge() -> Conversation:
    return Conversation(backups=THREE)


def refused(edge: Conversation, *answers: tuple[int, tuple[str, ...]]) -> list[str]:
    """Refuse a call at each target in turn; return the messages sent after the last one."""
    called(edge)
    sent = []
    for peer, (status, extra) in zip(PEERS, answers, strict=False):
        sent = answer(edge, edge.last_request(peer), status, PEERS[peer], tag=peer, extra=extra)
    return sent


def given_up(edge: Conversation) -> tuple[Request, Request]:
    """Place a call at which bob is silent until carol is tried; return both their INVITEs."""
    invite = called(edge)
    edge.clock.advance(2)
    assert edge.take() == ["bob INVITE", "bob INVITE", "carol INVITE"]
    return invite, edge.last_request("carol")


def outcomes(edge: Conversation) -> list[tuple[str, int]]:
    return [(event.outcome, event.status) for event in edge.of(CallEnded)]


# 16.6: one after another.


def test_targets_are_tried_one_after_another(edge: Conversation) -> None:
    """RFC 3261 16.6: "It MAY process multiple targets serially, allowing each client transaction to
    complete before starting the next."
    """
    assert answer(edge, called(edge), 404) == ["bob ACK", "carol INVITE"]
    assert answer(edge, edge.last_request("carol"), 480, CAROL) == ["carol ACK", "dave INVITE"]
    assert answer(edge, edge.last_request("dave"), 200, DAVE) == ["alice 200 INVITE"]
    assert outcomes(edge) == [("answered", 200)]
    assert [event.attempt for event in edge.of(InviteForwarded)] == [1, 2, 3]
    assert ended(edge)


def test_each_target_gets_a_copy_of_the_same_request(edge: Conversation) -> None:
    """RFC 3261 16.6 step 1: "the primary requirement is that the processing for each next hop begin
    with the same request."

    RFC 3261 16.6 step 7: "Thus, the branch parameter provided with the Via header field inserted in
    step 8 MUST be different for each attempt."
    """
    first = called(edge)
    answer(edge, first, 404)
    second = edge.last_request("carol")
    assert first.branch != second.branch
    assert second.uri_text == b"sip:+33612345678@192.0.2.3"
    for name in (b"max-forwards", b"x-rounded-call-id", b"record-route", b"call-id", b"to"):
        assert first.values(name) == second.values(name)
    assert len(second.values(b"via")) == 2


def test_a_target_listed_twice_is_tried_once() -> None:
    """RFC 3261 16.5: "If a target URI is already present in the set (based on the definition of
    equality for the URI type), it MUST NOT be added again."
    """
    edge = Conversation(backups=("SIP:192.0.2.2:5060",))
    assert answer(edge, called(edge), 404) == ["bob ACK", "alice 404 INVITE"]


@pytest.mark.parametrize("status", [200, 600])
def test_the_first_2xx_or_6xx_ends_the_search(edge: Conversation, status: int) -> None:
    """RFC 3261 6, Sequential Search: "A 2xx or 6xx class final response always terminates a
    sequential search."
    """
    sent = answer(edge, called(edge), status)
    assert sent[-1] == f"alice {status} INVITE"
    edge.clock.advance(300)
    assert not [line for line in edge.take() if "carol" in line or "dave" in line]


def test_a_provisional_response_of_each_target_is_forwarded(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "Any provisional response other than 100 (Trying)" """
    invite = called(edge)
    assert answer(edge, invite, 180) == ["alice 180 INVITE"]
    answer(edge, invite, 480)
    assert answer(edge, edge.last_request("carol"), 180, CAROL) == ["alice 180 INVITE"]
    assert len(edge.of(CallRinging)) == 1


# 16.7 step 6: the best response.


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((404, 500, 302), 302),
        ((500, 404, 501), 404),
        ((300, 404, 500), 300),
        ((404, 500, 603), 603),
        ((501, 603), 603),
        ((486, 480, 404), 486),
    ],
)
def test_the_best_is_a_6xx_or_of_the_lowest_class(
    edge: Conversation, statuses: tuple[int, ...], best: int
) -> None:
    """RFC 3261 16.7 step 6: "It MUST choose from the 6xx class responses if any exist in the
    context. If no 6xx class responses are present, the proxy SHOULD choose from the lowest response
    class stored in the response context."
    """
    assert refused(edge, *((status, ()) for status in statuses))[-1] == f"alice {best} INVITE"
    assert outcomes(edge) == [("rejected", best)]


@pytest.mark.parametrize("helpful", [401, 407, 415, 420, 484])
def test_the_best_4xx_is_one_that_says_how_to_repeat_the_request(
    edge: Conversation, helpful: int
) -> None:
    """RFC 3261 16.7 step 6: "The proxy SHOULD give preference to responses that provide information
    affecting resubmission of this request, such as 401, 407, 415, 420, and 484 if the 4xx class is
    chosen."
    """
    assert refused(edge, (404, ()), (helpful, ()), (486, ()))[-1] == f"alice {helpful} INVITE"
    assert edge.last_response("alice").to_tag == b"carol"


def test_a_response_is_preferred_to_silence(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "The proxy MAY select any response within that chosen class." """
    called(edge)
    answer(edge, edge.last_request("bob"), 408)
    answer(edge, edge.last_request("carol"), 486, CAROL)
    assert answer(edge, edge.last_request("dave"), 487, DAVE)[-1] == "alice 486 INVITE"


def test_a_5xx_other_than_503_is_preferred_to_our_own_500(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "If the only response that was received is a 503, the proxy SHOULD
    generate a 500 response": here it is not the only one.
    """
    assert refused(edge, (503, ()), (504, ()), (503, ()))[-1] == "alice 504 INVITE"


def test_three_503_are_one_500(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: "SHOULD NOT forward it upstream" """
    assert refused(edge, (503, ()), (503, ()), (503, ()))[-1] == "alice 500 INVITE"


# 16.7 step 7: challenges.


@pytest.mark.parametrize("best", [401, 407])
def test_the_challenges_of_all_targets_are_gathered(edge: Conversation, best: int) -> None:
    """RFC 3261 16.7 step 7: "If the selected response is a 401 (Unauthorized) or 407 (Proxy
    Authentication Required), the proxy MUST collect any WWW-Authenticate and Proxy-Authenticate
    header field values from all other 401 (Unauthorized) and 407 (Proxy Authentication Required)
    responses received so far in this response context and add them to this response without
    modification before forwarding."
    """
    one = 'WWW-Authenticate: Digest realm="one", nonce="1"', 'Proxy-Authenticate: Digest realm="p"'
    two = ('proxy-authenticate :  Digest realm="two",\r\n nonce="2"',)
    other = ('WWW-Authenticate: Digest realm="no challenge"',)
    refused(edge, (best, one), (404, other), (808 - best, two))
    told = edge.last_response("alice")
    assert told.status == best
    assert told.to_tag == b"bob"
    assert [
        row.decode()
        for name, row in zip(told.names, told.fields, strict=True)
        if name in {b"www-authenticate", b"proxy-authenticate"}
    ] == [*one, *two]


# 16.7 step 5: 6xx, and targets that were given up.


def test_failover_from_a_silent_target_to_the_next(edge: Conversation) -> None:
    """RFC 3261 16.6: "A stateful proxy MAY process the set in any order." The next target is tried
    ahead of a silent one's end, which may take 32 s.
    """
    bob, carol = given_up(edge)
    assert answer(edge, carol, 200, CAROL) == ["alice 200 INVITE"]
    assert answer(edge, bob, 100, BOB, tag="") == ["bob CANCEL"]
    assert answer(edge, bob, 487, BOB) == ["bob ACK"]
    assert outcomes(edge) == [("answered", 200)]
    assert ended(edge)


def test_no_failover_from_a_target_that_rings(edge: Conversation) -> None:
    """RFC 3261 16.6: timer C limits it from then on."""
    answer(edge, called(edge), 180, tag="")
    edge.clock.advance(60)
    assert not [line for line in edge.take() if "carol" in line]


def test_no_failover_from_a_target_that_has_refused(edge: Conversation) -> None:
    """RFC 3261 16.6: each target has its own timer, which ends with it."""
    invite = called(edge)
    edge.clock.advance(1.9)
    answer(edge, invite, 404)
    edge.clock.advance(1.5)
    assert not [line for line in edge.take() if "dave" in line]
    edge.clock.advance(0.5)
    assert edge.take()[-1] == "dave INVITE"


def test_no_failover_from_the_last_target(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6: its final response is awaited until timer B."""
    called(edge)
    edge.clock.advance(4)
    assert edge.take()[-1] == "dave INVITE"
    edge.clock.advance(33)
    assert "alice 408 INVITE" in edge.take()
    assert outcomes(edge) == [("timeout", 408)]
    assert ended(edge)


def test_a_2xx_after_a_failover_is_forwarded_and_the_next_target_cancelled(
    edge: Conversation,
) -> None:
    """RFC 3261 16.7 step 10: "If the forwarded response was a final response, the proxy MUST
    generate a CANCEL request for all pending client transactions associated with this response
    context."
    """
    bob, carol = given_up(edge)
    answer(edge, carol, 180, CAROL)
    assert answer(edge, bob, 200) == ["alice 200 INVITE", "carol CANCEL"]
    assert answer(edge, carol, 487, CAROL) == ["carol ACK"]
    assert outcomes(edge) == [("answered", 200)]
    assert ended(edge)


def test_after_a_2xx_no_target_is_tried_any_more(edge: Conversation) -> None:
    """RFC 3261 16.7 steps 6 and 10: a 2xx ends the search; carol has not responded yet, so her
    CANCEL waits (9.1).
    """
    bob, carol = given_up(edge)
    assert answer(edge, bob, 200) == ["alice 200 INVITE"]
    assert answer(edge, carol, 180, CAROL) == ["carol CANCEL"]
    assert answer(edge, carol, 404, CAROL) == ["carol ACK"]
    assert ended(edge)
    assert not [line for line in edge.take() if "dave" in line]


def test_both_2xx_are_passed_back_if_two_targets_answer(edge: Conversation) -> None:
    """RFC 3261 16.7 step 10: "The requirement to CANCEL pending client transactions upon forwarding
    a final response does not guarantee that an endpoint will not receive multiple 200 (OK)
    responses to an INVITE."
    """
    bob, carol = given_up(edge)
    assert answer(edge, carol, 200, CAROL, tag="carol") == ["alice 200 INVITE"]
    assert answer(edge, bob, 200, BOB, tag="bob") == ["alice 200 INVITE"]
    assert edge.last_response("alice").to_tag == b"bob"
    assert ended(edge)


def test_a_2xx_while_the_next_target_is_looked_up_is_the_only_final_response() -> None:
    """RFC 3261 16.7 step 5: "either exactly one non-2xx response or one or more 2xx responses" """
    edge = Conversation(backups=("sip:upstream.example", "sip:192.0.2.4"))
    invite = called(edge)
    edge.clock.advance(2)
    assert edge.take() == ["bob INVITE", "bob INVITE"]
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]
    edge.clock.advance(1)
    assert edge.take() == []
    assert outcomes(edge) == [("answered", 200)]
    assert ended(edge)


def test_a_6xx_after_a_failover_cancels_the_next_target_and_ends_the_search(
    edge: Conversation,
) -> None:
    """RFC 3261 16.7 step 5: "If a 6xx response is received, it is not immediately forwarded, but
    the stateful proxy SHOULD cancel all client pending transactions as described in Section 10, and
    it MUST NOT create any new branches in this context."

    RFC 3261 16.7 step 10: "A proxy SHOULD also generate a CANCEL request for all pending client
    transactions associated with this response context when it receives a 6xx response."
    """
    bob, carol = given_up(edge)
    answer(edge, carol, 180, CAROL)
    assert answer(edge, bob, 603) == ["bob ACK", "carol CANCEL"]
    assert answer(edge, carol, 487, CAROL) == ["carol ACK", "alice 603 INVITE"]
    assert outcomes(edge) == [("rejected", 603)]
    assert ended(edge)


def test_a_2xx_that_crosses_the_cancel_for_a_6xx_wins(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: "a 2xx response could arrive on another branch, in which case the proxy
    would have to forward the 2xx."
    """
    bob, carol = given_up(edge)
    answer(edge, carol, 180, CAROL)
    answer(edge, bob, 603)
    assert answer(edge, carol, 200, CAROL) == ["alice 200 INVITE"]
    assert outcomes(edge) == [("answered", 200)]


def test_a_6xx_while_the_next_target_is_looked_up_ends_the_call() -> None:
    """RFC 3261 16.7 step 5: no client transaction is pending, so the 6xx is forwarded."""
    edge = Conversation(backups=("sip:upstream.example", "sip:192.0.2.4"))
    invite = called(edge)
    edge.clock.advance(2)
    edge.take()
    assert answer(edge, invite, 603) == ["bob ACK", "alice 603 INVITE"]
    assert ended(edge)
    assert not [line for line in edge.take() if line.endswith("INVITE") and "alice" not in line]


def test_a_refusal_after_a_failover_waits_for_the_next_targets(
    edge: Conversation,
) -> None:
    """RFC 3261 16.7 step 5: "A stateful proxy MUST NOT immediately forward any other
    responses."
    """
    bob, carol = given_up(edge)
    assert answer(edge, bob, 404) == ["bob ACK"]
    assert answer(edge, carol, 500, CAROL) == ["carol ACK", "dave INVITE"]
    assert answer(edge, edge.last_request("dave"), 500, DAVE)[-1] == "alice 404 INVITE"


def test_a_487_to_our_own_cancel_is_not_passed_back(edge: Conversation) -> None:
    """RFC 3261 16.6 step 7: it "acts as if this element of the target set returned a 408"; the
    caller has not cancelled.
    """
    bob, carol = given_up(edge)
    answer(edge, bob, 180)
    assert answer(edge, bob, 487) == ["bob ACK"]
    answer(edge, carol, 500, CAROL)
    assert answer(edge, edge.last_request("dave"), 500, DAVE)[-1] == "alice 408 INVITE"


def test_after_a_failover_the_silent_target_is_not_waited_for(edge: Conversation) -> None:
    """RFC 3261 16.6 step 7: its 2xx would come too late, and is not sent after a refusal (16.7
    step 5).
    """
    bob, carol = given_up(edge)
    answer(edge, carol, 404, CAROL)
    assert answer(edge, edge.last_request("dave"), 486, DAVE)[-1] == "alice 404 INVITE"
    assert answer(edge, bob, 180) == ["bob CANCEL"]
    assert answer(edge, bob, 200) == []
    assert ended(edge)
