"""Peers that send a later INVITE with the branch of an earlier one (RFC 3261 17.2.3)."""

from __future__ import annotations

import pytest

from sip_stager.events import CallEnded
from tests.support.calls import answer, called, ended
from tests.support.conversation import BOB, ROUTE, Conversation
from tests.support.messages import request, response

CREDENTIALS = 'Proxy-Authorization: Digest username="a"'


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def test_an_invite_with_credentials_on_the_same_branch_is_a_call(edge: Conversation) -> None:
    """RFC 3261 22.2: "the UAC MUST increment the CSeq header field value as it would normally when
    sending an updated request".
    """
    invite = called(edge)
    challenge = ('Proxy-Authenticate: Digest realm="x"',)
    assert answer(edge, invite, 407, extra=challenge) == ["bob ACK", "alice 407 INVITE"]
    edge.receive(request("ACK", to_tag="bob"))
    edge.receive(request(cseq=2, extra=(CREDENTIALS,)))
    assert edge.take() == ["alice 100 INVITE"]
    edge.stager.stagings[-1].succeed("call-2")
    edge.take()
    again = edge.last_request("bob")
    assert again.value(b"proxy-authorization") is not None
    edge.receive(request())
    edge.receive(request("ACK", to_tag="bob"))
    assert edge.take() == []
    assert answer(edge, again, 200) == ["alice 200 INVITE"]
    assert [event.status for event in edge.of(CallEnded)] == [407, 200]
    assert ended(edge)


def test_a_re_invite_on_the_branch_of_its_dialogs_invite_is_forwarded(edge: Conversation) -> None:
    invite = called(edge)
    answer(edge, invite, 200)
    contact = "sip:bob@192.0.2.2"
    edge.receive(request("INVITE", contact, cseq=2, to_tag="bob", extra=(ROUTE,)))
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    again = edge.last_request("bob")
    edge.receive(request("INVITE", contact, cseq=2, to_tag="bob", extra=(ROUTE,)))
    assert edge.take() == ["alice 100 INVITE"]
    assert answer(edge, again, 200) == ["alice 200 INVITE"]
    assert edge.last_response("alice").cseq == (2, b"INVITE")
    for number in (1, 2):
        edge.receive(request("ACK", contact, cseq=number, to_tag="bob", extra=(ROUTE,)))
        assert edge.take() == ["bob ACK"]
        assert edge.last_request("bob").cseq == (number, b"ACK")
    edge.receive(response(invite, 200), BOB)
    assert edge.take() == ["alice 200 INVITE"]
    assert edge.last_response("alice").cseq == (1, b"INVITE")
    assert ended(edge)


def test_the_cancel_of_a_re_invite_leaves_the_call_alone(edge: Conversation) -> None:
    answer(edge, called(edge), 200)
    again = request("INVITE", "sip:bob@192.0.2.2", cseq=2, to_tag="bob", extra=(ROUTE,))
    edge.receive(again)
    answer(edge, edge.last_request("bob"), 180)
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL"]
    edge.receive(request("CANCEL", cseq=2, to_tag="bob"))
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]


def test_a_later_request_of_a_dialog_on_the_same_branch_is_forwarded(edge: Conversation) -> None:
    """The response to the first would not be one to the second."""
    answer(edge, called(edge), 200)
    for number, method in ((2, "INFO"), (3, "INFO"), (4, "BYE")):
        later = request(method, "sip:bob@192.0.2.2", cseq=number, to_tag="bob", extra=(ROUTE,))
        edge.receive(later)
        assert edge.take() == [f"bob {method}"]
        assert answer(edge, edge.last_request("bob"), 200) == [f"alice 200 {method}"]
        assert edge.last_response("alice").cseq[0] == number
        edge.receive(later)
        assert edge.take() == [f"alice 200 {method}"]
    assert ended(edge)


def test_two_invites_on_one_branch_are_staged_and_cancelled_apart(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(request(cseq=2))
    assert len(edge.stager.stagings) == 2
    edge.take()
    edge.receive(request("CANCEL", cseq=2))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]
    assert edge.last_response("alice").cseq == (2, b"INVITE")
    assert [staging.cancelled for staging in edge.stager.stagings] == [False, True]
    edge.stager.stagings[0].succeed()
    assert answer(edge, edge.last_request("bob"), 200)[-1] == "alice 200 INVITE"
    assert edge.last_response("alice").cseq == (1, b"INVITE")


def test_calls_with_one_branch_for_all_are_calls(edge: Conversation) -> None:
    for call in (b"call-1@", b"call-2@"):
        edge.receive(bytes(request()).replace(b"call-1@", call))
    assert [staging.call.call_id for staging in edge.stager.stagings] == [
        "call-1@192.0.2.1", "call-2@192.0.2.1",
    ]  # fmt: skip


def test_calls_on_reused_branches_end_when_the_program_stops(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(request(cseq=2))
    assert edge.shutdown.pending == 2
    edge.take()
    edge.shutdown.end_calls()
    assert edge.take() == ["alice 503 INVITE", "alice 503 INVITE"]
