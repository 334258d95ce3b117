"""The stores are bounded, and strangers cannot fill them (RFC 3261 21.5.4, 8.2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.events import CallAdmitted, CallRefused
from sip_stager.model.call import Policy
from sip_stager.proxy.bounds import Bounds
from tests.support.conversation import ALICE, ALICE_TCP, BOB, ROUTE, STRANGER, URI, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request


def call(number: int) -> bytes:
    """Return the INVITE of one of many calls."""
    invite = request(branch=f"z9hG4bK-call-{number}")
    return bytes(invite).replace(b"call-1@", b"call-of-many-%d@" % number)


def later(method: str = "BYE", number: int = 1) -> Request:
    return request(method, "sip:bob@192.0.2.2", branch=f"z9hG4bK-later-{number}", to_tag="bob",
                   cseq=number + 1, extra=(ROUTE,))  # fmt: skip


def full(transactions: int = 200_000, calls_staging: int = 5_000) -> Conversation:
    return Conversation(bounds=Bounds(transactions, calls_staging))


def statuses(edge: Conversation) -> list[str]:
    return [sent.split()[1] for sent in edge.take()]


# The bounds


def test_above_the_limit_of_calls_being_staged_a_new_call_gets_503() -> None:
    """RFC 3261 21.5.4: the server "MAY indicate when the client should retry the request in a
    Retry-After header field".
    """
    edge = full(calls_staging=2)
    for number in range(3):
        edge.receive(call(number))
    assert statuses(edge) == ["100", "100", "503"]
    refusal = edge.last_response("alice")
    assert refusal.value(b"retry-after") == b"5"
    (told,) = edge.of(CallRefused)
    assert (told.cause, told.text) == ("overload", "too many calls being staged")


class OfTrunks:
    """The numbers of calls being staged, by trunk."""

    def __init__(self, **calls: int) -> None:
        self.calls = calls

    @property
    def waiting(self) -> int:
        return sum(self.calls.values())

    def waiting_of(self, trunk: str) -> int:
        return self.calls.get(trunk, 0)


def test_a_flood_of_one_trunk_leaves_room_for_the_calls_of_another() -> None:
    bounds = Bounds(calls_staging=1000, several_trunks=True)
    flood = OfTrunks(a=0)
    while not bounds.staging_exceeded(flood, "a"):  # type: ignore[arg-type]
        flood.calls["a"] += 1
    assert flood.calls == {"a": 900}
    while not bounds.staging_exceeded(flood, "b"):  # type: ignore[arg-type]
        flood.calls["b"] = flood.calls.get("b", 0) + 1
    assert flood.calls == {"a": 900, "b": 90}


def test_a_trunk_that_is_alone_may_use_all_of_the_room() -> None:
    bounds = Bounds(calls_staging=1000)
    assert not bounds.staging_exceeded(OfTrunks(a=999), "a")  # type: ignore[arg-type]
    assert bounds.staging_exceeded(OfTrunks(a=1000), "a")  # type: ignore[arg-type]


def test_a_call_is_admitted_again_once_another_has_ended() -> None:
    """RFC 3261 21.5.4: "temporarily"."""
    edge = full(calls_staging=1)
    edge.receive(call(1))
    edge.stager.stagings[0].fail()
    edge.receive(call(2))
    edge.stager.stagings[1].succeed()
    edge.receive(call(3))
    assert statuses(edge) == ["100", "480", "100", "INVITE", "100"]


def test_above_the_limit_of_transactions_a_new_call_gets_503() -> None:
    """RFC 3261 21.5.4: the server is "temporarily unable to process the request due to a temporary
    overloading".
    """
    edge = full(transactions=2)
    for number in range(4):
        edge.receive(call(number))
    assert statuses(edge) == ["100", "100", "503", "503"]
    refusal = edge.last_response("alice")
    assert refusal.value(b"retry-after") == b"5"
    assert {event.text for event in edge.of(CallRefused)} == {"too many transactions"}


def test_a_refused_call_leaves_no_state() -> None:
    """RFC 3261 8.2.7: a stateless UAS answers a retransmission as it did the request."""
    edge = full(transactions=1)
    edge.receive(call(0))
    before = edge.alive
    for number in range(1, 50):
        edge.receive(call(number))
        edge.receive(call(number))
    assert edge.alive == before


def test_at_the_limit_calls_in_progress_go_on() -> None:
    """An accepted call can be answered, changed and ended, whatever else arrives."""
    edge = full(transactions=6)
    invite = edge.forward(request())
    for number in range(20):
        edge.receive(call(number))
    edge.take()
    edge.receive(response(invite, 180), BOB)
    edge.receive(response(invite, 200), BOB)
    edge.receive(later("ACK"))
    edge.receive(later("UPDATE", 2))
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    edge.receive(later("BYE", 3))
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    assert edge.take() == [
        "alice 180 INVITE", "alice 200 INVITE", "bob ACK",
        "bob UPDATE", "alice 200 UPDATE", "bob BYE", "alice 200 BYE",
    ]  # fmt: skip


def test_at_the_limit_a_call_can_be_cancelled() -> None:
    """RFC 3261 9.2: a CANCEL makes room, so it is always accepted."""
    edge = full(transactions=1)
    edge.receive(request())
    edge.receive(call(2))
    edge.take()
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_one_dialog_cannot_take_all_the_memory(method: str) -> None:
    """RFC 3261 21.5.4: above twice the bound requests of dialogs are refused, too."""
    edge = full(transactions=10)
    for number in range(100):
        edge.receive(later(method, number))
    assert edge.alive <= 22
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.value(b"retry-after")) == (503, b"5")


def test_there_is_room_again_when_the_overload_ends() -> None:
    """RFC 3261 21.5.4: "temporarily", with nothing left of the refused calls."""
    edge = full(transactions=2)
    for number in range(4):
        edge.receive(call(number))
    for staging in edge.stager.stagings:
        staging.fail()
    edge.clock.advance(40)
    assert edge.alive == 0
    edge.take()
    edge.receive(call(9))
    assert statuses(edge) == ["100"]


# No state is kept for strangers

ANSWERED: dict[str, tuple[bytes | Request, str]] = {
    "a call from nobody": (request(), "403"),
    "OPTIONS": (request("OPTIONS"), "200"),
    "REGISTER": (request("REGISTER"), "405"),
    "an unknown method": (request("FOO"), "405"),
    "a BYE without a dialog": (request("BYE"), "481"),
    "a BYE of no dialog": (request("BYE", to_tag="x"), "481"),
    "a re-INVITE of no dialog": (request(to_tag="x"), "481"),
    "a forged Route": (request("BYE", to_tag="x", extra=("Route: <sip:a@198.51.100.1;lr>",)),
                       "481"),
    "a CANCEL of nothing": (request("CANCEL"), "481"),
    "no hops": (request(max_forwards="0"), "483"),
    "another scheme": (request(uri="http://a"), "416"),
    "an extension": (request(extra=("Proxy-Require: x",)), "420"),
    "no breadth": (request(extra=("Max-Breadth: 0",)), "440"),
    "a malformed Route": (request(extra=("Route: <",)), "400"),
    "a Route that leads here": (request(to_tag="x", extra=("Route: " + ", ".join([URI] * 99),)),
                                "482"),
    "another version": (bytes(request()).replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n"), "505"),
    "no Call-ID": (bytes(request()).replace(b"Call-ID", b"X-ID"), "400"),
}  # fmt: skip


@pytest.mark.parametrize("source", [STRANGER, STRANGER._replace(transport="TCP", connection=1)],
                         ids=["UDP", "TCP"])  # fmt: skip
@pytest.mark.parametrize("name", ANSWERED)
def test_no_state_is_kept_for_strangers(name: str, source: Flow) -> None:
    """RFC 3261 8.2.7: "A stateless UAS is a UAS that does not maintain transaction state. It
    replies to requests normally, but discards any state".
    """
    asked, status = ANSWERED[name]
    edge = Conversation()
    for _ in range(3):
        edge.receive(bytes(asked).replace(b"/UDP 192.0.2.1", b"/UDP 203.0.113.66"), source)
        assert edge.alive == 0
        assert edge.clock.waiting <= 1  # that of a lane, which is swept
    assert statuses(edge) == [status] * 3
    assert not edge.new_calls.ongoing


@pytest.mark.parametrize("name", ANSWERED)
def test_the_ack_of_a_stateless_response_is_ignored(name: str) -> None:
    """RFC 3261 8.2.7: "A stateless UAS MUST ignore ACK requests." """
    asked, _ = ANSWERED[name]
    edge = Conversation()
    edge.receive(asked, STRANGER)
    edge.take()
    edge.receive(request("ACK", to_tag="x"), STRANGER)
    assert edge.take() == []
    assert edge.alive == 0


def test_a_stateless_response_is_not_retransmitted() -> None:
    """RFC 3261 8.2.7: "A stateless UAS MUST NOT retransmit responses." """
    edge = Conversation()
    edge.receive(request(via="SIP/2.0/UDP 203.0.113.66"), STRANGER)
    edge.clock.advance(60)
    assert statuses(edge) == ["403"]


@pytest.mark.parametrize("name", sorted(ANSWERED.keys() - {"a call from nobody"}))
def test_a_stateless_response_does_not_amplify_the_request(name: str) -> None:
    """RFC 3261 26.1.5: a sender with a forged address must not make us amplify its traffic."""
    asked, _ = ANSWERED[name]
    edge = Conversation()
    edge.receive(asked)
    ((data, flow),) = edge.transport.sent
    assert len(data) < len(bytes(asked)) + 300
    assert flow == ALICE


def test_an_ongoing_call_is_forgotten_when_it_ends() -> None:
    """RFC 3261 8.2.2.2: merged requests are looked for among "ongoing" ones only, whatever
    their end.
    """
    edge = Conversation()
    edge.receive(call(1))
    edge.receive(call(2), ALICE_TCP)
    edge.receive(call(3))
    assert len(edge.new_calls.ongoing) == 3
    edge.stager.stagings[0].fail()
    edge.stager.stagings[1].succeed()
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    edge.receive(call(3).replace(b"INVITE", b"CANCEL"))
    assert len(edge.new_calls.ongoing) == 1  # an answered call needs no second agent
    edge.clock.advance(300)
    assert not edge.new_calls.ongoing
    assert edge.alive == 0
    assert edge.clock.waiting == 0


def test_a_call_that_can_reuse_a_staging_passes_the_limit() -> None:
    edge = full(calls_staging=1)
    edge.receive(call(1))
    edge.receive(call(2))
    edge.stager.reusable_for.add(edge.of(CallAdmitted)[0].call.to_number)
    edge.receive(call(3))
    assert statuses(edge) == ["100", "503", "100"]


def test_a_call_that_is_not_staged_passes_the_limit() -> None:
    edge = full(calls_staging=1)
    edge.receive(call(1))
    edge.admission.agent_id = ""
    edge.receive(call(2))
    assert statuses(edge) == ["100", "100", "INVITE"]


def test_a_call_above_the_limit_is_refused_with_the_status_of_its_policy() -> None:
    edge = Conversation(bounds=Bounds(calls_staging=0))
    edge.admission.policy = Policy(refusal=480)
    edge.receive(request())
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.value(b"retry-after")) == (480, b"5")


@pytest.mark.parametrize("called", ["sip:404@198.51.100.1", "urn:service:sos"])
def test_the_ack_of_a_stateless_refusal_is_not_counted_as_stray(called: str) -> None:
    """RFC 3261 8.2.7: our refusal leaves no state, so its ACK is expected without a transaction."""
    edge = Conversation()
    edge.receive(request(uri=called))
    tag = edge.last_response("alice").to_tag.decode()
    edge.receive(request("ACK", called, to_tag=tag))
    edge.receive(request("ACK", called, to_tag="another"))
    assert edge.dropped == ["stray_ack"]
