"""RFC 3261 16.5 and 16.7 step 4: a 3xx of the upstream, followed if the settings allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.calls import answer, called, ended
from tests.support.conversation import BOB, CAROL, DAVE, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request


def moved(edge: Conversation, invite: Request, *contacts: str) -> list[str]:
    """Place a call that bob redirects; return the messages sent then."""
    came = response(invite, 302).without(b"contact")
    for contact in contacts:
        came = came.with_last(b"contact", f"Contact: {contact}".encode())
    edge.receive(came, BOB)
    return edge.take()


def test_a_3xx_is_passed_back_if_the_settings_do_not_follow_it() -> None:
    """RFC 3261 16.7 step 4: "If the proxy chooses to recurse on any contacts in a 3xx response" """
    edge = Conversation()
    assert moved(edge, called(edge), "<sip:a@192.0.2.3>") == ["bob ACK", "alice 302 INVITE"]
    assert edge.last_response("alice").values(b"contact") == [b"<sip:a@192.0.2.3>"]


def test_a_3xx_that_was_followed_is_not_a_response_to_pass_back() -> None:
    """RFC 3261 16.7 step 4: "If the proxy recurses on all of the contacts in a 3xx response, the
    proxy SHOULD NOT add the resulting contactless response to the response context."
    """
    edge = Conversation(redirects=2)
    assert moved(edge, called(edge), "<sip:a@192.0.2.3>") == ["bob ACK", "carol INVITE"]
    assert edge.last_request("carol").uri_text == b"sip:a@192.0.2.3"
    assert answer(edge, edge.last_request("carol"), 500, CAROL)[-1] == "alice 500 INVITE"
    assert ended(edge)


def test_only_contacts_that_were_not_followed_are_passed_back() -> None:
    """RFC 3261 16.7 step 4: "it MUST remove them from the response before adding the response
    to the response context."

    RFC 3261 16.7 step 4: "A proxy may choose to recurse on the SIP and SIPS URIs and place the
    remainder into the response context to be returned, potentially in the final response."
    """
    edge = Conversation(redirects=1)
    followed, left = (
        "<sip:a@192.0.2.3>;q=0.9",
        ["<mailto:bob@example.com>", "<sip:c@192.0.2.4>;q=0.1"],
    )
    assert moved(edge, called(edge), left[0], followed, left[1])[-1] == "carol INVITE"
    assert answer(edge, edge.last_request("carol"), 404, CAROL)[-1] == "alice 302 INVITE"
    told = edge.last_response("alice").values(b"contact")
    assert [value.decode() for value in told] == left


def test_contacts_are_followed_from_the_highest_q_to_the_lowest() -> None:
    """RFC 3261 16.6: "Targets are processed from highest qvalue to lowest." """
    edge = Conversation(redirects=5)
    again = "<sip:a@192.0.2.3>;q=0.1", "<sip:b@192.0.2.4>", "<sip:a@192.0.2.3>;q=0.2"
    assert moved(edge, called(edge), *again) == ["bob ACK", "dave INVITE"]
    assert answer(edge, edge.last_request("dave"), 404, DAVE) == ["dave ACK", "carol INVITE"]
    assert answer(edge, edge.last_request("carol"), 404, CAROL)[-1] == "alice 404 INVITE"


def test_the_settings_limit_the_contacts_that_are_followed() -> None:
    """RFC 3261 16.5: "prevents infinite recursion"; the bound holds for the whole call."""
    edge = Conversation(redirects=2)
    invite = called(edge)
    for number in range(2):
        assert moved(edge, invite, f"<sip:{number}@192.0.2.2>") == ["bob ACK", "bob INVITE"]
        invite = edge.last_request("bob")
    assert moved(edge, invite, "<sip:again@192.0.2.2>") == ["bob ACK", "alice 302 INVITE"]


@pytest.mark.parametrize(
    "again",
    ["<sip:+33612345678@192.0.2.2:5060>", "<SIP:%2B33612345678@192.0.2.2:5060>;q=1",
     "sip:one@192.0.2.2"],
)  # fmt: skip
def test_no_uri_is_tried_twice(again: str) -> None:
    """RFC 3261 16.5: "As above, any given URI MUST NOT be added to the set more than once." """
    edge = Conversation(redirects=9)
    moved(edge, called(edge), "<sip:one@192.0.2.2>")
    assert moved(edge, edge.last_request("bob"), again) == ["bob ACK", "alice 302 INVITE"]


def test_a_contact_in_the_target_set_is_not_added_again() -> None:
    """RFC 3261 16.5: the set holds the URIs that are still to be tried, too."""
    edge = Conversation(redirects=9)
    moved(edge, called(edge), "<sip:one@192.0.2.2>;q=0.9, <sip:two@192.0.2.3>;q=0.1")
    sent = moved(edge, edge.last_request("bob"), "<sip:two@192.0.2.3>, <sip:three@192.0.2.4>")
    assert sent[-1] == "dave INVITE"
    assert answer(edge, edge.last_request("dave"), 404, DAVE)[-1] == "carol INVITE"
    assert answer(edge, edge.last_request("carol"), 404, CAROL)[-1] == "alice 404 INVITE"


def test_headers_and_method_of_a_contact_are_not_followed() -> None:
    """RFC 3261 16.6 step 2: "If the URI contains any parameters not allowed in a Request-URI, they
    MUST be removed."
    """
    edge = Conversation(redirects=1)
    moved(edge, called(edge), "<sip:a@192.0.2.3;method=BYE;x=y?X-Rounded-Call-Id=forged>")
    invite = edge.last_request("carol")
    assert invite.uri_text == b"sip:a@192.0.2.3;x=y"
    assert invite.values(b"x-rounded-call-id") == [b"call-1"]


@pytest.mark.parametrize(
    "contact",
    ["*", "<tel:+33>", "<sips:a@192.0.2.3>", "no address at all", '"<open', "<sip:a@b:99999>"],
)  # fmt: skip
def test_contacts_that_cannot_be_followed_are_passed_back(contact: str) -> None:
    """RFC 3261 16.7 step 4: "3xx responses may contain a mixture of SIP, SIPS, and non-SIP
    URIs."
    """
    edge = Conversation(redirects=3)
    assert moved(edge, called(edge), contact) == ["bob ACK", "alice 302 INVITE"]
    assert edge.last_response("alice").rows(b"contact") == [b"Contact: " + contact.encode()]


def test_a_3xx_of_a_dialog_is_passed_back() -> None:
    """RFC 3261 16.5: "A proxy MUST NOT add additional targets to the target set if the Request-URI
    of the original request does not indicate a resource this proxy is responsible for."
    """
    edge = Conversation(redirects=3)
    edge.receive(request("INVITE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    edge.take()
    sent = moved(edge, edge.last_request("bob"), "<sip:a@192.0.2.3>")
    assert sent == ["bob ACK", "alice 302 INVITE"]


def test_contacts_are_tried_before_the_remaining_targets() -> None:
    """RFC 3261 16.5: "the proxy MAY continue to add targets to the set after beginning Request
    Forwarding."
    """
    edge = Conversation(redirects=1, backups=("sip:192.0.2.3",))
    assert moved(edge, called(edge), "<sip:a@192.0.2.4>") == ["bob ACK", "dave INVITE"]
    assert answer(edge, edge.last_request("dave"), 404, DAVE)[-1] == "carol INVITE"
