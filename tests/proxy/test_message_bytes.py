"""The memory of transactions is bounded, too: large messages leave room for small ones."""

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
"""Room for ten large messages, and still for a thousand small ones."""
REASON = "Reason: SIP;text=" + "x" * LARGE
TCP = "SIP/2.0/TCP 192.0.2.1"


def call(number: int, size: int = LARGE) -> bytes:
    """Return the INVITE of one of many calls, with so many bytes."""
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
    """Send more large INVITEs than there is room for."""
    edge = Conversation(bounds=Bounds(message_bytes=ROOM))
    for number in range(20):
        edge.receive(call(number))
    return edge


def test_an_invite_is_admitted_if_it_is_small_beside_the_free_memory(flooded: Conversation) -> None:
    assert statuses(flooded) == ["100"] * 10 + ["503"] * 10
    assert flooded.layer.message_bytes == 10 * LARGE
    assert {event.cause for event in flooded.of(CallRefused)} == {"overload"}


def test_small_calls_are_admitted_when_large_ones_are_refused(flooded: Conversation) -> None:
    """RFC 3261 21.5.4: large INVITEs are refused while small ones find room."""
    flooded.take()
    for number in range(20, 1020):
        flooded.receive(call(number, size=1_500))
    assert statuses(flooded) == ["100"] * 1000


def test_the_log_names_the_bound_that_was_exceeded(flooded: Conversation) -> None:
    """RFC 3261 21.5.4: "in a Retry-After header field"."""
    refusal = flooded.last_response("alice")
    assert refusal.value(b"retry-after") == b"5"
    assert {one.text for one in flooded.of(CallRefused)} == {"too many bytes of messages"}


def test_there_is_room_again_when_large_calls_end(flooded: Conversation) -> None:
    """RFC 3261 21.5.4: "temporarily"."""
    for staging in flooded.stager.stagings:
        staging.fail()
    flooded.clock.advance(40)
    assert (flooded.alive, flooded.layer.message_bytes) == (0, 0)
    flooded.take()
    flooded.receive(call(99))
    assert statuses(flooded) == ["100"]


@pytest.mark.parametrize("method", ["INFO", "INVITE"])
def test_large_requests_of_dialogs_are_refused_above_twice_the_bound(method: str) -> None:
    """RFC 3261 21.5.4: large requests of dialogs are refused above twice the bound in bytes.

    Requests of accepted calls may use memory that new calls may not.
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


def test_above_twice_the_bound_a_large_cancel_is_answered_statelessly() -> None:
    """RFC 3261 9.2: it makes room, so it is accepted; its Reason is not kept."""
    edge = Conversation(bounds=Bounds(message_bytes=SHARES * LARGE // 2))
    invite = edge.forward(request())
    edge.take()
    for _ in range(2):
        edge.receive(request("CANCEL", extra=(REASON,)))
    assert not edge.layer.servers
    edge.receive(response(invite, 180), BOB)
    assert edge.take() == ["alice 200 CANCEL", "alice 200 CANCEL", "bob CANCEL", "alice 180 INVITE"]
    assert b"reason" not in edge.last_request("bob").names


def test_the_reason_of_a_cancel_is_charged_to_its_call() -> None:
    """The Reason is kept until the callee's first response; over TCP the CANCEL's own transaction
    ends at once.
    """
    edge = Conversation()
    edge.forward(request(via=TCP), ALICE_TCP)
    edge.receive(request("CANCEL", via=TCP, extra=(REASON,)), ALICE_TCP)
    edge.clock.advance(0.1)
    assert not edge.layer.servers
    assert edge.layer.message_bytes > LARGE


def test_a_response_kept_for_retransmission_is_charged_too() -> None:
    edge = Conversation()
    bye = edge.relay(later("BYE", 1, body=0))
    edge.receive(response(bye, 200, body="x" * LARGE), BOB)
    assert edge.layer.message_bytes > LARGE
    edge.clock.advance(40)
    assert edge.layer.message_bytes == 0
