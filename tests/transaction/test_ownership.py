"""Which messages belong to a process, while two share a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.transaction.ownership import CallSet, is_of_transaction
from tests.support.conversation import ALICE, BOB
from tests.support.messages import request, response

if TYPE_CHECKING:
    from tests.transaction.layer_scene import Scene

OTHER_CALL = b"another-call@192.0.2.1"


def of_other_call(data: bytes) -> bytes:
    return data.replace(b"call-1@192.0.2.1", OTHER_CALL)


def test_repetitions_acks_and_cancels_belong_to_the_transaction(scene: Scene) -> None:
    """RFC 3261 17.2.3, 9.2."""
    scene.receive(request(), ALICE)
    for method in ("INVITE", "ACK", "CANCEL"):
        assert is_of_transaction(scene.layer, bytes(request(method)))
        assert not is_of_transaction(scene.layer, of_other_call(bytes(request(method))))
    assert not is_of_transaction(scene.layer, bytes(request("BYE", to_tag="bob")))


def test_a_response_belongs_to_the_transaction_with_its_branch(scene: Scene) -> None:
    """RFC 3261 17.1.3."""
    forwarded = request(branch="z9hG4bK-ours")
    assert not is_of_transaction(scene.layer, bytes(response(forwarded, 180)))
    scene.layer.start_request(bytes(forwarded), b"INVITE", b"z9hG4bK-ours", BOB)
    assert is_of_transaction(scene.layer, bytes(response(forwarded, 180)))


def test_all_messages_of_a_call_stay_with_the_process_that_sets_it_up(scene: Scene) -> None:
    scene.receive(request(), ALICE)
    calls = CallSet(scene.layer)
    for method in ("ACK", "BYE", "INVITE"):
        data = bytes(request(method, to_tag="bob", branch="z9hG4bK-later"))
        assert calls.has(data)
        assert not calls.has(of_other_call(data))
    assert not calls.has(bytes(response(request(branch="z9hG4bK-theirs"), 200)))


def test_a_call_of_a_peer_of_rfc_2543_is_found_by_its_call_id(scene: Scene) -> None:
    scene.receive(request(branch="1"), ALICE)
    calls = CallSet(scene.layer)
    assert calls.has(bytes(request("BYE", to_tag="bob", branch="2")))


def test_a_malformed_message_belongs_to_nothing(scene: Scene) -> None:
    scene.receive(request(), ALICE)
    for data in (b"", b"\r\n", b"INVITE", b"SIP/2.0 200", b"\xff" * 100):
        assert not is_of_transaction(scene.layer, data)
        assert not CallSet(scene.layer).has(data)
