"""A request of a dialog that is not an INVITE, where something goes wrong on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ROUTE, Conversation
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def bye(uri: str = "sip:bob@192.0.2.2", route: str = ROUTE) -> Request:
    return request("BYE", uri, to_tag="bob", cseq=2, extra=(route,))


def test_an_ack_to_a_contact_without_an_address_is_dropped(edge: Conversation) -> None:
    edge.receive(request("ACK", "sip:bob@nowhere.example", to_tag="bob", extra=(ROUTE,)))
    edge.clock.advance(0.1)
    assert edge.take() == []
    assert edge.dropped == ["unroutable"]


def test_a_from_that_can_not_be_read_is_answered_400_on_a_new_call(edge: Conversation) -> None:
    edge.receive(bytes(request()).replace(b'From: "Alice"', b'From: "Alice'))
    assert edge.take() == ["alice 400 INVITE"]


def test_a_to_that_can_not_be_read_is_answered_400(edge: Conversation) -> None:
    asked = bytes(request("OPTIONS")).replace(b"To: <", b'To: "<')
    edge.receive(asked)
    assert edge.take() == ["alice 400 OPTIONS"]
    assert "own_mistake" not in edge.dropped
