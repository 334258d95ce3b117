"""Session timers are agreed between the two ends: their fields pass unchanged (RFC 4028 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ALICE, BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Message

TIMED = {b"session-expires", b"min-se", b"supported", b"require"}
ASKED = [
    ("Session-Expires: 90;refresher=uac", "Min-SE: 90", "Supported: timer, replaces"),
    ("x: 90", "min-se:  90 ;extra=1", "k: timer"),
    ("Supported: timer", "SESSION-EXPIRES:\t1800\r\n ;refresher=uas"),
    ("Session-Expires: 90", "Require: timer"),
]
TOO_SMALL = ("Min-SE: 1800",)
AGREED = ("Session-Expires: 1800;refresher=uas", "Require: timer", "Supported: timer")


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def timed(message: Message) -> list[str]:
    """The fields of a session timer, byte for byte."""
    pairs = zip(message.names, message.fields, strict=True)
    return [field.decode() for name, field in pairs if name in TIMED]


def up(edge: Conversation) -> None:
    """Place a call that is answered and acknowledged."""
    forwarded = edge.forward(request(extra=("Supported: timer",)))
    edge.receive(response(forwarded, 200), BOB)
    edge.take()


def later(method: str, of: Flow, *fields: str) -> bytes:
    """Return a request of the call, from either side."""
    uri = "sip:bob@192.0.2.2" if of == ALICE else "sip:alice@192.0.2.1"
    via = f"SIP/2.0/UDP {of.host}:5060"
    extra = ROUTE, *fields
    asked = bytes(request(method, uri, to_tag="bob", branch="z9hG4bK-2", via=via, extra=extra))
    if of == ALICE:
        return asked
    swapped = asked.replace(b";tag=alice", b";tag=?").replace(b";tag=bob", b";tag=alice")
    return swapped.replace(b";tag=?", b";tag=bob")


@pytest.mark.parametrize("fields", ASKED)
def test_session_timer_fields_of_an_invite_are_forwarded_unchanged(
    edge: Conversation, fields: tuple[str, ...]
) -> None:
    """RFC 4028 8.1: a proxy may insert or reduce an interval; we keep no dialogs, and need none."""
    assert timed(edge.forward(request(extra=fields))) == list(fields)


def test_session_timer_fields_of_a_response_are_passed_back_unchanged(edge: Conversation) -> None:
    """RFC 4028 8.2."""
    forwarded = edge.forward(request(extra=ASKED[0]))
    edge.receive(response(forwarded, 200, extra=AGREED), BOB)
    assert timed(edge.last_response("alice")) == list(AGREED)


def test_a_422_is_passed_back_and_the_call_may_be_repeated(
    edge: Conversation,
) -> None:
    """RFC 4028 7.3: a 422 goes back to the caller, and "the UAC MAY retry the request": it is
    staged afresh, see ``test_unused_stagings``.
    """
    forwarded = edge.forward(request(extra=ASKED[0]))
    edge.receive(response(forwarded, 422, extra=TOO_SMALL), BOB)
    refused = edge.last_response("alice")
    assert (refused.status, timed(refused)) == (422, list(TOO_SMALL))
    edge.receive(request("ACK", to_tag="bob"))
    longer = "Session-Expires: 1800", "Min-SE: 1800", "Supported: timer"
    edge.receive(request(branch="z9hG4bK-alice-2", cseq=2, extra=longer))
    edge.stager.stagings[-1].succeed("call-2")
    again = edge.last_request("bob")
    assert timed(again) == list(longer)
    assert [forward.staged_id for _, forward in edge.stager.returned_unused] == []
    assert [forwarded.value(b"x-rounded-call-id"), again.value(b"x-rounded-call-id")] == [
        b"call-1",
        b"call-2",
    ]


@pytest.mark.parametrize(("status", "said"), [(422, TOO_SMALL), (200, AGREED)])
@pytest.mark.parametrize(("asking", "asked"), [(ALICE, BOB), (BOB, ALICE)])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_either_side_can_refresh_the_session(
    edge: Conversation, method: str, asking: Flow, asked: Flow, status: int, said: tuple[str, ...]
) -> None:
    """RFC 4028 7.4: refreshes are INVITE or UPDATE, and the refresher is either side."""
    names = {ALICE: "alice", BOB: "bob"}
    up(edge)
    edge.receive(later(method, asking, *ASKED[0]), asking)
    refresh = edge.last_request(names[asked])
    assert timed(refresh) == list(ASKED[0])
    edge.receive(response(refresh, status, extra=said), asked)
    heard = edge.last_response(names[asking])
    assert (heard.status, timed(heard)) == (status, list(said))
