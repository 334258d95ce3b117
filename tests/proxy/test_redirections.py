"""A 3xx of the upstream, where the settings let the proxy follow it (RFC 3261 16.7 step 4)."""

from __future__ import annotations

from tests.support.conversation import BOB, Conversation
from tests.support.messages import request, response


def test_the_contacts_of_a_3xx_are_tried_once_each_the_likeliest_first() -> None:
    edge = Conversation(redirects=5)
    edge.receive(request())
    edge.stager.stagings[0].succeed()
    first = edge.last_request("bob")
    contacts = "Contact: <sip:a@192.0.2.2>;q=0.1, <sip:b@192.0.2.2>, <sip:a@192.0.2.2>;q=0.2"
    moved = bytes(response(first, 302, extra=(contacts,)))
    edge.receive(moved.replace(b"Contact: <sip:bob@192.0.2.2>\r\n", b""), BOB)
    second = edge.last_request("bob")
    assert second.uri_text == b"sip:b@192.0.2.2"
    edge.receive(response(second, 404), BOB)
    assert edge.last_request("bob").uri_text == b"sip:a@192.0.2.2"
