"""RFC 3261 17.2.3 for peers that use a branch again: the CSeq number tells its requests apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.events import MessageDropped
from sip_stager.transaction.base import TransactionState
from tests.support.conversation import ALICE, STRANGER
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from tests.transaction.layer_scene import Scene

METHODS = ["INVITE", "BYE", "INFO", "OPTIONS"]


@pytest.mark.parametrize("cseq", [2, 3, 2**31 - 1])
@pytest.mark.parametrize("method", METHODS)
def test_a_higher_cseq_on_the_same_branch_is_another_transaction(
    scene: Scene, source: Flow, method: str, cseq: int
) -> None:
    """RFC 3261 8.1.1.5: "The CSeq header field serves as a way to identify and order transactions."

    RFC 3261 17.2.3: a repetition "matches" its transaction, and a later request is no repetition.
    """
    scene.receive(request(method), source)
    scene.receive(request(method, cseq=cseq), source)
    assert scene.passed == [method, method]
    assert scene.alive == 2
    for number in (1, cseq, 1, cseq):
        scene.receive(request(method, cseq=number), source)
    assert scene.passed == [method, method]
    assert scene.dropped == []


@pytest.mark.parametrize("method", METHODS)
def test_each_repetition_gets_the_response_of_its_own_request(scene: Scene, method: str) -> None:
    for number in (1, 2, 3):
        scene.receive(request(method, cseq=number))
        scene.respond(485 + number)
    scene.take()
    for number in (2, 1, 3):
        scene.receive(request(method, cseq=number))
        assert scene.take() == [f"{485 + number} {method}"]


@pytest.mark.parametrize("answered", [407, 200])
def test_an_old_invite_is_absorbed_while_a_later_one_of_its_branch_is_alive(
    scene: Scene, source: Flow, answered: int
) -> None:
    """RFC 3261 12.2.1.1: "Requests within a dialog MUST contain strictly monotonically increasing
    and contiguous CSeq sequence numbers". A lower one is a repeat that comes late.
    """
    scene.receive(request(), source)
    scene.respond(answered)
    if answered == 407:
        scene.receive(request("ACK", to_tag="ours"), source)
    scene.receive(request(cseq=2), source)
    scene.clock.advance(40)
    scene.take()
    assert scene.alive == 1
    scene.receive(request(), source)
    assert scene.passed == ["INVITE", "INVITE"]
    assert scene.take() == []
    assert scene.dropped == ["old_repeat"]
    (event,) = [event for event in scene.events if isinstance(event, MessageDropped)]
    assert event.call_id == "call-1@192.0.2.1"
    assert event.detail == ("a repeated INVITE with CSeq 1, after a later one with its branch")


@pytest.mark.parametrize("method", ["BYE", "INFO"])
def test_an_old_request_of_any_method_is_absorbed(scene: Scene, method: str) -> None:
    scene.receive(request(method))
    scene.respond(200)
    scene.clock.advance(33)
    scene.receive(request(method, cseq=7))
    scene.receive(request(method, cseq=6))
    assert scene.passed == [method, method]
    assert scene.dropped == ["old_repeat"]


def test_an_earlier_invite_is_matched_after_the_later_one_has_ended(scene: Scene) -> None:
    """RFC 6026 7.1: Accepted absorbs the INVITE's repetitions for 64*T1."""
    scene.receive(request())
    scene.respond(200)
    scene.receive(request(cseq=2, to_tag="ours"))
    scene.respond(488)
    scene.receive(request("ACK", cseq=2, to_tag="ours"))
    scene.clock.advance(6)
    assert scene.alive == 1
    scene.receive(request())
    assert scene.passed == ["INVITE", "INVITE"]
    scene.receive(request(cseq=3, to_tag="ours"))
    assert scene.passed == ["INVITE"] * 3
    scene.receive(request(branch="z9hG4bK-other"))
    assert scene.passed == ["INVITE"] * 4


def test_an_ack_matches_the_invite_of_its_number(scene: Scene) -> None:
    """RFC 3261 17.1.1.3: "The CSeq header field in the ACK MUST contain the same value for the
    sequence number as was present in the original request".
    """
    for number in (1, 2):
        scene.receive(request(cseq=number))
        scene.respond(407)
    first, second = scene.layer.invite_servers.values()
    by_number = {first.cseq_number: first, second.cseq_number: second}
    scene.receive(request("ACK", to_tag="ours"))
    states = {number: server.state for number, server in by_number.items()}
    assert states == {1: TransactionState.CONFIRMED, 2: TransactionState.COMPLETED}
    scene.receive(request("ACK", cseq=2, to_tag="ours"))
    assert by_number[2].state is TransactionState.CONFIRMED
    assert scene.passed == ["INVITE", "INVITE"]
    assert scene.lifetime() == 5


