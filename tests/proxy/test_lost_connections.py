"""Callers whose TCP connection is lost during a call, and who repeat their request on a new one."""

from __future__ import annotations

import pytest

from tests.support.calls import answer
from tests.support.conversation import ALICE_TCP, ROUTE, Conversation
from tests.support.messages import request

RECONNECTED = ALICE_TCP._replace(port=40001, connection=8)
VIA = "SIP/2.0/TCP 192.0.2.1:5060"
LOST = "connection reset"


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def test_an_invite_repeated_on_a_new_connection_is_answered_there(edge: Conversation) -> None:
    """RFC 3261 18.2.2: the call is staged once, and its responses go where the caller is."""
    invite = request(via=VIA)
    edge.receive(invite, ALICE_TCP)
    edge.layer.flow_lost(ALICE_TCP, LOST)
    edge.receive(invite, RECONNECTED)
    assert edge.take() == ["alice 100 INVITE", "alice 100 INVITE"]
    assert edge.flow.connection == 8
    assert len(edge.stager.stagings) == 1
    edge.stager.stagings[0].succeed()
    edge.take()
    forwarded = edge.last_request("bob")
    for status in (180, 200):
        assert answer(edge, forwarded, status) == [f"alice {status} INVITE"]
        assert (edge.flow.transport, edge.flow.connection) == ("TCP", 8)


def test_a_cancel_on_a_new_connection_is_answered_there_with_the_487(edge: Conversation) -> None:
    edge.receive(request(via=VIA), ALICE_TCP)
    edge.layer.flow_lost(ALICE_TCP, LOST)
    edge.take()
    edge.receive(request("CANCEL", via=VIA), RECONNECTED)
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]
    assert [flow.connection for _, flow in edge.transport.sent[-2:]] == [8, 8]


def test_a_bye_repeated_on_a_new_connection_is_answered_there(edge: Conversation) -> None:
    answer(edge, edge.forward(request(via=VIA), ALICE_TCP), 200)
    bye = request(
        "BYE", "sip:bob@192.0.2.2", via=VIA, branch="z9hG4bK-bye", cseq=2, to_tag="bob",
        extra=(ROUTE,),
    )  # fmt: skip
    edge.receive(bye, ALICE_TCP)
    edge.receive(bye, RECONNECTED)
    assert edge.take()[-1:] == ["bob BYE"]
    assert answer(edge, edge.last_request("bob"), 200) == ["alice 200 BYE"]
    assert edge.flow.connection == 8
