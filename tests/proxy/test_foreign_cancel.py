"""A CANCEL ends the INVITE of its own peer alone."""

from __future__ import annotations

import pytest

from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.support.calls import answer, called, ended
from tests.support.conversation import ALICE, CAROL, DAVE, Conversation
from tests.support.messages import request


@pytest.fixture
def edge() -> Conversation:
    edge = Conversation()
    edge.admission.one_trunk = {ALICE.host, DAVE.host}
    return edge


def cancel(**replaced: str) -> Request:
    """Return alice's CANCEL with parts of it replaced."""
    data = bytes(request("CANCEL")).decode()
    for old, new in replaced.items():
        data = data.replace(old, new)
    message = parse(data.encode())
    assert isinstance(message, Request)
    return message


def test_a_cancel_from_elsewhere_ends_no_call(edge: Conversation) -> None:
    """RFC 3261 9.2: whoever saw the INVITE could end the call with a copy of its Via otherwise."""
    bob = called(edge)
    answer(edge, bob, 180)
    edge.receive(request("CANCEL"), CAROL)
    assert edge.take() == ["carol 481 CANCEL"]
    assert answer(edge, bob, 200) == ["alice 200 INVITE"]
    assert ended(edge)


def test_a_cancel_from_another_address_of_the_trunk_ends_the_call(edge: Conversation) -> None:
    """RFC 3261 9.2: a carrier may send it by another of its machines."""
    answer(edge, called(edge), 180)
    edge.receive(request("CANCEL"), DAVE)
    assert edge.take() == ["dave 200 CANCEL", "bob CANCEL"]


@pytest.mark.parametrize(
    "replaced",
    [
        {"tag=alice": "tag=mallory"},
        {";tag=alice": ""},
        {"call-1@": "call-2@"},
    ],
)
def test_a_cancel_with_another_from_tag_or_call_id_ends_no_call(
    edge: Conversation, replaced: dict[str, str]
) -> None:
    """RFC 3261 9.1: "The Request-URI, Call-ID, To, the numeric part of CSeq, and From header fields
    in the CANCEL request MUST be identical to those in the request being cancelled, including
    tags."
    """
    answer(edge, called(edge), 180)
    edge.receive(cancel(**replaced))
    assert edge.take() == ["alice 481 CANCEL"]
    edge.receive(request("CANCEL"))  # and the right one still does
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]


def test_a_call_that_is_being_staged_is_protected_too(edge: Conversation) -> None:
    edge.receive(request())
    edge.take()
    edge.receive(request("CANCEL"), CAROL)
    assert edge.take() == ["carol 481 CANCEL"]
    assert not edge.stager.stagings[-1].cancelled
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]


def test_a_second_copy_is_protected_too(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(request(branch="z9hG4bK-alice-2"))
    edge.take()
    edge.receive(request("CANCEL", branch="z9hG4bK-alice-2"), CAROL)
    assert edge.take() == ["carol 481 CANCEL"]
    edge.receive(request("CANCEL", branch="z9hG4bK-alice-2"))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]
