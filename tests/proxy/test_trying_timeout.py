"""A target that sends 100 and nothing more is cancelled, and the next one is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import CallEnded, InviteForwarded
from tests.support.calls import answer, called, cancelled, ended
from tests.support.conversation import BOB, CAROL, DAVE, Conversation
from tests.support.messages import response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request, Response

ID = b"x-rounded-call-id"
TRYING_TIMEOUT = 10.0


@pytest.fixture
def edge() -> Conversation:
    return Conversation(backups=("sip:192.0.2.3", "sip:192.0.2.4"))


def trying(edge: Conversation) -> Request:
    """Place a call that bob answers with 100; return the INVITE that bob got."""
    invite = called(edge)
    assert answer(edge, invite, 100, tag="") == []
    return invite


def given_up(edge: Conversation) -> Request:
    """Place a call that bob answers with 100 and nothing more, until a CANCEL comes."""
    invite = trying(edge)
    edge.clock.advance(TRYING_TIMEOUT - 0.1)
    assert edge.take() == []
    edge.clock.advance(0.1)
    assert edge.take() == ["bob CANCEL"]
    return invite


def outcomes(edge: Conversation) -> list[tuple[str, int]]:
    return [(event.outcome, event.status) for event in edge.of(CallEnded)]


def test_a_target_that_confirms_its_cancel_is_followed_by_the_next_with_the_same_id(
    edge: Conversation,
) -> None:
    """RFC 3261 16.7: the caller has not cancelled, so the 487 is ours; nobody uses the id there."""
    bob = given_up(edge)
    assert answer(edge, bob, 487) == ["bob ACK", "carol INVITE"]
    carol = edge.last_request("carol")
    assert carol.values(ID) == [b"call-1"]
    assert answer(edge, carol, 200, CAROL) == ["alice 200 INVITE"]
    assert outcomes(edge) == [("answered", 200)]
    assert ended(edge)


def test_a_target_that_does_not_end_is_followed_by_the_next_without_its_id(
    edge: Conversation,
) -> None:
    """Its agent may answer at any moment: a second platform must not call the same one."""
    given_up(edge)
    edge.clock.advance(2)
    assert edge.take()[-1] == "carol INVITE"
    assert edge.last_request("carol").values(ID) == []
    assert [event.staged_id for event in edge.of(InviteForwarded)] == ["call-1", ""]


def test_on_one_platform_the_next_target_gets_the_id_in_any_case() -> None:
    edge = Conversation(backups=("sip:192.0.2.3",), one_platform=True)
    given_up(edge)
    edge.clock.advance(2)
    assert edge.take()[-1] == "carol INVITE"
    assert edge.last_request("carol").values(ID) == [b"call-1"]


def test_a_further_target_gets_the_id_again_once_the_first_has_ended(edge: Conversation) -> None:
    bob = given_up(edge)
    edge.clock.advance(2)
    edge.take()
    assert answer(edge, bob, 487) == ["bob ACK"]
    assert answer(edge, edge.last_request("carol"), 500, CAROL)[-1] == "dave INVITE"
    assert edge.last_request("dave").values(ID) == [b"call-1"]
    assert answer(edge, edge.last_request("dave"), 200, DAVE) == ["alice 200 INVITE"]
    assert [event.staged_id for event in edge.of(CallEnded)] == ["call-1"]


def test_a_target_that_never_confirmed_its_cancel_keeps_the_id(edge: Conversation) -> None:
    """RFC 3261 9.1: after 64*T1 we stop waiting for it; its agent may be in use all the same."""
    given_up(edge)
    edge.clock.advance(2)
    edge.take()
    carol = edge.last_request("carol")
    answer(edge, carol, 180, CAROL)
    edge.clock.advance(34)
    edge.take()
    assert answer(edge, carol, 500, CAROL)[-1] == "dave INVITE"
    assert edge.last_request("dave").values(ID) == []


def test_a_200_that_crosses_the_cancel_wins(edge: Conversation) -> None:
    """RFC 3261 9.1: a CANCEL has no effect on a request that was answered."""
    bob = given_up(edge)
    assert answer(edge, bob, 200) == ["alice 200 INVITE"]
    edge.clock.advance(60)
    assert not [line for line in edge.take() if "carol" in line]
    assert outcomes(edge) == [("answered", 200)]
    assert ended(edge)


def test_a_late_200_wins_while_the_next_target_rings_which_is_cancelled(
    edge: Conversation,
) -> None:
    """RFC 3261 16.7 steps 5 and 10: each 2xx is passed back, and the others are cancelled."""
    bob = given_up(edge)
    edge.clock.advance(2)
    answer(edge, edge.last_request("carol"), 180, CAROL)
    assert answer(edge, bob, 200) == ["alice 200 INVITE", "carol CANCEL"]
    assert ended(edge)


def test_both_200_go_back_if_two_targets_answer(edge: Conversation) -> None:
    """RFC 3261 16.7 step 5: a proxy passes each 2xx; 13.2.2.4: the caller acknowledges each one,
    and sends BYE to those that it does not want.
    """
    bob = given_up(edge)
    edge.clock.advance(2)
    edge.take()
    assert answer(edge, edge.last_request("carol"), 200, CAROL, tag="c") == ["alice 200 INVITE"]
    assert answer(edge, bob, 200, BOB, tag="b") == ["alice 200 INVITE"]
    assert ended(edge)


@pytest.mark.parametrize("status", [180, 183])
def test_a_target_that_rings_is_not_given_up(edge: Conversation, status: int) -> None:
    """RFC 3261 16.7 step 2: from then on timer C limits it, as it does without another target."""
    bob = trying(edge)
    edge.clock.advance(TRYING_TIMEOUT - 0.1)
    answer(edge, bob, status)
    edge.clock.advance(180.9)
    assert edge.take() == []
    edge.clock.advance(0.2)
    assert edge.take() == ["bob CANCEL"]


def test_further_100_do_not_prolong_the_wait(edge: Conversation) -> None:
    bob = trying(edge)
    for _ in range(4):
        edge.clock.advance(TRYING_TIMEOUT / 4 - 0.01)
        answer(edge, bob, 100, tag="")
    edge.clock.advance(0.1)
    assert edge.take() == ["bob CANCEL"]


def test_without_a_next_target_the_wait_is_as_long_as_timer_c() -> None:
    """Nobody gains by an earlier end."""
    edge = Conversation()
    trying(edge)
    edge.clock.advance(180.9)
    assert edge.take() == []


def test_the_last_target_is_waited_for_until_timer_c(edge: Conversation) -> None:
    answer(edge, given_up(edge), 487)
    answer(edge, edge.last_request("carol"), 404, CAROL)
    dave = edge.last_request("dave")
    answer(edge, dave, 100, DAVE, tag="")
    edge.clock.advance(180.8)
    assert "dave CANCEL" not in edge.take()
    edge.clock.advance(0.3)
    assert edge.take() == ["dave CANCEL"]


def test_after_the_callers_cancel_no_other_target_is_tried(edge: Conversation) -> None:
    """RFC 3261 16.10: whether the target was given up before or not."""
    bob = given_up(edge)
    assert cancelled(edge) == ["alice 200 CANCEL"]
    edge.clock.advance(3)
    assert not [line for line in edge.take() if "carol" in line]
    assert answer(edge, bob, 487) == ["bob ACK", "alice 487 INVITE"]
    assert outcomes(edge) == [("cancelled", 487)]
    assert ended(edge)


def test_the_callers_cancel_follows_an_invite_that_got_a_100(edge: Conversation) -> None:
    """RFC 3261 9.1: a 100 is a provisional response."""
    trying(edge)
    assert cancelled(edge) == ["alice 200 CANCEL", "bob CANCEL"]
    assert ended(edge)


def test_if_no_target_ends_the_caller_gets_408(edge: Conversation) -> None:
    """RFC 3261 16.7 step 6, 16.8: silence counts as a 408."""
    given_up(edge)
    for peer, flow in (("carol", CAROL), ("dave", DAVE)):
        edge.clock.advance(2.1)
        answer(edge, edge.last_request(peer), 100, flow, tag="")
        edge.clock.advance(TRYING_TIMEOUT)
    edge.clock.advance(230)
    assert outcomes(edge) == [("timeout", 408)]
    assert ended(edge)


PEERS = {"bob": BOB, "carol": CAROL, "dave": DAVE}
STEP = st.tuples(st.sampled_from([*PEERS]), st.sampled_from([100, 180, 200, 404, 487, 503, 0]))


@given(st.lists(STEP, max_size=12), st.sampled_from([0.3, 2.1, 10.1]))
def test_no_two_live_targets_of_two_platforms_have_the_id_after_a_100(
    steps: list[tuple[str, int]], pause: float
) -> None:
    """Whatever targets answer and when: a target that has said 100 and has not ended keeps the id
    to itself, the caller gets one final response, and nothing is left.
    """
    edge = Conversation(backups=("sip:192.0.2.3", "sip:192.0.2.4"))
    called(edge)
    invites: dict[str, Request] = {"bob": edge.last_request("bob")}
    trying: set[str] = set()
    over: set[str] = set()
    for peer, status in steps:
        if status and peer in invites:
            if status >= 200:
                over.add(peer)
            elif status == 100:
                trying.add(peer)
            trying -= over
            edge.receive(response_to(invites[peer], status, peer), PEERS[peer])
        note_new(edge, invites, trying)
        edge.clock.advance(pause)
        note_new(edge, invites, trying)
    edge.clock.advance(700)
    assert edge.alive == 0
    assert edge.clock.waiting == 0
    assert len(edge.of(CallEnded)) == 1


def response_to(invite: Request, status: int, peer: str) -> Response:
    return response(invite, status, tag="" if status == 100 else peer)


def note_new(edge: Conversation, invites: dict[str, Request], trying: set[str]) -> None:
    for name, message in edge.messages():
        if name in PEERS and name not in invites and bytes(message).startswith(b"INVITE"):
            invites[name] = edge.last_request(name)
            has_id = invites[name].values(ID) != []
            assert not (has_id and trying), "two targets have the id"
