"""A caller who requests privacy in the first INVITE is anonymous for all of the dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.model.call import Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from sip_stager.proxy.seal import Seal
from sip_stager.sip.parser import parse_request
from sip_stager.sip.uri import parse_uri
from tests.support.conversation import (
    ALICE,
    BOB,
    SEAL,
    STRANGER,
    TRUNK_NAME,
    USER,
    Conversation,
)
from tests.support.messages import request, response
from tests.support.reading import parsed

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Message, Request

PRIVATE = SEAL.seal_for(request(), TRUNK_NAME, anonymous=True).decode()
RECORDED = f"<sip:{PRIVATE}@198.51.100.1:5060;lr>".encode()
PAI = "P-Asserted-Identity: <sip:+33698765432@carrier.example>"
ASSERTED = b"p-asserted-identity"


@pytest.fixture
def edge() -> Conversation:
    """Forward a call of alice, with a request for privacy that her later requests do not repeat."""
    edge = Conversation()
    edge.admission.anonymous.add(ALICE.host)
    forwarded = edge.forward(request())
    edge.admission.anonymous.clear()
    assert forwarded.values(b"record-route") == [RECORDED]
    return edge


def later(method: str, user: str, *, of: str = "alice") -> bytes:
    """Write a request of the dialog, by either side, that identifies its sender."""
    route = f"Route: <sip:{user}@198.51.100.1:5060;lr>"
    uri = "sip:bob@192.0.2.2" if of == "alice" else "sip:alice@192.0.2.1"
    asked = bytes(request(method, uri, to_tag="bob", extra=(route, PAI), branch=f"z9hG4bK-{of}"))
    if of == "alice":
        return asked
    swapped = asked.replace(b";tag=alice", b";tag=?").replace(b";tag=bob", b";tag=alice")
    return swapped.replace(b";tag=?", b";tag=bob")


@pytest.mark.parametrize("source", [ALICE, STRANGER])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "ACK", "BYE"])
def test_later_requests_of_an_anonymous_caller_are_stripped(
    edge: Conversation, method: str, source: Flow
) -> None:
    """RFC 3325 7: they have no Privacy field, and may come from another address of the carrier."""
    relayed = edge.relay(later(method, PRIVATE), source)
    assert relayed.method.decode() == method
    assert ASSERTED not in relayed.names


def test_requests_of_the_agent_keep_their_identity(edge: Conversation) -> None:
    for method in ("INVITE", "UPDATE", "BYE"):
        assert ASSERTED in edge.relay(later(method, PRIVATE, of="bob"), BOB).names


@pytest.mark.parametrize(
    ("method", "status"),
    [("INVITE", 183), ("INVITE", 200), ("INVITE", 488), ("UPDATE", 200), ("UPDATE", 488)],
)
def test_responses_of_an_anonymous_caller_are_stripped(
    edge: Conversation, method: str, status: int
) -> None:
    """RFC 3325 9.1: a response may hold a P-Asserted-Identity as well."""
    asked = edge.relay(later(method, PRIVATE, of="bob"), BOB)
    edge.receive(response(asked, status, extra=(PAI, "Subject: kept")), ALICE)
    answer = edge.last_response("bob")
    assert answer.status == status
    assert b"subject" in answer.names
    assert ASSERTED not in answer.names


def test_responses_of_the_agent_keep_their_identity(edge: Conversation) -> None:
    asked = edge.relay(later("UPDATE", PRIVATE))
    edge.receive(response(asked, 200, extra=(PAI,)), BOB)
    assert ASSERTED in edge.last_response("alice").names


def test_later_requests_without_privacy_keep_their_identity() -> None:
    edge = Conversation()
    edge.forward(request())
    assert ASSERTED in edge.relay(later("INVITE", USER)).names


@pytest.mark.parametrize("of", ["alice", "bob"])
def test_a_dialog_keeps_its_seal_in_a_later_invite_of_either_side(
    edge: Conversation, of: str
) -> None:
    """RFC 3261 12.2: a peer that takes its route from a later INVITE gets the same one."""
    relayed = edge.relay(later("INVITE", PRIVATE, of=of), ALICE if of == "alice" else BOB)
    assert relayed.values(b"record-route") == [RECORDED]


@pytest.mark.parametrize("user", [PRIVATE[1:], f"w{USER}", f"w{PRIVATE}"])
def test_no_peer_can_remove_or_forge_the_mark(edge: Conversation, user: str) -> None:
    """RFC 3261 16.6 step 4: the mark of an anonymous caller in our Record-Route is signed with the
    rest.

    A callee that writes another route gets 481.
    """
    edge.take()
    edge.receive(later("UPDATE", user))
    assert edge.take() == ["alice 481 UPDATE"]


def test_the_mark_means_the_caller_and_not_the_callee() -> None:
    route = parse_uri(f"sip:{PRIVATE}@198.51.100.1;lr".encode())
    mine, theirs = request("BYE", to_tag="bob"), request("BYE", to_tag="alice")
    assert SEAL.is_valid(route, mine)
    assert SEAL.from_anonymous(route, mine)
    assert not Seal(b"another key").from_anonymous(route, mine)
    assert not SEAL.from_anonymous(parse_uri(f"sip:{USER}@198.51.100.1;lr".encode()), mine)
    swapped = theirs.with_field(theirs.names.index(b"from"), b"From: <sip:bob@192.0.2.2>;tag=bob")
    swapped = parse_request(bytes(swapped))
    assert SEAL.is_valid(route, swapped)
    assert not SEAL.from_anonymous(route, swapped)


def private_call(**given: Any) -> Conversation:
    edge = Conversation(**given)
    edge.admission.anonymous.add(ALICE.host)
    return edge


def test_every_target_of_the_call_gets_the_same_mark() -> None:
    backup = private_call(backups=("sip:192.0.2.3",))
    backup.forward(request())
    backup.clock.advance(3)
    moved = private_call(redirects=1)
    to_carol = response(moved.forward(request()), 302, extra=("Contact: <sip:192.0.2.3>",))
    moved.receive(bytes(to_carol).replace(b"Contact: <sip:bob@192.0.2.2>\r\n", b""), BOB)
    instead = private_call()
    treatment = Treatment(TreatmentKind.REDIRECT, target="sip:192.0.2.3")
    instead.admission.policy = Policy({StagingOutcome.TIMEOUT: (treatment,)})
    instead.receive(request())
    instead.stager.stagings[0].fail()
    for edge in (backup, moved, instead):
        assert edge.last_request("carol").values(b"record-route") == [RECORDED]


# RFC 3323 5.3: the From of a caller who requests the privacy of a user

HIDDEN = SEAL.seal_for(request(), TRUNK_NAME, anonymous=True, hides_from=True).decode()
ALICES = b'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice'
ANONYMOUS_FROM = b'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=alice'


def from_field(message: Message) -> bytes:
    return message.rows(b"from")[0]


@pytest.mark.parametrize(
    "extra",
    [
        ("Privacy: user",),
        ("Privacy: id;user;critical",),
        ("Privacy: id", "Privacy: USER"),
        ("Privacy: full",),
        ("Proxy-Require: privacy",),
        ("Proxy-Require: privacy", "Privacy: critical"),
    ],
)
def test_the_from_of_a_caller_with_the_privacy_of_a_user_is_hidden(extra: tuple[str, ...]) -> None:
    """RFC 3323 5.3: "user-level privacy could entail the modification of the From header"."""
    sent = private_call().forward(request(extra=extra))
    assert from_field(sent) == ANONYMOUS_FROM
    assert b"33912345678" not in bytes(sent)
    assert HIDDEN.encode() in sent.rows(b"record-route")[0]


@pytest.mark.parametrize("extra", [("Privacy: id",), ("Privacy: header",), ()])
def test_the_from_of_any_other_anonymous_caller_is_kept(extra: tuple[str, ...]) -> None:
    """RFC 3325 9.3: ``id`` is a request about asserted identities alone."""
    sent = private_call().forward(request(extra=extra))
    assert from_field(sent) == ALICES
    assert PRIVATE.encode() in sent.rows(b"record-route")[0]


def test_a_from_that_is_anonymous_already_is_kept() -> None:
    field = b"f:   sip:Anonymous@carrier.example;tag=alice"
    data = bytes(request(extra=("Privacy: user",))).replace(ALICES, field)
    assert from_field(private_call().forward(data)) == field


def test_privacy_of_a_caller_who_is_not_anonymous_here_hides_nothing() -> None:
    """A trunk with ``pass_private_number`` has its privacy performed by the upstream."""
    assert from_field(Conversation().forward(request(extra=("Privacy: user",)))) == ALICES


def hidden_call(**given: Any) -> tuple[Conversation, Request]:
    edge = private_call(**given)
    return edge, edge.forward(request(extra=("Privacy: user",)))


@pytest.mark.parametrize("status", [180, 200, 486])
def test_responses_have_the_from_of_the_caller(status: int) -> None:
    """RFC 3261 8.2.6.2: "The From field of the response MUST equal the From header field of the
    request."
    """
    edge, sent = hidden_call()
    assert from_field(edge.last_response("alice")) == ALICES  # of our own 100
    edge.receive(response(sent, status), BOB)
    answer = edge.last_response("alice")
    assert (answer.status, from_field(answer)) == (status, ALICES)


def test_the_ack_and_the_cancel_of_a_hidden_call_have_its_from() -> None:
    """RFC 3261 9.1, 17.1.1.3: the From of both is that of the INVITE that was sent."""
    edge, sent = hidden_call()
    edge.receive(response(sent, 486), BOB)
    assert from_field(edge.last_request("bob")) == ANONYMOUS_FROM
    edge, sent = hidden_call()
    edge.receive(response(sent, 180), BOB)
    edge.receive(request("CANCEL"))
    cancel = edge.last_request("bob")
    assert (cancel.method, from_field(cancel)) == (b"CANCEL", ANONYMOUS_FROM)


@pytest.mark.parametrize("source", [ALICE, STRANGER])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "ACK", "BYE"])
def test_later_requests_of_a_hidden_caller_are_hidden(method: str, source: Flow) -> None:
    edge, _ = hidden_call()
    edge.admission.anonymous.clear()
    asked = later(method, HIDDEN).replace(b"Contact:", b"User-Agent: Alice's\r\nContact:")
    relayed = edge.relay(asked, source)
    assert (relayed.method.decode(), from_field(relayed)) == (method, ANONYMOUS_FROM)
    assert b"user-agent" not in relayed.names
    if method != "ACK":
        edge.receive(response(relayed, 200), BOB)
        assert from_field(edge.last_response("alice" if source == ALICE else "stranger")) == ALICES


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "BYE"])
def test_requests_of_the_agent_are_sent_as_they_are(method: str) -> None:
    edge, _ = hidden_call()
    asked = later(method, HIDDEN, of="bob")
    relayed = edge.relay(asked, BOB)
    assert from_field(relayed) == from_field(parsed(asked))
    assert relayed.rows(b"to") == parsed(asked).rows(b"to")


def test_every_target_of_a_hidden_call_is_hidden() -> None:
    edge, _ = hidden_call(backups=("sip:192.0.2.3",))
    edge.clock.advance(3)
    assert from_field(edge.last_request("carol")) == ANONYMOUS_FROM


@pytest.mark.parametrize("user", [HIDDEN[1:], f"w{HIDDEN[1:]}", f"v{PRIVATE[1:]}", f"v{USER}"])
def test_no_peer_can_uncover_the_from(user: str) -> None:
    edge, _ = hidden_call()
    edge.take()
    edge.receive(later("UPDATE", user))
    assert edge.take() == ["alice 481 UPDATE"]


@pytest.mark.parametrize(("user", "anonymous"), [(USER, False), (PRIVATE, True), (HIDDEN, True)])
def test_a_seal_says_whether_the_caller_is_anonymous(user: str, *, anonymous: bool) -> None:
    assert SEAL.is_anonymous(user.encode()) is anonymous