def test_an_ack_of_an_invite_that_is_over_goes_to_the_user(scene: Scene, source: Flow) -> None:
    """RFC 3261 17.1.1.3: the ACK of a 2xx needs no transaction, whatever its branch."""
    scene.receive(request(), source)
    scene.respond(200)
    scene.clock.advance(33)
    scene.receive(request(cseq=2, to_tag="ours"), source)
    scene.receive(request("ACK", to_tag="ours"), source)
    assert scene.passed == ["INVITE", "INVITE", "ACK"]
    assert scene.servers[1].state is TransactionState.PROCEEDING


def test_a_cancel_matches_the_invite_of_its_number(scene: Scene) -> None:
    """RFC 3261 9.1: "The CSeq header field MUST contain the same sequence number as the request
    being cancelled"; the order of two CANCELs is of no matter.
    """
    for number in (1, 2, 3):
        scene.receive(request(cseq=number))
    first, second, third = scene.servers
    for number in (2, 1, 3):
        scene.receive(request("CANCEL", cseq=number))
    assert scene.cancelled == [second, first, third]
    for number in (1, 2, 3):
        scene.receive(request("CANCEL", cseq=number))
    assert len(scene.cancelled) == 3


def test_a_cancel_is_repeated_beside_other_requests_of_a_reused_branch(scene: Scene) -> None:
    scene.receive(request())
    for number in (1, 2):
        scene.receive(request("OPTIONS", cseq=number))
    for _ in range(3):
        scene.receive(request("CANCEL"))
    assert scene.cancelled == [scene.servers[0]]


def test_a_late_cancel_does_not_cancel_the_next_invite_of_its_branch(scene: Scene) -> None:
    scene.receive(request())
    scene.respond(407)
    scene.receive(request("ACK", to_tag="ours"))
    scene.clock.advance(6)
    scene.receive(request(cseq=2))
    scene.receive(request("CANCEL"))
    assert scene.cancelled == [None]


@pytest.mark.parametrize("cseq", [2, 3])
def test_an_ack_and_a_cancel_with_a_number_of_their_own_still_match(
    scene: Scene, cseq: int
) -> None:
    """RFC 3261 17.2.3: their branch is enough, for some peers count on from the INVITE."""
    scene.receive(request())
    scene.receive(request("CANCEL", cseq=cseq))
    assert scene.cancelled == [scene.servers[0]]
    scene.respond(487, 0)
    scene.receive(request("ACK", cseq=cseq, to_tag="ours"))
    assert scene.servers[0].state is TransactionState.CONFIRMED


@pytest.mark.parametrize("method", METHODS)
def test_another_call_id_on_the_same_branch_is_another_transaction(
    scene: Scene, method: str
) -> None:
    """RFC 3261 8.1.1.4: "The Call-ID header field acts as a unique identifier to group together a
    series of messages." Some peers have one branch for all calls.
    """
    for call in (b"call-1@", b"call-2@"):
        for _ in range(2):
            scene.receive(bytes(request(method)).replace(b"call-1@", call))
    assert scene.passed == [method, method]
    scene.receive(bytes(request("CANCEL")).replace(b"call-1@", b"call-3@"))
    assert scene.cancelled == [None]


def test_a_stranger_cannot_supersede_a_call_without_its_call_id(scene: Scene) -> None:
    scene.receive(request())
    scene.receive(bytes(request(cseq=2)).replace(b"call-1@", b"x@"), STRANGER)
    scene.receive(request(), ALICE)
    assert scene.passed == ["INVITE", "INVITE"]


def test_a_repetition_with_an_unreadable_cseq_changes_nothing(scene: Scene) -> None:
    """An ACK or a repeat is matched by its branch, as RFC 3261 17.2.3 says."""
    scene.receive(request())
    scene.respond(486)
    scene.take()
    scene.receive(bytes(request()).replace(b"CSeq: 1 ", b"CSeq: one "))
    assert scene.take() == ["486 INVITE"]


def test_nothing_is_left_of_a_branch_that_was_reused_often(scene: Scene) -> None:
    for number in range(1, 50):
        scene.receive(request(cseq=number))
        scene.respond(486)
        scene.receive(request("OPTIONS", cseq=number))
        scene.respond(200)
        scene.receive(request("CANCEL", cseq=number))
        scene.respond(200)
    assert scene.alive == 3 * 49
    scene.clock.advance(100)
    assert scene.alive == 0
    assert not scene.layer._earlier_invites.keys
    assert not scene.layer._earlier_servers.keys
