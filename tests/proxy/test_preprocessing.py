"""Preprocessing: our Route, the rewriting of a strict router, and our maddr (RFC 3261 16.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.model.flow import Flow
from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.sip.uri import parse_uri
from tests.support.conversation import ALICE, BOB, ROUTE, URI, USER, Conversation
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

OURS = Interfaces(
    (
        Interface("UDP", "10.0.0.1", "sip.Example.org", 5060, 5070),
        Interface("TCP", "2001:db8::1", "2001:DB8:0:0::1", 5080, 5080),
    )
)
"""Behind a forwarded port and a name; and IPv6."""


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def bye(route: str = ROUTE, uri: str = "sip:bob@192.0.2.2") -> Request:
    return request("BYE", uri, to_tag="bob", cseq=2, extra=(route,) if route else ())


# The first value of the Route


def test_our_own_route_is_removed(edge: Conversation) -> None:
    """RFC 3261 16.4: "If the first value in the Route header field indicates this proxy, the proxy
    MUST remove that value from the request."
    """
    sent = edge.relay(bye())
    assert b"route" not in sent.names
    assert sent.uri_text == b"sip:bob@192.0.2.2"


@pytest.mark.parametrize(
    "routes",
    [
        f"Route: {URI},<sip:192.0.2.2;lr>,   <sip:p3.example;lr>",
        f"Route: {URI}\r\nRoute: <sip:192.0.2.2;lr>,   <sip:p3.example;lr>",
        f"Route:{URI} ,\r\n <sip:192.0.2.2;lr>,   <sip:p3.example;lr>",
    ],
)
def test_the_rest_of_the_route_is_kept(edge: Conversation, routes: str) -> None:
    """RFC 3261 16.4: "remove that value", no other, in whichever row of the header it is."""
    sent = edge.relay(bye(routes))
    assert sent.values(b"route") == [b"<sip:192.0.2.2;lr>", b"<sip:p3.example;lr>"]
    assert b"<sip:192.0.2.2;lr>,   <sip:p3.example;lr>" in bytes(sent)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:10.0.0.1:5060", "sip:10.0.0.1:5070", "sip:10.0.0.1", "sip:x@10.0.0.1;lr",
        "sip:sip.example.org", "sip:SIP.EXAMPLE.ORG:5060", "sip:sip.example.org:5070",
        "sip:[2001:db8::1]:5080", "sip:[2001:DB8:0:0:0:0:0:1]:5080", "sip:[2001:db8::0:1]:5080",
        "sip:[2001:0db8::0001]:5080;transport=tcp", "sips:sip.example.org",
    ],
)  # fmt: skip
def test_every_address_and_name_of_ours_is_recognized(uri: str) -> None:
    """RFC 3261 16.4: "indicates this proxy": by the bound and the advertised address, by both
    ports, and by any spelling of an IPv6 address (RFC 5118 4.5).
    """
    assert OURS.is_ours(parse_uri(uri.encode()))


@pytest.mark.parametrize(
    "uri",
    [
        "sip:10.0.0.1:5080", "sip:10.0.0.2", "sip:sip.example.org:5080", "sip:example.org",
        "sip:sip.example.org.evil.example", "sip:[2001:db8::1]", "sip:[2001:db8::2]:5080",
        "sip:10.0.0.1@elsewhere.example", "tel:10.0.0.1", "sip:elsewhere.example;maddr=10.0.0.1",
    ],
)  # fmt: skip
def test_no_other_address_is_taken_for_ours(uri: str) -> None:
    """RFC 3261 19.1.4: host and port "must match"."""
    assert not OURS.is_ours(parse_uri(uri.encode()))


def test_a_route_by_another_of_our_names_is_removed_as_well() -> None:
    """RFC 3261 16.4: behind a forwarded port, and with a host name."""
    edge = Conversation(
        interfaces=(Interface("UDP", "198.51.100.1", "sip.example.org", 5060, 5070),)
    )
    for number, place in enumerate(
        ("198.51.100.1:5070", "SIP.example.org", "sip.example.org:5060")
    ):
        later = bytes(bye(f"Route: <sip:{USER}@{place};lr>"))
        edge.receive(later.replace(b"z9hG4bK-alice-1", b"z9hG4bK-%d" % number))
    assert edge.take() == ["bob BYE"] * 3


def test_the_two_entries_of_one_dialog_are_removed_together(edge: Conversation) -> None:
    """RFC 5658 5: a proxy that has recorded itself twice removes both, and does not send to
    itself."""
    tcp = f"<sip:{USER}@198.51.100.1:5060;transport=tcp;lr>"
    edge.relay(bye(f"Route: {URI}, {tcp}", "sip:bob@192.0.2.2;transport=tcp"))
    sent = edge.relayed
    assert b"route" not in sent.names
    assert edge.flow == Flow("TCP", "192.0.2.2", 5060, 1)


@pytest.mark.parametrize("many", [1, 2, 3, 4, 8])
def test_all_consecutive_entries_of_ours_are_popped(edge: Conversation, many: int) -> None:
    """RFC 3261 16.4: a call may pass us more than once without another recording proxy in between;
    each entry left would make us send to ourselves.
    """
    sent = edge.relay(bye("Route: " + ", ".join([URI] * many + ["<sip:192.0.2.2;lr>"])))
    assert sent.values(b"route") == [b"<sip:192.0.2.2;lr>"]


def test_an_entry_of_ours_behind_another_proxys_is_kept(edge: Conversation) -> None:
    """RFC 3261 16.4: only the first value; a spiral that comes back to us needs the others."""
    sent = edge.relay(bye(f"Route: {URI}, <sip:192.0.2.2;lr>, {URI}"))
    assert sent.values(b"route") == [b"<sip:192.0.2.2;lr>", URI.encode()]


@pytest.mark.parametrize("many", [9, 64, 256])
def test_a_route_of_very_many_entries_of_ours_is_a_loop(edge: Conversation, many: int) -> None:
    """RFC 3261 16.3 step 4: one packet must not become a hundred packets to ourselves."""
    edge.receive(bye("Route: " + ", ".join([URI] * many)))
    assert edge.take() == ["alice 482 BYE"]
    assert edge.alive == 0


@pytest.mark.parametrize(
    "route",
    ["<sip:198.51.100.1:5060;lr>, <sip:203.0.113.9;lr>", "<sip:203.0.113.9;lr>",
     "<sip:404@other.example>", f"{URI}, <sip:203.0.113.9>"],
)  # fmt: skip
def test_a_preloaded_route_of_a_new_call_is_not_followed(edge: Conversation, route: str) -> None:
    """RFC 3261 16.4 and 26.2: our Route is popped, but the caller does not choose the hop
    after us.
    """
    sent = edge.forward(bytes(request(extra=(f"Route: {route}",))).replace(b"call-1@", b"call-3@"))
    assert sent.uri_text == b"sip:+33612345678@192.0.2.2:5060"
    assert b"route" not in sent.names
    assert edge.flow == BOB


# A strict router ahead of us


@pytest.mark.parametrize("routes", [["<sip:bob@192.0.2.2>"], [URI, "<sip:bob@192.0.2.2>"]])
def test_the_rewriting_of_a_strict_router_is_undone(edge: Conversation, routes: list[str]) -> None:
    """RFC 3261 16.4: "the proxy MUST replace the Request-URI in the request with the last value
    from the Route header field, and remove that value from the Route header field."
    """
    sent = edge.relay(bye("Route: " + ", ".join(routes), URI.strip("<>")))
    assert sent.uri_text == b"sip:bob@192.0.2.2"
    assert b"route" not in sent.names
    assert edge.flow == BOB


def test_the_rest_of_a_strict_routers_route_is_followed(edge: Conversation) -> None:
    """RFC 3261 16.4: "The proxy MUST then proceed as if it received this modified request." """
    routes = "Route: <sip:192.0.2.2;lr>\r\nRoute: <sip:p3.example;lr>, <sip:carol@203.0.113.9>"
    sent = edge.relay(bye(routes, URI.strip("<>")))
    assert sent.uri_text == b"sip:carol@203.0.113.9"
    assert sent.values(b"route") == [b"<sip:192.0.2.2;lr>", b"<sip:p3.example;lr>"]
    assert edge.flow == BOB


@pytest.mark.parametrize("uri", ["sip:+33612345678@198.51.100.1;lr", "sip:198.51.100.1:5060"])
def test_a_strict_router_is_recognized_only_by_a_uri_that_we_recorded(
    edge: Conversation, uri: str
) -> None:
    """RFC 3261 16.4: "a value this proxy previously placed into a Record-Route header field": a
    Request-URI with our address alone, with lr or without, is the dialled one.
    """
    edge.receive(request(uri=uri, extra=("Route: <sip:198.51.100.1;lr>, <sip:404@other>",)))
    assert edge.stager.stagings[-1].call.to_number in {"+33612345678", ""}


def test_our_uri_without_a_route_is_not_forwarded(edge: Conversation) -> None:
    """RFC 3261 16.4: the last Route would be the target, and there is none."""
    edge.receive(bye("", URI.strip("<>")))
    assert edge.take() == ["alice 481 BYE"]


# maddr


@pytest.mark.parametrize(
    ("uri", "stripped"),
    [
        ("sip:bob@192.0.2.2;maddr=198.51.100.1", "sip:bob@192.0.2.2"),
        ("sip:192.0.2.2;maddr=198.51.100.1", "sip:192.0.2.2"),
        ("sip:bob@192.0.2.2:5060;x=1;MADDR=198.51.100.1;transport=udp;y",
         "sip:bob@192.0.2.2;x=1;y"),
        ("sip:bob:5060@192.0.2.2:5060;maddr=198.51.100.1", "sip:bob:5060@192.0.2.2"),
    ],
)  # fmt: skip
def test_a_maddr_that_is_ours_is_stripped(edge: Conversation, uri: str, stripped: str) -> None:
    """RFC 3261 16.4: "the proxy MUST strip the maddr and any non-default port or transport
    parameter and continue processing as if those values had not been present in the request."
    """
    assert edge.relay(bye(uri=uri)).uri_text == stripped.encode()
    assert edge.flow == BOB


@pytest.mark.parametrize("maddr", ["203.0.113.9", "198.51.100.1;transport=tcp"])
def test_a_maddr_of_another_is_kept(edge: Conversation, maddr: str) -> None:
    """RFC 3261 16.4: only if "the request was received using the port and transport indicated"."""
    sent = edge.relay(bye(uri=f"sip:bob@192.0.2.2;maddr={maddr}"))
    assert sent.uri_text == f"sip:bob@192.0.2.2;maddr={maddr}".encode()
    assert edge.flow.host == maddr.partition(";")[0]


def test_a_maddr_is_stripped_if_port_and_transport_match() -> None:
    """RFC 3261 16.4: "received using the port and transport indicated (explicitly or by
    default)".
    """
    edge = Conversation(interfaces=(
        Interface("UDP", "198.51.100.1", "198.51.100.1", 5060),
        Interface("UDP", "198.51.100.1", "198.51.100.1", 5070),
    ))  # fmt: skip
    uri = "sip:bob@192.0.2.2:5070;maddr=198.51.100.1"
    assert edge.relay(bye(uri=uri), ALICE).uri_text == uri.encode()
    second = bytes(bye(uri=uri)).replace(b"z9hG4bK-alice-1", b"z9hG4bK-2")
    edge.receive(second, ALICE._replace(interface=1))
    assert edge.relayed.uri_text == b"sip:bob@192.0.2.2"


# A target that is ourselves


@pytest.mark.parametrize("method", ["BYE", "INVITE", "ACK"])
@pytest.mark.parametrize(
    "uri", ["sip:198.51.100.1", "sip:198.51.100.1;lr", URI.strip("<>"), "sip:x@198.51.100.1:5060"]
)
@pytest.mark.parametrize("more", ["", f", {URI}, {URI}", f", <sip:198.51.100.1;lr>, {URI}"])
def test_a_contact_with_our_own_address_is_tried_once_at_most(
    edge: Conversation, method: str, uri: str, more: str
) -> None:
    """RFC 3261 16.6 step 8: the request that comes back has no Route of ours any more, and ends
    there.
    """
    edge.receive(request(method, uri, to_tag="bob", cseq=2, extra=(ROUTE + more,)))
    copies = 0
    for data, flow in edge.transport.sent:
        if flow.host == "198.51.100.1" and not data.startswith(b"SIP"):
            copies += 1
            edge.receive(data, ALICE._replace(host="198.51.100.1"))
    assert copies <= 1
    edge.clock.advance(300)
    assert edge.alive == 0
