"""RFC 3261 17.1.3, 17.2.3, 9.2 and RFC 6026 6: the matching of messages to transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ALICE, BOB, STRANGER
from tests.support.messages import request, response

if TYPE_CHECKING:
    from tests.transaction.layer_scene import Scene

OLD = "1"
"""A branch of RFC 2543, without the cookie."""


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_response_matches_the_request_of_its_branch(scene: Scene, method: str) -> None:
    """RFC 3261 17.1.3: "If the response has the same value of the branch parameter in the top Via
    header field as the branch parameter in the top Via header field of the request that created
    the transaction."

    RFC 3261 18.1.2: "If there is a match, the response MUST be passed to that transaction."
    """
    sent, user = scene.send(method)
    data = bytes(response(sent, 200))
    scene.receive(data.replace(b"z9hG4bK-ours", b"z9hG4bK-other"), BOB)
    assert user.results == []
    scene.receive(data, BOB)
    assert user.results == ["200"]


@pytest.mark.parametrize(("method", "other"), [("INVITE", "CANCEL"), ("BYE", "INVITE")])
def test_a_response_matches_the_request_of_its_method(
    scene: Scene, method: str, other: str
) -> None:
    """RFC 3261 17.1.3: "If the method parameter in the CSeq header field matches the method of the
    request that created the transaction. The method is needed since a CANCEL request constitutes a
    different transaction, but shares the same value of the branch parameter."
    """
    sent, user = scene.send(method)
    data = bytes(response(sent, 200))
    scene.receive(data.replace(b"CSeq: 1 " + method.encode(), b"CSeq: 1 " + other.encode()), BOB)
    assert user.results == []
    assert scene.dropped == ["stray_response"]


def test_an_invite_and_its_cancel_get_their_own_responses(scene: Scene) -> None:
    """RFC 3261 9.1: "Note that both the transaction corresponding to the original request and the
    CANCEL transaction will complete independently."
    """
    invite, invited = scene.send("INVITE")
    cancel, cancelled = scene.send("CANCEL")
    scene.answer(cancel, 200)
    assert (invited.results, cancelled.results) == ([], ["200"])
    scene.answer(invite, 487)
    assert (invited.results, cancelled.results) == (["487"], ["200"])


def test_a_response_to_an_ack_is_dropped(scene: Scene) -> None:
    """RFC 3261 17: "The client transaction is also responsible for receiving responses and
    delivering them to the TU, filtering out any response retransmissions or disallowed responses
    (such as a response to ACK)."
    """
    sent, user = scene.send("INVITE")
    scene.answer(sent, 486)
    ack = request("ACK", branch="z9hG4bK-ours", to_tag="bob")
    scene.receive(response(ack, 200), BOB)
    assert user.results == ["486"]
    assert scene.dropped == ["stray_response"]


def test_an_ack_is_sent_without_a_transaction(scene: Scene) -> None:
    """RFC 3261 17.1: "There is no client transaction for ACK. If the TU wishes to send an ACK, it
    passes one directly to the transport layer for transmission."
    """
    scene.layer.send_ack(bytes(request("ACK")), BOB)
    assert scene.times("ACK", 100) == [0]
    assert scene.alive == 0


def test_a_response_may_come_from_anywhere(scene: Scene) -> None:
    """RFC 3261 18.1.1: "The client MUST be prepared to receive responses on any address and port
    that would be selected by a server based on the procedures described in Section 5 of [4]."
    """
    sent, user = scene.send("INVITE")
    scene.receive(response(sent, 200), BOB._replace(transport="TCP", port=49152, connection=9))
    assert user.results == ["200"]


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_response_that_matches_nothing_is_dropped(scene: Scene, status: int) -> None:
    """RFC 6026 7.2: "Any response received that does not match an existing client transaction
    state machine is simply dropped."
    """
    scene.receive(response(request(), status), BOB)
    assert scene.dropped == ["stray_response"]
    assert scene.take() == scene.passed == []


def test_a_response_that_cannot_be_matched_is_dropped(scene: Scene) -> None:
    sent, user = scene.send("INVITE")
    data = bytes(response(sent, 200))
    for found, written in (
        (b"Content-Length: 0", b"Content-Length: 9"),
        (b"Via:", b"X-Via:"),
        (b"CSeq:", b"X-CSeq:"),
    ):
        scene.receive(data.replace(found, written), BOB)
    assert scene.dropped == ["malformed"] * 3
    assert user.results == []


def test_the_same_branch_sent_by_and_method_is_a_retransmission(scene: Scene) -> None:
    """RFC 3261 17.2.3: "the branch parameter in the request is equal to the one in the top Via
    header field of the request that created the transaction"
    """
    scene.receive(request())
    scene.receive(request())
    scene.receive(request(), STRANGER)
    scene.receive(request(branch="z9hG4bK-other"))
    assert scene.passed == ["INVITE", "INVITE"]


@pytest.mark.parametrize(
    "via", ["SIP/2.0/UDP 192.0.2.1:5061", "SIP/2.0/UDP 192.0.2.9", "SIP/2.0/UDP other.example"]
)
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_another_sent_by_is_another_transaction(scene: Scene, via: str, method: str) -> None:
    """RFC 3261 17.2.3: "the sent-by value in the top Via of the request is equal to the one in the
    request that created the transaction"

    RFC 3261 17.2.3: "The sent-by value is used as part of the matching process because there could
    be accidental or malicious duplication of branch parameters from different clients."
    """
    scene.receive(request(method))
    scene.receive(request(method, via=via))
    assert scene.passed == [method, method]


def test_sent_by_is_compared_with_its_default_port_and_without_case(scene: Scene) -> None:
    scene.receive(request(via="SIP/2.0/UDP h.example"))
    scene.receive(request(via="SIP/2.0/UDP H.Example:5060"))
    assert scene.passed == ["INVITE"]


def test_another_method_is_another_transaction_except_for_ack(scene: Scene) -> None:
    """RFC 3261 17.2.3: "the method of the request matches the one that created the transaction,
    except for ACK, where the method of the request that created the transaction is INVITE."
    """
    scene.receive(request())
    scene.receive(request("OPTIONS"))
    scene.receive(request("MESSAGE"))
    scene.receive(request("ACK"))
    assert scene.passed == ["INVITE", "OPTIONS", "MESSAGE"]


def test_a_cancel_is_passed_with_the_invite_that_it_matches(scene: Scene) -> None:
    """RFC 3261 9.2: "The TU determines the transaction to be cancelled by taking the CANCEL
    request, and then assuming that the request method is anything but CANCEL or ACK and applying
    the transaction matching procedures of Section 17.2.3."
    """
    scene.receive(request())
    scene.receive(request("CANCEL"))
    scene.receive(request("CANCEL", via="SIP/2.0/UDP 192.0.2.9"))
    scene.receive(request("CANCEL", branch="z9hG4bK-other"))
    assert scene.passed == ["INVITE", "CANCEL", "CANCEL", "CANCEL"]
    assert scene.cancelled == [scene.servers[0], None, None]


def test_a_cancel_is_a_transaction_of_its_own(scene: Scene) -> None:
    """RFC 3261 16.10: "While a CANCEL request is handled in a stateful proxy by its own server
    transaction, a new response context is not created for it."
    """
    scene.receive(request())
    scene.receive(request("CANCEL"))
    scene.respond(200)
    scene.receive(request("CANCEL"))
    assert scene.passed == ["INVITE", "CANCEL"]
    assert scene.take() == ["200 CANCEL", "200 CANCEL"]


def test_an_ack_that_matches_nothing_goes_to_the_user(scene: Scene) -> None:
    """RFC 3261 18.2.1: "If no match is found, the request is passed to the core, which may decide
    to construct a new server transaction for that request."

    RFC 3261 17: "If the response was a 2xx, the ACK is not considered part of the transaction."
    """
    scene.receive(request("ACK", branch="z9hG4bK-ack"))
    assert scene.passed == ["ACK"]
    assert scene.alive == 0


def test_an_ack_with_the_branch_of_a_rejected_invite_is_absorbed(scene: Scene) -> None:
    """RFC 3261 17: "In the case of an INVITE transaction, it absorbs the ACK request for any final
    response excepting a 2xx response."
    """
    scene.receive(request())
    scene.respond(486)
    scene.receive(request("ACK", to_tag="ours"))
    assert scene.passed == ["INVITE"]
    assert scene.lifetime() == 5


@pytest.mark.parametrize(
    ("found", "other"),
    [
        (b"call-1@", b"call-2@"),
        (b"CSeq: 1 ", b"CSeq: 2 "),
        (b";tag=alice", b";tag=carol"),
        (b"sip:+33612345678@198.51.100.1 SIP", b"sip:+33612345679@198.51.100.1 SIP"),
        (b"192.0.2.1:5060;branch", b"192.0.2.1:5062;branch"),
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_branch_without_the_cookie_does_not_identify_a_transaction_alone(
    scene: Scene, method: str, found: bytes, other: bytes
) -> None:
    """RFC 3261 17.2.3: "The INVITE request matches a transaction if the Request-URI, To tag, From
    tag, Call-ID, CSeq, and top Via header field match those of the INVITE request which created
    the transaction."

    RFC 3261 17.2.3: "For all other request methods, a request is matched to a transaction if the
    Request-URI, To tag, From tag, Call-ID, CSeq (including the method), and top Via header field
    match those of the request that created the transaction."
    """
    first = bytes(request(method, branch=OLD))
    assert found in first
    scene.receive(first)
    scene.receive(first)
    scene.receive(first.replace(found, other))
    assert scene.passed == [method, method]


def test_an_rfc_2543_request_without_a_branch_is_matched(scene: Scene) -> None:
    data = bytes(request()).replace(b";branch=z9hG4bK-alice-1", b"")
    scene.receive(data)
    scene.receive(data)
    assert scene.passed == ["INVITE"]


def test_the_cancel_of_an_rfc_2543_invite_matches_it(scene: Scene) -> None:
    scene.receive(request(branch=OLD))
    scene.receive(request("CANCEL", branch=OLD))
    assert scene.cancelled == [scene.servers[0]]


def test_the_ack_of_an_rfc_2543_invite_matches_it(scene: Scene) -> None:
    """RFC 3261 17.2.3: "The ACK request matches a transaction if the Request-URI, From tag,
    Call-ID, CSeq number (not the method), and top Via header field match those of the INVITE
    request which created the transaction, and the To tag of the ACK matches the To tag of the
    response sent by the server transaction."

    RFC 3261 17.2.3: "An ACK request that matches an INVITE transaction matched by a previous ACK is
    considered a retransmission of that previous ACK."
    """
    scene.receive(request(branch=OLD))
    scene.respond(487)
    for _ in range(2):
        scene.receive(request("ACK", branch=OLD, to_tag="ours"))
    assert scene.lifetime() == 5
    assert scene.passed == ["INVITE"]


def test_an_rfc_2543_ack_of_a_2xx_goes_to_the_user(scene: Scene) -> None:
    """RFC 6026 6: "When receiving an ACK that matches an existing INVITE server transaction and
    that does not contain a branch parameter containing the magic cookie defined in RFC 3261, the
    matching transaction MUST be checked to see if it is in the "Accepted" state. If it is, then
    the ACK must be passed directly to the transaction user instead of being absorbed by the
    transaction state machine."
    """
    scene.receive(request(branch=OLD))
    scene.respond(200)
    scene.receive(request("ACK", branch=OLD, to_tag="ours"))
    assert scene.passed == ["INVITE", "ACK"]


def test_the_cancel_of_an_rfc_2543_proxy_has_only_its_own_via(scene: Scene) -> None:
    own = f"SIP/2.0/UDP 192.0.2.1;branch={OLD}"
    scene.receive(request(branch=OLD, via=f"{own}, SIP/2.0/UDP 192.0.2.8"))
    scene.receive(
        bytes(request("CANCEL")).replace(
            b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-alice-1", own.encode()
        ),
        ALICE,
    )
    assert scene.cancelled == [scene.servers[0]]


def test_an_rfc_2543_cseq_may_contain_a_tab(scene: Scene) -> None:
    scene.receive(bytes(request(branch=OLD)).replace(b"CSeq: 1 INVITE", b"CSeq: 1\tINVITE"))
    scene.receive(request("CANCEL", branch=OLD))
    assert scene.cancelled == [scene.servers[0]]
