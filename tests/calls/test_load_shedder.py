"""Refusals in overload: stateless, from the first lines of an INVITE, and of new calls alone."""

from __future__ import annotations

import pytest

from sip_stager.calls.load_shedder import MAX_REFUSED, _Recent
from sip_stager.events import CallRefused, MessageDropped, OverloadChanged
from sip_stager.model.call import Policy
from sip_stager.model.vocabulary import DropCause, OverloadState
from tests.support.conversation import ALICE, ALICE_TCP, BOB, ROUTE, STRANGER, Conversation
from tests.support.messages import request, response

INTERVAL = 0.1
SHEDDING, NORMAL = OverloadState.SHEDDING, OverloadState.NORMAL


def call(number: int) -> bytes:
    """Return the INVITE of one of many calls."""
    invite = request(branch=f"z9hG4bK-call-{number}")
    return bytes(invite).replace(b"call-1@", b"call-of-many-%d@" % number)


def ack(edge: Conversation, branch: str = "z9hG4bK-alice-1") -> bytes:
    """Return the ACK of the last response to alice."""
    return bytes(request("ACK", branch=branch, to_tag=edge.last_response("alice").to_tag.decode()))


def wait(edge: Conversation, seconds: float, age: float = 0.0) -> None:
    """Pass intervals in which the oldest datagrams have that age."""
    for _ in range(round(seconds / INTERVAL)):
        edge.shedder.observe_age(0, age)
        edge.clock.advance(INTERVAL)
        edge.shedder.end_interval(0.0)


def overloaded(edge: Conversation | None = None) -> Conversation:
    """Return a core that admits no new call."""
    edge = edge or Conversation()
    wait(edge, 0.2, age=0.2)
    assert edge.shedder.active
    edge.shedder.observe_age(0, 0.2)
    edge.take()
    return edge


def statuses(edge: Conversation) -> list[str]:
    return [sent.split()[1] for sent in edge.take()]


# The refusal


def test_in_overload_a_new_call_gets_503_with_retry_after() -> None:
    """RFC 3261 21.5.4: "The server is temporarily unable to process the request due to a temporary
    overloading or maintenance of the server."
    """
    edge = overloaded()
    edge.receive(request())
    assert edge.take() == ["alice 503 INVITE"]
    refusal = edge.last_response("alice")
    assert refusal.value(b"warning") == b'399 sip-stager "overload: too many calls"'
    assert 1 <= int(refusal.value(b"retry-after") or b"") <= 10
    assert edge.alive == 0
    (event,) = edge.of(CallRefused)
    assert (event.call_id, event.trunk, event.cause) == ("call-1@192.0.2.1", "trunk", "overload")
    assert event.text == "datagrams wait for 0.200 s"


def test_the_refusal_has_the_bytes_of_any_other() -> None:
    """RFC 3261 8.2.7: a stateless UAS answers as any other, "but discards any state"."""
    full = Conversation()
    full.new_calls.closed = True  # refuses with the same status
    full.receive(request())
    edge = overloaded()
    edge.receive(request())
    (expected, _), (sent, flow) = full.transport.sent[-1], edge.transport.sent[-1]
    ours, theirs = sent.split(b"\r\n"), expected.split(b"\r\n")
    differing = (b"Warning", b"Retry-After")
    assert [line for line in ours if not line.startswith(differing)] == [
        line for line in theirs if not line.startswith(differing)
    ]
    assert flow == ALICE


def test_a_repeat_gets_the_same_response_byte_for_byte() -> None:
    """RFC 3261 8.2.7: "A stateless UAS MUST [...] generate the same To tag for any given request
    and for any retransmission", as 8.2.6.2 requires of stateless responses.
    """
    edge = overloaded()
    for _ in range(3):
        edge.receive(request())
    sent = {data for data, _ in edge.transport.sent}
    assert len(sent) == 1
    assert len(edge.of(CallRefused)) == 1  # a repeat is no further call


def test_different_calls_get_different_tags_and_a_spread_retry_after() -> None:
    edge = overloaded()
    for number in range(200):
        edge.receive(call(number))
    responses = [message for _, message in edge.messages()]
    assert len({each.to_tag for each in responses}) == 200
    retry_after = [int(each.value(b"retry-after") or b"") for each in responses]
    assert set(retry_after) == set(range(1, 11))
    assert max(map(retry_after.count, retry_after)) < 50


