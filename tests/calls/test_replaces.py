"""RFC 3891 and 3911: new INVITEs that replace or join another dialog are not staged."""

from __future__ import annotations

import pytest

from sip_stager.events import CallAdmitted, CallEnded, InviteForwarded
from sip_stager.model.vocabulary import CallOutcome
from sip_stager.proxy.bounds import Bounds
from tests.support.calls import answer, ended
from tests.support.conversation import BOB, CAROL, ROUTE, STRANGER, Conversation
from tests.support.messages import request, response

REPLACES = "Replaces: 98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff"


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


@pytest.mark.parametrize(
    "field",
    [
        REPLACES,
        REPLACES + ";early-only",
        REPLACES.replace("Replaces:", "rEPLACES  :"),
        REPLACES.replace("Replaces: ", "REPLACES:\r\n "),
        REPLACES.replace(";from", "\r\n\t; from"),
        "Replaces: 1@a;to-tag=2",
        "Join: 12adf2f34456gs5;to-tag=12345;from-tag=54321",
    ],
)
def test_an_invite_with_replaces_is_forwarded_without_staging(
    edge: Conversation, field: str
) -> None:
    """RFC 3891 1: such an INVITE takes over a dialog, whose agent is there already, so no other is
    staged. The field itself passes byte for byte.
    """
    edge.receive(request(extra=(field, "X-Rounded-Call-Id: theirs")))
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    assert edge.stager.stagings == []
    forwarded = edge.last_request("bob")
    assert field.encode() in bytes(forwarded)
    assert b"x-rounded-call-id" not in forwarded.names
    assert b"record-route" in forwarded.names
    assert answer(edge, forwarded, 200) == ["alice 200 INVITE"]
    assert [event.call.agent_id for event in edge.of(CallAdmitted)] == [""]
    assert [event.staged_id for event in edge.of(InviteForwarded)] == [""]
    assert [event.outcome for event in edge.of(CallEnded)] == [CallOutcome.ANSWERED]
    assert ended(edge)


@pytest.mark.parametrize(
    "field",
    ["Replaces:", "Replaces: \r\n ", "Supported: replaces", "Require: replaces", "X-Replaces: 1"],
)
def test_an_invite_that_replaces_nothing_is_staged(edge: Conversation, field: str) -> None:
    edge.forward(request(extra=(field,)))
    assert edge.relayed.value(b"x-rounded-call-id") == b"call-1"


def test_replaces_needs_no_room_among_the_calls_being_staged() -> None:
    edge = Conversation(bounds=Bounds(calls_staging=1))
    edge.receive(request())
    replaced = request(branch="z9hG4bK-2", cseq=2, extra=(REPLACES,))
    edge.receive(replaced)
    assert edge.take() == ["alice 100 INVITE", "alice 100 INVITE", "bob INVITE"]


def test_replaces_admits_neither_strangers_nor_unmapped_numbers(edge: Conversation) -> None:
    edge.receive(request(extra=(REPLACES,)), STRANGER)
    edge.receive(request(uri="sip:404@198.51.100.1", branch="z9hG4bK-2", extra=(REPLACES,)))
    assert edge.take() == ["stranger 403 INVITE", "alice 404 INVITE"]


def test_the_upstream_decides_on_a_dialog_to_replace() -> None:
    """RFC 3891 3: "If no match is found, the UAS rejects the INVITE and returns a 481
    Call/Transaction Does Not Exist response." Another target may have the dialog.
    """
    edge = Conversation(backups=("sip:192.0.2.3",))
    edge.receive(request(extra=(REPLACES,)))
    edge.take()
    assert answer(edge, edge.last_request("bob"), 481) == ["bob ACK", "carol INVITE"]
    assert edge.last_request("carol").value(b"replaces") is not None
    assert answer(edge, edge.last_request("carol"), 200, CAROL) == ["alice 200 INVITE"]


def test_a_call_that_replaces_another_is_cancelled_and_its_dialog_goes_on(
    edge: Conversation,
) -> None:
    edge.receive(request(extra=(REPLACES,)))
    invite = edge.last_request("bob")
    answer(edge, invite, 180)
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]
    assert answer(edge, invite, 487) == ["bob ACK", "alice 487 INVITE"]
    edge.receive(request(branch="z9hG4bK-2", cseq=2, extra=(REPLACES,)))
    edge.take()
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    bye = request(
        "BYE", "sip:bob@192.0.2.2", branch="z9hG4bK-3", cseq=3, to_tag="bob", extra=(ROUTE,)
    )
    edge.take()
    edge.receive(bye)
    assert edge.take() == ["bob BYE"]
