"""A caller who withholds who he is when he calls is told to nobody for all of that dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.model.call import Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from sip_stager.proxy.seal import Seal
from sip_stager.sip.uri import parse_uri
from tests.support.conversation import ALICE, BOB, SEAL, STRANGER, USER, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow

HIDDEN = SEAL.made(request(), withheld=True).decode()
RECORDED = f"<sip:{HIDDEN}@198.51.100.1:5060;lr>".encode()
PAI = "P-Asserted-Identity: <sip:+33698765432@carrier.example>"
ASSERTED = b"p-asserted-identity"


@pytest.fixture
def edge() -> Conversation:
    """Bring a call of alice's, who withholds who she is, to where her trunk says so no more."""
    edge = Conversation()
    edge.admission.shy.add(ALICE.host)
    forwarded = edge.forward(request())
    edge.admission.shy.clear()
    assert forwarded.values(b"record-route") == [RECORDED]
    return edge


def later(method: str, user: str, *, of: str = "alice") -> bytes:
    """Write a request of the dialog, by either side, which tells who its sender is."""
    route = f"Route: <sip:{user}@198.51.100.1:5060;lr>"
    uri = "sip:bob@192.0.2.2" if of == "alice" else "sip:alice@192.0.2.1"
    asked = bytes(request(method, uri, to_tag="bob", extra=(route, PAI), branch=f"z9hG4bK-{of}"))
    if of == "alice":
        return asked
    swapped = asked.replace(b";tag=alice", b";tag=?").replace(b";tag=bob", b";tag=alice")
    return swapped.replace(b";tag=?", b";tag=bob")


@pytest.mark.parametrize("source", [ALICE, STRANGER])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "ACK", "BYE"])
def test_later_requests_of_the_caller_do_not_tell_it_either(
    edge: Conversation, method: str, source: Flow
) -> None:
    """RFC 3325 7: they come without Privacy, and perhaps from another address of the carrier."""
    relayed = edge.relay(later(method, HIDDEN), source)
    assert relayed.method.decode() == method
    assert ASSERTED not in relayed.names


def test_those_of_the_agent_say_who_he_is(edge: Conversation) -> None:
    for method in ("INVITE", "UPDATE", "BYE"):
        assert ASSERTED in edge.relay(later(method, HIDDEN, of="bob"), BOB).names


@pytest.mark.parametrize(
    ("method", "status"),
    [("INVITE", 183), ("INVITE", 200), ("INVITE", 488), ("UPDATE", 200), ("UPDATE", 488)],
)
def test_what_the_caller_answers_does_not_tell_it_either(
    edge: Conversation, method: str, status: int
) -> None:
    """RFC 3325 9.1: a response may hold a P-Asserted-Identity as well."""
    asked = edge.relay(later(method, HIDDEN, of="bob"), BOB)
    edge.receive(response(asked, status, extra=(PAI, "Subject: kept")), ALICE)
    answer = edge.last_response("bob")
    assert answer.status == status
    assert b"subject" in answer.names
    assert ASSERTED not in answer.names


def test_what_the_agent_answers_says_who_he_is(edge: Conversation) -> None:
    asked = edge.relay(later("UPDATE", HIDDEN))
    edge.receive(response(asked, 200, extra=(PAI,)), BOB)
    assert ASSERTED in edge.last_response("alice").names


def test_who_withholds_nothing_is_told_in_later_requests() -> None:
    edge = Conversation()
    edge.forward(request())
    assert ASSERTED in edge.relay(later("INVITE", USER)).names


@pytest.mark.parametrize("of", ["alice", "bob"])
def test_a_dialog_keeps_its_seal_whoever_invites_again(edge: Conversation, of: str) -> None:
    """RFC 3261 12.2: a peer that takes its route from a later INVITE gets the same one."""
    relayed = edge.relay(later("INVITE", HIDDEN, of=of), ALICE if of == "alice" else BOB)
    assert relayed.values(b"record-route") == [RECORDED]


@pytest.mark.parametrize("user", [HIDDEN[1:], f"w{USER}", f"w{HIDDEN}"])
def test_nobody_on_the_way_can_take_the_mark_off_or_put_it_on(
    edge: Conversation, user: str
) -> None:
    """RFC 3261 16.6 step 4: the mark of a withheld caller in our Record-Route is signed with the
    rest.

    The mark is part of what is signed: a callee that writes another route gets 481 for it.
    """
    edge.take()
    edge.receive(later("UPDATE", user))
    assert edge.take() == ["alice 481 UPDATE"]


def test_the_mark_is_the_callers() -> None:
    route = parse_uri(f"sip:{HIDDEN}@198.51.100.1;lr".encode())
    mine, theirs = request("BYE", to_tag="bob"), request("BYE", to_tag="alice")
    assert SEAL.holds(route, mine)
    assert SEAL.withholds(route, mine)
    assert not Seal(b"another key").withholds(route, mine)
    assert not SEAL.withholds(parse_uri(f"sip:{USER}@198.51.100.1;lr".encode()), mine)
    swapped = theirs.with_field(theirs.names.index(b"from"), b"From: <sip:bob@192.0.2.2>;tag=bob")
    assert SEAL.holds(route, swapped)
    assert not SEAL.withholds(route, swapped)


def hidden_call(**given: Any) -> Conversation:
    edge = Conversation(**given)
    edge.admission.shy.add(ALICE.host)
    return edge


def test_every_target_of_the_call_gets_the_same_mark() -> None:
    backup = hidden_call(backups=("sip:192.0.2.3",))
    backup.forward(request())
    backup.clock.advance(3)
    moved = hidden_call(redirects=1)
    to_carol = response(moved.forward(request()), 302, extra=("Contact: <sip:192.0.2.3>",))
    moved.receive(bytes(to_carol).replace(b"Contact: <sip:bob@192.0.2.2>\r\n", b""), BOB)
    instead = hidden_call()
    treatment = Treatment(TreatmentKind.REDIRECT, target="sip:192.0.2.3")
    instead.admission.policy = Policy({StagingOutcome.TIMEOUT: (treatment,)})
    instead.receive(request())
    instead.stager.stagings[0].fail()
    for edge in (backup, moved, instead):
        assert edge.last_request("carol").values(b"record-route") == [RECORDED]