def test_the_status_is_that_of_the_trunks_policy() -> None:
    edge = overloaded()
    edge.admission.policy = Policy(refusal=502)
    edge.receive(request())
    refusal = edge.last_response("alice")
    assert (refusal.status, refusal.reason) == (502, b"Bad Gateway")
    assert refusal.value(b"retry-after") is None  # RFC 3261 20.33 has no such status


def test_an_unusually_written_invite_is_refused_as_well() -> None:
    edge = overloaded()
    edge.receive(bytes(request()).replace(b"To: <", b"To:\r\n <"))
    edge.receive(request(branch="not-unique"))
    assert statuses(edge) == ["503", "503"]


def test_the_response_goes_where_the_via_says() -> None:
    """RFC 3261 18.2.2: to the source address, and the port of sent-by without rport."""
    edge = overloaded()
    edge.receive(request(), ALICE._replace(port=40000))
    assert edge.flow == ALICE
    edge.receive(request(via="SIP/2.0/UDP 192.0.2.1:5060;rport"), ALICE._replace(port=40000))
    assert edge.flow == ALICE._replace(port=40000)
    edge.layer.answer_to_source({ALICE.host}.__contains__)  # by the setting
    edge.receive(request(branch="z9hG4bK-nat"), ALICE._replace(port=40001))
    assert edge.flow == ALICE._replace(port=40001)


def test_a_call_over_tcp_is_refused_on_its_connection() -> None:
    edge = overloaded()
    edge.receive(request(via="SIP/2.0/TCP 192.0.2.1:5060"), ALICE_TCP)
    assert edge.flow.connection == ALICE_TCP.connection


def test_a_stranger_gets_403_and_is_not_remembered() -> None:
    """RFC 3261 8.2.7: no stranger can fill a store, nor take a trunk's turn."""
    edge = overloaded()
    edge.receive(request(), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"]
    assert not edge.shedder._refused


def test_a_malformed_invite_gets_400_as_always() -> None:
    edge = overloaded()
    edge.receive(bytes(request()).replace(b"Call-ID", b"X-ID"))
    assert statuses(edge) == ["400"]


# Its ACK


def test_the_ack_of_a_refusal_is_absorbed() -> None:
    """RFC 3261 8.2.7: "A stateless UAS MUST ignore ACK requests." """
    edge = overloaded()
    edge.receive(request())
    edge.take()
    edge.receive(ack(edge))
    assert edge.take() == []
    assert edge.of(MessageDropped) == []
    assert edge.alive == 0


def test_the_ack_of_a_refusal_that_is_forgotten_is_ignored_too() -> None:
    edge = overloaded()
    edge.receive(request())
    wait(edge, 80)
    assert not edge.shedder.active
    edge.take()
    edge.receive(ack(edge))
    assert edge.take() == []
    assert edge.of(MessageDropped) == []


# Live calls


def test_a_repeat_of_an_admitted_invite_is_never_refused() -> None:
    """RFC 3261 17.2.1: a repeat gets the last provisional response of its transaction."""
    edge = Conversation()
    edge.receive(request())
    overloaded(edge)
    edge.receive(request())
    assert statuses(edge) == ["100"]


def test_a_live_call_goes_on_in_overload() -> None:
    edge = Conversation()
    invite = edge.forward(request())
    overloaded(edge)
    edge.receive(response(invite, 180), BOB)
    edge.receive(response(invite, 200), BOB)
    edge.receive(request("ACK", "sip:bob@192.0.2.2", branch="z9hG4bK-2", to_tag="bob",
                         extra=(ROUTE,)))  # fmt: skip
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", branch="z9hG4bK-3", to_tag="bob", cseq=2,
                         extra=(ROUTE,)))  # fmt: skip
    edge.receive(request("BYE", "sip:bob@192.0.2.2", branch="z9hG4bK-4", to_tag="bob", cseq=3,
                         extra=(ROUTE,)))  # fmt: skip
    assert edge.take() == [
        "alice 180 INVITE", "alice 200 INVITE", "bob ACK", "alice 100 INVITE", "bob INVITE",
        "bob BYE",
    ]  # fmt: skip


