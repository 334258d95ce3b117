"""The layer without transactions: messages dropped and rejected, and routes of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.message import Response
from sip_stager.sip.parser import parse
from tests.support.conversation import ALICE, ALICE_TCP, STRANGER
from tests.support.messages import request

if TYPE_CHECKING:
    from tests.transaction.layer_scene import Scene


def test_a_message_that_cannot_be_answered_is_dropped(scene: Scene) -> None:
    for data in (
        b"\xff" * 100,
        bytes(request()).replace(b"Via:", b"X-Via:"),
        bytes(request()).replace(b"SIP/2.0/UDP", b"SIP/UDP"),
        bytes(request()).replace(b"\r\nVia:", b"\nX-Via:"),
    ):
        scene.receive(data)
    assert scene.dropped == ["malformed"] * 4
    assert scene.take() == scene.passed == []


@pytest.mark.parametrize(
    ("found", "written", "status"),
    [
        (b"CSeq: 1 INVITE", b"CSeq: 1 BYE", 400),
        (b"INVITE sip:+33612345678@198.51.100.1 SIP/2.0", b"INVITE sip:a@b SIP/9.0", 505),
        (b"Call-ID:", b"X:", 400),
        (b"Content-Length: 0", b"Content-Length: 1", 400),
    ],
)
def test_an_invalid_request_is_rejected_without_a_transaction(
    scene: Scene, found: bytes, written: bytes, status: int
) -> None:
    data = bytes(request()).replace(found, written)
    scene.receive(data, STRANGER)
    answer = parse(scene.transport.sent[-1][0])
    assert isinstance(answer, Response)
    assert answer.status == status
    assert answer.to_tag
    assert (answer.value(b"warning") or b"").startswith(b'399 sip-stager "')
    assert scene.transport.sent[-1][1].host == STRANGER.host
    assert scene.dropped == ["malformed"]
    assert scene.alive == 0


def test_an_ack_is_never_answered(scene: Scene) -> None:
    scene.receive(bytes(request("ACK")).replace(b"CSeq: 1 ACK", b"CSeq: 1 BYE"))
    assert scene.dropped == ["malformed"]
    assert scene.take() == scene.passed == []


def test_a_response_over_tcp_uses_the_connection_of_the_request(scene: Scene) -> None:
    scene.receive(request(via="SIP/2.0/TCP 192.0.2.1:5080"), ALICE_TCP)
    scene.respond(100)
    flow = scene.transport.sent[-1][1]
    assert (flow.connection, flow.port) == (ALICE_TCP.connection, 5080)


def test_the_user_gets_the_source_of_a_request(scene: Scene) -> None:
    scene.receive(request(via="SIP/2.0/UDP h.example;rport"), ALICE._replace(port=1024))
    assert (scene.requests[0].value(b"via") or b"").endswith(
        b";rport=1024;branch=z9hG4bK-alice-1;received=192.0.2.1"
    )
    scene.respond(100)
    assert scene.transport.sent[-1][1] == ALICE._replace(port=1024)


def test_without_a_user_requests_are_ignored(scene: Scene) -> None:
    scene.layer.attach(None)  # type: ignore[arg-type]
    scene.receive(request())
    assert scene.alive == 0
