"""What the proxy leaves alone in a message, what it takes out, and what it answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.message_trace import Traced
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

# A proxy's business (RFC 3261 16.6): all other lines must come out as they went in.
_OURS = ("via", "v", "max-forwards", "max-breadth", "record-route", "route", "x-rounded-call-id")


def kept(message: Traced) -> list[bytes]:
    """Return the header lines that are not a proxy's business, byte for byte."""
    return [
        line for line in message.head if line.split(b":")[0].strip().decode().lower() not in _OURS
    ]


@pytest.mark.parametrize("_usual", ["udp", "tcp"], indirect=True)
@pytest.mark.parametrize("incoming", ["udp", "tcp"])
def test_bytes_that_are_not_ours_go_through_untouched(usual: Scene, incoming: str) -> None:
    callee = usual.callee("callee_answers")
    caller = usual.caller("caller_folds", transport=incoming)
    caller.finish()
    callee.finish()
    (sent,), (received,) = caller.sent("INVITE"), callee.received("INVITE")
    assert kept(received) == kept(sent)
    assert received.body == sent.body
    assert any(b"\r\n" in line for line in kept(received)), "nothing was folded"


def test_ids_that_the_caller_brings_are_replaced_by_ours(usual: Scene) -> None:
    callee = usual.callee("callee_answers")
    usual.caller("caller_smuggles").finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    assert len(invite.values("X-Rounded-Call-Id")) == 1
    assert b"forged" not in invite.data
    assert invite.values("X-Kept") == ["X-Rounded-Call-Id: kept"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_options_to_the_proxy_is_answered(usual: Scene, transport: str) -> None:
    caller = usual.caller("caller_asks", transport=transport, method="OPTIONS", status="200")
    caller.finish()


def test_a_method_that_starts_no_call_is_not_allowed(usual: Scene) -> None:
    caller = usual.caller("caller_asks", method="REGISTER", status="405")
    caller.finish()
    (refusal,) = caller.received("405")
    assert "INVITE" in refusal.values("Allow")[0]
