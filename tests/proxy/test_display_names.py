"""A display name decides neither over a call nor over any request of its dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from tests.sip.test_parties import NAMES
from tests.support.conversation import ALICE, BOB, ROUTE, Conversation
from tests.support.messages import request, response
from tests.support.reading import parsed
from tests.support.trunks import admission_of

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

FROM = b'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice'
TO = b"To: <sip:+33612345678@198.51.100.1>"
CONTACT = b"Contact: <sip:alice@192.0.2.1>"
ASSERTED = b"P-Asserted-Identity: %b<sip:+33698765432@c.example>"


def named(message: Request, name: bytes) -> bytes:
    """Return a request of alice with a display name in each field that has one."""
    data = bytes(message)
    for field in (FROM, TO, CONTACT):
        label, brackets = field.split(b":", 1)[0], field[field.index(b"<") :]
        assert data.count(field) == 1
        data = data.replace(field, label + b": " + name + brackets)
    return data.replace(b"Content-Length", ASSERTED % name + b"\r\nContent-Length")


@pytest.mark.parametrize("name", NAMES)
def test_an_invite_is_forwarded_with_its_names_byte_for_byte(name: bytes) -> None:
    """RFC 3261 16.3: a proxy passes on what it does not need."""
    edge = Conversation()
    invite = named(request(), name)
    forwarded = bytes(edge.forward(invite))
    for field in parsed(invite).fields:
        if field.startswith((b"From", b"To", b"Contact", b"P-Asserted")):
            assert b"\r\n" + field + b"\r\n" in forwarded


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["ACK", "BYE", "INFO", "INVITE", "UPDATE"])
def test_a_request_of_the_dialog_is_relayed(method: str, name: bytes) -> None:
    edge = Conversation()
    later = named(request(method, "sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,)), name)
    assert edge.relay(later).method.decode() == method


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_is_known_whatever_the_name(name: bytes) -> None:
    """RFC 3325 9.1: P-Asserted-Identity is not passed over for a name."""
    admission = admission_of({"+33612345678": "agent"})
    without = named(request(), name).replace(b"P-Asserted-Identity", b"X-Asserted")
    for invite, number in ((named(request(), name), "+33698765432"), (without, "+33912345678")):
        call = admission.admit(parsed(invite), Flow("UDP", ALICE.host, 5060))
        assert getattr(call, "from_number", "") == number


@pytest.mark.parametrize("name", NAMES)
def test_a_redirection_is_followed_whatever_the_name(name: bytes) -> None:
    edge = Conversation(redirects=1)
    moved = bytes(response(edge.forward(request()), 302))
    contact = b"Contact: " + name + b"<sip:192.0.2.3>"
    edge.receive(moved.replace(b"Contact: <sip:bob@192.0.2.2>", contact), BOB)
    assert edge.last_request("carol").method == b"INVITE"
