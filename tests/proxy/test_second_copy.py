"""The same INVITE by a second path: a fork that merged, or a call that is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.calls.second_copy import COPY_TIMEOUT
from sip_stager.proxy.bounds import Bounds
from tests.support.conversation import ALICE, BOB, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def copy(method: str = "INVITE", branch: str = "z9hG4bK-other-way") -> Request:
    """Return alice's request as it comes by a second path."""
    return request(method, branch=branch, via="SIP/2.0/UDP 192.0.2.9")


@pytest.mark.parametrize("branch", ["z9hG4bK-other-way", "old-style"])
def test_a_second_copy_is_answered_482(edge: Conversation, branch: str) -> None:
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


def test_a_copy_of_an_answered_call_is_not_merged(edge: Conversation) -> None:
    """RFC 3261 8.2.2.2: the rule is for "an ongoing transaction", and an answered one is over."""
    edge.receive(response(edge.forward(request()), 486), BOB)
    edge.take()
    edge.receive(request(branch="z9hG4bK-again"))
    assert edge.take() == ["alice 100 INVITE"]


def test_a_second_copy_is_admitted_if_the_first_is_cancelled_right_behind(
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


def test_a_second_copy_is_admitted_although_the_first_still_rings_upstream(
    edge: Conversation,
) -> None:
    """RFC 3261 9.2: after a CANCEL the first copy is not awaited, however long the callee takes."""
    edge.receive(response(edge.forward(request()), 180), BOB)
    edge.take()
    edge.receive(copy())
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "bob CANCEL"]
    edge.clock.advance(COPY_TIMEOUT)
    edge.stager.stagings[1].succeed()
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]


def test_a_copy_right_behind_the_cancel_is_admitted(edge: Conversation) -> None:
    first = edge.forward(request())
    edge.receive(response(first, 180), BOB)
    edge.receive(request("CANCEL"))
    edge.take()
    edge.receive(copy())
    assert edge.take() == ["alice 100 INVITE"]
    edge.receive(response(first, 487), BOB)
    edge.receive(copy(branch="z9hG4bK-third-way"))
    edge.clock.advance(COPY_TIMEOUT)
    assert "alice 482 INVITE" in edge.take()  # of the second, which is forwarded


def test_a_copy_that_is_cancelled_itself_ends_with_487(edge: Conversation) -> None:
    """RFC 3261 9.2: "respond to the original request with a 487"."""
    edge.receive(request())
    edge.receive(copy())
    edge.take()
    edge.receive(copy("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]
    edge.receive(request("CANCEL"))
    edge.clock.advance(COPY_TIMEOUT)
    assert len(edge.stager.stagings) == 1


def test_a_copy_above_the_limit_is_answered_at_once() -> None:
    edge = Conversation(bounds=Bounds(transactions=1))
    edge.receive(request())
    edge.receive(copy())
    assert edge.take() == ["alice 100 INVITE", "alice 482 INVITE"]


def test_a_copy_whose_transaction_has_ended_begins_no_call(edge: Conversation) -> None:
    edge.receive(request())
    edge.receive(copy())
    edge.receive(request("CANCEL"))
    (*_, waiting) = edge.layer.invite_servers.values()
    waiting.terminate()
    edge.clock.advance(COPY_TIMEOUT)
    assert len(edge.stager.stagings) == 1
