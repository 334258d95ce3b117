"""What the proxy keeps of a message, what it removes, and what it answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.message_trace import TracedMessage
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

# The fields that a proxy changes (RFC 3261 16.6); all other lines must be forwarded unchanged.
_CHANGED_FIELDS = (
    "via",
    "v",
    "max-forwards",
    "max-breadth",
    "record-route",
    "route",
    "x-rounded-call-id",
)


def unchanged_lines(message: TracedMessage) -> list[bytes]:
    """Return the header lines that a proxy must not change."""
    return [
        line
        for line in message.head
        if line.split(b":")[0].strip().decode().lower() not in _CHANGED_FIELDS
    ]


@pytest.mark.parametrize("_shared_scene", ["udp", "tcp"], indirect=True)
@pytest.mark.parametrize("incoming", ["udp", "tcp"])
def test_all_other_bytes_are_forwarded_unchanged(shared_scene: Scene, incoming: str) -> None:
    callee = shared_scene.callee("callee_answers")
    caller = shared_scene.caller("caller_folds", transport=incoming)
    caller.finish()
    callee.finish()
    (sent,), (received,) = caller.sent("INVITE"), callee.received("INVITE")
    assert unchanged_lines(received) == unchanged_lines(sent)
    assert received.body == sent.body
    assert any(b"\r\n" in line for line in unchanged_lines(received)), "nothing was folded"


def test_staged_ids_of_the_caller_are_replaced_by_ours(shared_scene: Scene) -> None:
    callee = shared_scene.callee("callee_answers")
    shared_scene.caller("caller_smuggles").finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    assert len(invite.values("X-Rounded-Call-Id")) == 1
    assert b"forged" not in invite.data
    assert invite.values("X-Kept") == ["X-Rounded-Call-Id: kept"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_options_to_the_proxy_is_answered(shared_scene: Scene, transport: str) -> None:
    caller = shared_scene.caller("caller_asks", transport=transport, method="OPTIONS", status="200")
    caller.finish()


def test_a_method_that_starts_no_call_is_not_allowed(shared_scene: Scene) -> None:
    caller = shared_scene.caller("caller_asks", method="REGISTER", status="405")
    caller.finish()
    (refusal,) = caller.received("405")
    assert "INVITE" in refusal.values("Allow")[0]
