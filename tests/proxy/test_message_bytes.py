"""What transactions keep is bounded in bytes, too: large messages leave room for small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.events import CallRefused
from sip_stager.proxy.bounds import SHARES, Bounds
from tests.support.conversation import ALICE_TCP, BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

LARGE = 60_000
ROOM = (SHARES + 10) * LARGE
"""Room for ten messages that are that large, and still for a thousand that are not."""
REASON = "Reason: SIP;text=" + "x" * LARGE
TCP = "SIP/2.0/TCP 192.0.2.1"


def call(number: int, size: int = LARGE) -> bytes:
    """Write the INVITE of one of many calls, of so many bytes."""
    spare = size - len(bytes(invite_of(number, 10_000))) + 10_000
    return bytes(invite_of(number, spare))


def invite_of(number: int, body: int) -> Request:
    return request(uri=f"sip:{number:08}@198.51.100.1", branch=f"z9hG4bK-call-{number:08}",
                   body="x" * body)  # fmt: skip


def later(method: str, number: int, body: int = LARGE) -> Request:
    return request(method, "sip:bob@192.0.2.2", branch=f"z9hG4bK-later-{number}", to_tag="bob",
                   cseq=number + 2, extra=(ROUTE,), body="x" * body)  # fmt: skip


def statuses(edge: Conversation) -> list[str]:
    return [sent.split()[1] for sent in edge.take()]


@pytest.fixture
def flooded() -> Conversation:
    """Let large INVITEs come that there is no room for."""
    edge = Conversation(bounds=Bounds(message_bytes=ROOM))
    for number in range(20):
        edge.receive(call(number))
    return edge


def test_an_invite_is_taken_that_is_small_beside_what_is_left(flooded: Conversation) -> None:
    assert statuses(flooded) == ["100"] * 10 + ["503"] * 10
    assert flooded.layer.message_bytes == 10 * LARGE
    assert {event.cause for event in flooded.of(CallRefused)} == {"overload"}


def test_where_large_calls_are_refused_small_ones_are_taken(flooded: Conversation) -> None:
    """RFC 3261 21.5.4: large INVITEs are refused while small ones find room."""
    flooded.take()
    for number in range(20, 1020):
        flooded.receive(call(number, size=1_500))
    assert statuses(flooded) == ["100"] * 1000


def test_the_log_says_what_there_is_too_much_of(flooded: Conversation) -> None:
    """RFC 3261 21.5.4: "in a Retry-After header field"."""
    refusal = flooded.last_response("alice")
    assert refusal.value(b"retry-after") == b"5"
    assert {one.text for one in flooded.of(CallRefused)} == {"too many bytes of messages"}


def test_when_large_calls_are_over_there_is_room_for_others(flooded: Conversation) -> None:
    """RFC 3261 21.5.4: "temporarily"."""
    for staging in flooded.stager.stagings:
        staging.fail()
    flooded.clock.advance(40)
    assert (flooded.alive, flooded.layer.message_bytes) == (0, 0)
    flooded.take()
    flooded.receive(call(99))
    assert statuses(flooded) == ["100"]


@pytest.mark.parametrize("method", ["INFO", "INVITE"])
def test_large_requests_of_dialogs_wait_above_twice_the_bound(method: str) -> None:
    """RFC 3261 21.5.4: large requests of dialogs are asked to wait above twice the bound in bytes.

    What belongs to a call that was taken may take what new calls may not.
    """
    edge = Conversation(bounds=Bounds(message_bytes=ROOM // 2))
    edge.receive(call(0))
    assert statuses(edge) == ["503"]
    for number in range(20):
        edge.receive(later(method, number))
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.value(b"retry-after")) == (503, b"5")
    assert 0 < edge.layer.message_bytes < 20 * LARGE
    edge.take()
    edge.receive(later("BYE", 200, body=0))
    assert edge.take() == ["bob BYE"]


def test_above_that_a_large_cancel_is_answered_and_forgotten() -> None:
    """RFC 3261 9.2: it makes room, so it is taken; its Reason is not worth what it would take."""
    edge = Conversation(bounds=Bounds(message_bytes=SHARES * LARGE // 2))
    invite = edge.forward(request())
    edge.take()
    for _ in range(2):
        edge.receive(request("CANCEL", extra=(REASON,)))
    assert not edge.layer.servers
    edge.receive(response(invite, 180), BOB)
    assert edge.take() == ["alice 200 CANCEL", "alice 200 CANCEL", "bob CANCEL", "alice 180 INVITE"]
    assert b"reason" not in edge.last_request("bob").names


def test_what_a_cancel_leaves_behind_weighs_on_its_call() -> None:
    """Its Reason waits for the callee's first response, its own transaction ends at once (TCP)."""
    edge = Conversation()
    edge.forward(request(via=TCP), ALICE_TCP)
    edge.receive(request("CANCEL", via=TCP, extra=(REASON,)), ALICE_TCP)
    edge.clock.advance(0.1)
    assert not edge.layer.servers
    assert edge.layer.message_bytes > LARGE


def test_an_answer_that_is_kept_to_be_repeated_weighs_as_well() -> None:
    edge = Conversation()
    bye = edge.relay(later("BYE", 1, body=0))
    edge.receive(response(bye, 200, body="x" * LARGE), BOB)
    assert edge.layer.message_bytes > LARGE
    edge.clock.advance(40)
    assert edge.layer.message_bytes == 0
