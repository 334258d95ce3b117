"""RFC 3261 17.2.3: which transaction a request belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.message import Response
from sip_stager.sip.parser import parse
from tests.support.conversation import ALICE, ALICE_TCP, STRANGER
from tests.support.messages import request

if TYPE_CHECKING:
    from tests.transaction.layer_scene import Scene

OLD = "1"
"""A branch of RFC 2543, without the cookie."""


@pytest.mark.parametrize(
    ("branch", "via"),
    [
        ("z9hG4bK-other", "SIP/2.0/UDP 192.0.2.1:5060"),
        ("z9hG4bK-alice-1", "SIP/2.0/UDP 192.0.2.1:5061"),
        ("z9hG4bK-alice-1", "SIP/2.0/UDP other.example"),
    ],
)
def test_another_branch_or_sent_by_is_another_transaction(
    scene: Scene, branch: str, via: str
) -> None:
    scene.receive(request())
    scene.receive(request(branch=branch, via=via))
    assert scene.told == ["INVITE", "INVITE"]


def test_sent_by_is_compared_with_its_default_port_and_without_case(scene: Scene) -> None:
    scene.receive(request(via="SIP/2.0/UDP h.example"))
    scene.receive(request(via="SIP/2.0/UDP H.Example:5060"))
    assert scene.told == ["INVITE"]


def test_another_method_is_another_transaction_save_for_ack(scene: Scene) -> None:
    scene.receive(request())
    scene.receive(request("OPTIONS"))
    scene.receive(request("ACK"))
    assert scene.told == ["INVITE", "OPTIONS"]


def test_a_cancel_comes_with_the_invite_that_it_means(scene: Scene) -> None:
    scene.receive(request())
    scene.receive(request("CANCEL"))
    scene.receive(request("CANCEL"))
    scene.receive(request("CANCEL", branch="z9hG4bK-other"))
    assert scene.told == ["INVITE", "CANCEL", "CANCEL"]
    assert scene.cancelled == [scene.servers[0], None]


def test_an_ack_that_belongs_to_nothing_goes_to_the_user(scene: Scene) -> None:
    scene.receive(request("ACK", branch="z9hG4bK-ack"))
    assert scene.told == ["ACK"]
    assert scene.alive == 0


def test_a_branch_without_the_cookie_identifies_nothing_by_itself(scene: Scene) -> None:
    first = bytes(request(branch=OLD))
    scene.receive(first)
    scene.receive(first)
    assert scene.told == ["INVITE"]
    for found, other in (
        (b"call-1@", b"call-2@"),
        (b"CSeq: 1 ", b"CSeq: 2 "),
        (b";tag=alice", b";tag=carol"),
        (b"sip:+33612345678@198.51.100.1 SIP", b"sip:+33612345679@198.51.100.1 SIP"),
        (b"192.0.2.1:5060;branch", b"192.0.2.1:5062;branch"),
    ):
        assert found in first
        scene.receive(first.replace(found, other))
    assert scene.told == ["INVITE"] * 6


def test_an_old_invites_ack_and_cancel_find_it(scene: Scene) -> None:
    scene.receive(request(branch=OLD))
    scene.receive(request("CANCEL", branch=OLD))
    assert scene.cancelled == [scene.servers[0]]
    scene.respond(487, 0)
    scene.receive(request("ACK", branch=OLD, to_tag="ours"))
    scene.clock.advance(100)
    assert scene.told == ["INVITE", "CANCEL"]
    assert scene.take() == ["487 INVITE"]


def test_an_old_proxys_ack_and_cancel_have_its_own_via_alone(scene: Scene) -> None:
    both = f"SIP/2.0/UDP 192.0.2.1;branch={OLD}, SIP/2.0/UDP 192.0.2.8"
    scene.receive(request(branch=OLD, via=both))
    one = f"SIP/2.0/UDP 192.0.2.1;branch={OLD}"
    scene.receive(
        bytes(request("CANCEL")).replace(
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1", one.encode()
        )
    )
    assert scene.cancelled == [scene.servers[0]]


def test_an_old_cseq_may_hold_a_tab(scene: Scene) -> None:
    scene.receive(bytes(request(branch=OLD)).replace(b"CSeq: 1 INVITE", b"CSeq: 1\tINVITE"))
    scene.receive(request("CANCEL", branch=OLD))
    assert scene.cancelled == [scene.servers[0]]


def test_what_can_not_be_answered_is_dropped(scene: Scene) -> None:
    for data in (
        b"\xff" * 100,
        bytes(request()).replace(b"Via:", b"X-Via:"),
        bytes(request()).replace(b"SIP/2.0/UDP", b"SIP/UDP"),
        bytes(request()).replace(b"\r\n", b"\n"),
    ):
        scene.receive(data)
    assert scene.dropped == ["malformed"] * 4
    assert scene.take() == scene.told == []


@pytest.mark.parametrize(
    ("found", "written", "status"),
    [
        (b"CSeq: 1 INVITE", b"CSeq: 1 BYE", 400),
        (b"INVITE sip:+33612345678@198.51.100.1 SIP/2.0", b"INVITE sip:a@b SIP/9.0", 505),
        (b"Call-ID:", b"X:", 400),
        (b"Content-Length: 0", b"Content-Length: 1", 400),
    ],
)
def test_what_breaks_a_rule_is_answered_without_a_transaction(
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
    assert scene.take() == scene.told == []


def test_a_response_over_tcp_takes_the_connection_of_the_request(scene: Scene) -> None:
    scene.receive(request(via="SIP/2.0/TCP 192.0.2.1:5080"), ALICE_TCP)
    scene.respond(100)
    flow = scene.transport.sent[-1][1]
    assert (flow.connection, flow.port) == (ALICE_TCP.connection, 5080)


def test_the_user_sees_where_the_request_came_from(scene: Scene) -> None:
    scene.receive(request(via="SIP/2.0/UDP h.example;rport"), ALICE._replace(port=1024))
    via = scene.requests[0].top_via
    assert (via.parameters[b"received"], via.parameters[b"rport"]) == (b"192.0.2.1", b"1024")
    scene.respond(100)
    assert scene.transport.sent[-1][1] == ALICE._replace(port=1024)


def test_without_a_user_requests_end_here(scene: Scene) -> None:
    scene.layer.attach(None)  # type: ignore[arg-type]
    scene.receive(request())
    assert scene.alive == 0