def test_a_call_can_be_cancelled_in_overload() -> None:
    edge = Conversation()
    edge.receive(request())
    overloaded(edge)
    edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 200 CANCEL", "alice 487 INVITE"]


# Repeats of refused calls


def test_a_refused_call_is_not_admitted_by_a_late_repeat() -> None:
    """Its caller has been refused: an agent would be staged for nobody."""
    edge = overloaded()
    edge.receive(request())
    wait(edge, 5)
    assert edge.shedder.control.state is NORMAL
    edge.receive(request())
    edge.receive(call(2))
    assert statuses(edge) == ["503", "503", "100"]
    assert len(edge.stager.stagings) == 1


def test_refusals_are_forgotten_after_the_last_possible_repeat() -> None:
    edge = overloaded()
    edge.receive(request())
    wait(edge, 31)
    assert edge.shedder.active
    wait(edge, 34)
    assert not edge.shedder.active


def test_the_memory_of_refusals_is_bounded() -> None:
    recent = _Recent(32.0)
    for number in range(3 * MAX_REFUSED):
        recent.add(b"%d" % number)
    assert len(recent._young) + len(recent._old) <= 2 * MAX_REFUSED
    assert b"%d" % (3 * MAX_REFUSED - 1) in recent
    assert b"0" not in recent


# Datagrams that waited


@pytest.mark.parametrize(("age", "dropped"), [(0.49, []), (0.51, [DropCause.STALE])])
def test_an_invite_older_than_t1_is_dropped(age: float, dropped: list[DropCause]) -> None:
    """RFC 3261 17.1.1.2: after T1 its sender repeats it, and the repeat is behind it."""
    edge = overloaded()
    edge.receive(request(), age=age)
    assert [event.cause for event in edge.of(MessageDropped)] == dropped
    assert len(edge.take()) == 1 - len(dropped)


@pytest.mark.parametrize("method", ["BYE", "CANCEL", "OPTIONS"])
def test_no_other_request_is_dropped_for_its_age(method: str) -> None:
    edge = overloaded()
    edge.receive(request(method), age=20.0)
    assert len(edge.take()) == 1


def test_without_overload_an_old_invite_is_served() -> None:
    """A pause of the machine is no overload: the caller still waits."""
    edge = Conversation()
    edge.receive(request(), age=3.0)
    assert statuses(edge) == ["100"]


# What is reported


def test_the_beginning_and_the_end_of_overload_are_reported() -> None:
    edge = overloaded()
    for number in range(7):
        edge.receive(call(number))
    edge.receive(call(0))
    wait(edge, 5)
    began, ended = edge.of(OverloadChanged)
    assert (began.state, began.refused, began.delay) == (SHEDDING, 0, 0.2)
    assert (ended.state, ended.refused) == (NORMAL, 7)
    assert 2 < ended.seconds < 3


def test_calls_are_admitted_in_overload_as_the_control_allows() -> None:
    edge = overloaded()
    edge.shedder.end_interval(0.0)
    edge.clock.advance(0.5)
    edge.shedder.observe_age(0, 0.0)
    for number in range(10):
        edge.receive(call(number))
    sent = statuses(edge)
    assert sent.count("100") >= 1
    assert sent.count("503") >= 5


def test_a_later_invite_on_the_branch_of_a_live_call_is_screened_as_any_other() -> None:
    edge = Conversation()
    edge.receive(request())
    overloaded(edge)
    edge.receive(request(cseq=2))
    assert statuses(edge) == ["503"]
    edge.receive(ack(edge))
    edge.receive(request())
    assert statuses(edge) == ["100"]


def test_a_call_on_the_branch_of_a_refused_one_is_admitted_after_the_overload() -> None:
    """The refusal is remembered for the INVITE, not for whatever its sender sends next."""
    edge = overloaded()
    edge.receive(request())
    assert statuses(edge) == ["503"]
    wait(edge, 10)
    assert edge.shedder.active
    assert edge.shedder.control.state is NORMAL
    edge.receive(request())
    edge.receive(request(cseq=2))
    edge.receive(bytes(request()).replace(b"call-1@", b"call-2@"))
    assert statuses(edge) == ["503", "100", "100"]
