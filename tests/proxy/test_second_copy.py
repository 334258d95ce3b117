"""The same INVITE by a second way: a fork that came together, or a call that is tried once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.proxy.bounds import Bounds
from sip_stager.proxy.second_copy import COPY_TIMEOUT
from tests.support.conversation import ALICE, BOB, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def copy(method: str = "INVITE", branch: str = "z9hG4bK-other-way") -> Request:
    """Write alice's request as it comes by a second way."""
    return request(method, branch=branch, via="SIP/2.0/UDP 192.0.2.9")


@pytest.mark.parametrize("branch", ["z9hG4bK-other-way", "old-style"])
def test_a_call_that_comes_by_a_second_way_is_answered_482(edge: Conversation, branch: str) -> None:
    """RFC 3261 8.2.2.2: "If the From tag, Call-ID, and CSeq exactly match those associated with an
    ongoing transaction, but the request does not match that transaction [...] the UAS core SHOULD
    generate a 482 (Loop Detected) response."
    """
    edge.forward(request())
    edge.take()
    edge.receive(copy(branch=branch), ALICE)
    edge.clock.advance(COPY_TIMEOUT)
    assert edge.take() == ["alice 482 INVITE"]
    assert len(edge.stager.stagings) == 1


def test_a_call_whose_first_copy_is_answered_is_no_merged_one(edge: Conversation) -> None:
    """RFC 3261 8.2.2.2: the rule is for "an ongoing transaction"; what is answered merges with
    nothing.
    """
    edge.receive(response(edge.forward(request()), 486), BOB)
    edge.take()
    edge.receive(request(branch="z9hG4bK-again"))
    assert edge.take() == ["alice 100 INVITE"]


def test_a_call_whose_first_copy_is_cancelled_right_behind_the_second_is_taken(
    edge: Conversation,
) -> None:
    """RFC 3261 16.3: a proxy "MUST NOT treat merged requests as an error": one that tries a call
    again sends the two in this order.
    """
    edge.receive(request())
    edge.receive(copy())
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]
    edge.clock.advance(COPY_TIMEOUT)
    edge.stager.stagings[1].succeed()
    assert "bob INVITE" in edge.take()


def test_so_is_one_whose_first_copy_rings_upstream_and_is_not_ended_there_yet(
    edge: Conversation,
) -> None:
    """RFC 3261 9.2: who cancels wants no answer any more, however long the callee takes to say
    so.
    """
    edge.receive(response(edge.forward(request()), 180), BOB)
    edge.take()
    edge.receive(copy())
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]
    edge.clock.advance(COPY_TIMEOUT)
    edge.stager.stagings[1].succeed()
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]


def test_and_one_that_comes_right_behind_the_cancel(edge: Conversation) -> None:
    first = edge.forward(request())
    edge.receive(response(first, 180), BOB)
    edge.receive(request("CANCEL"))
    edge.take()
    edge.receive(copy())
    assert edge.take() == ["alice 100 INVITE"]
    edge.receive(response(first, 487), BOB)
    edge.receive(copy(branch="z9hG4bK-third-way"))
    edge.clock.advance(COPY_TIMEOUT)
    assert "alice 482 INVITE" in edge.take()  # of the second, which goes on


def test_a_copy_that_is_cancelled_itself_is_over(edge: Conversation) -> None:
    """RFC 3261 9.2: "respond to the original request with a 487"."""
    edge.receive(request())
    edge.receive(copy())
    edge.take()
    edge.receive(copy("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]
    edge.receive(request("CANCEL"))
    edge.clock.advance(COPY_TIMEOUT)
    assert len(edge.stager.stagings) == 1


def test_a_copy_that_there_is_no_room_for_is_answered_at_once() -> None:
    edge = Conversation(bounds=Bounds(transactions=1))
    edge.receive(request())
    edge.receive(copy())
    assert edge.take() == ["alice 100 INVITE", "alice 482 INVITE"]


def test_a_copy_whose_transaction_is_over_begins_no_call(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(copy())
    edge.receive(request("CANCEL"))
    (*_, waiting) = edge.layer.invite_servers.values()
    waiting.terminate()
    edge.clock.advance(COPY_TIMEOUT)
    assert len(edge.stager.stagings) == 1
