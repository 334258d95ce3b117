"""The copy that is forwarded, step by step (RFC 3261 16.6; RFC 3581, RFC 5658, 18.1.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from sip_stager.events import LargeRequestSent
from sip_stager.model.flow import Flow
from sip_stager.proxy.interfaces import Interface
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.support.conversation import (
    ALICE,
    ALICE_TCP,
    BOB,
    INTERFACES,
    ROUTE,
    SEAL,
    TRUNK_NAME,
    URI,
    USER,
    Conversation,
)
from tests.support.messages import BODY, request, response

if TYPE_CHECKING:
    from collections.abc import Iterable

ALICE_6 = Flow("UDP", "2001:db8::a", 5060, 2)
BOB_TCP = BOB._replace(transport="TCP", interface=1)


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def later(
    method: str = "BYE",
    uri: str = "sip:bob@192.0.2.2",
    *extra: str,
    branch: str = "z9hG4bK-later",
    hops: str | None = "70",
    body: str = "",
) -> Request:
    """Return a request of alice's dialog, with our Route unless ``extra`` has one."""
    routes = () if any(field.startswith("Route") for field in extra) else (ROUTE,)
    return request(method, uri, branch=branch, to_tag="bob", cseq=2, extra=(*routes, *extra),
                   max_forwards=hops, body=body)  # fmt: skip


def names(fields: Iterable[bytes]) -> list[bytes]:
    return [field.partition(b":")[0] for field in fields]


# Step 1: the copy


def test_other_header_fields_are_forwarded_byte_for_byte(edge: Conversation) -> None:
    """RFC 3261 16.6 step 1: "Fields not detailed in the processing described below MUST NOT be
    removed."
    """
    odd = (
        "sUbJeCt:   several   spaces\t",
        "X-Folded: one\r\n\ttwo\r\n   three",
        "k: timer,100rel",
        "Identity: abc;info=<https://example.com>",
        'P-Asserted-Identity: "\u00e9t\u00e9" <tel:+33>',
        "Empty:",
    )
    assert "\r\n".join(odd).encode() in bytes(edge.forward(request(extra=odd)))


@pytest.mark.parametrize("first", [request(extra=("A: 1", "Via: SIP/2.0/UDP a;branch=z9hG4bKa",
                                                  "A: 2", "C: 3")), later("INFO")])  # fmt: skip
def test_the_order_of_the_fields_is_kept(edge: Conversation, first: Request) -> None:
    """RFC 3261 16.6 step 1: "The copy SHOULD maintain the ordering of the header fields as in the
    received request. The proxy MUST NOT reorder field values with a common field name."
    """
    sent = edge.relay(first) if first.to_tag else edge.forward(first)
    came = [name for name in names(first.fields) if name != b"Route"]
    ours = {b"Record-Route", b"X-Rounded-Call-Id", b"Max-Breadth"}
    gone = [name for name in names(sent.fields) if name not in ours]
    assert gone == [b"Via", *came]
    assert sent.values(b"a") == first.values(b"a")


@pytest.mark.parametrize("body", [BODY, "\0\r\n\r\n\xff", ""])
def test_the_body_is_unchanged(edge: Conversation, body: str) -> None:
    """RFC 3261 16.6 step 1: "The proxy MUST NOT add to, modify, or remove the message body." """
    data = bytes(request()).replace(b"Content-Length: 0", b"Content-Length: %d" % len(body))
    assert edge.forward(data + body.encode("latin-1")).body == body.encode("latin-1")


def test_each_target_gets_its_copy_of_the_same_request() -> None:
    """RFC 3261 16.6 step 1: "the processing for each next hop begin with the same request"."""
    edge = Conversation(backups=("sip:192.0.2.2:5070",))
    first = edge.forward(request(body=BODY))
    edge.receive(response(first, 404), BOB)
    second = edge.relayed if edge.relayed.method == b"INVITE" else edge.last_request("bob")
    assert second.uri_text == b"sip:+33612345678@192.0.2.2:5070"
    mine = {b"via"}
    assert [f for n, f in zip(first.names, first.fields, strict=True) if n not in mine] == [
        f for n, f in zip(second.names, second.fields, strict=True) if n not in mine
    ]


# Step 2: Request-URI


def test_the_request_uri_is_that_of_the_target(edge: Conversation) -> None:
    """RFC 3261 16.6 step 2: "The Request-URI in the copy's start line MUST be replaced with the URI
    for this target."
    """
    assert edge.forward(request()).start_line == b"INVITE sip:+33612345678@192.0.2.2:5060 SIP/2.0"


def test_the_request_uri_of_a_dialog_is_its_target(edge: Conversation) -> None:
    """RFC 3261 16.5: for a domain that is not ours "the Request-URI MUST be placed into the target
    set as the only target".
    """
    uri = "sip:bob@192.0.2.2:5060;x=y;user=phone"
    assert edge.relay(later("INFO", uri)).uri_text == uri.encode()


# Step 3: Max-Forwards


@pytest.mark.parametrize(
    ("came", "goes"), [("70", b"69"), ("1", b"0"), ("255", b"254"), ("0010", b"9")]
)
@pytest.mark.parametrize("method", ["INVITE", "ACK", "BYE"])
def test_max_forwards_is_decremented(
    edge: Conversation, method: str, came: str, goes: bytes
) -> None:
    """RFC 3261 16.6 step 3: "If the copy contains a Max-Forwards header field, the proxy MUST
    decrement its value by one (1)."
    """
    assert edge.relay(later(method, hops=came)).values(b"max-forwards") == [goes]


@pytest.mark.parametrize("method", ["INVITE", "ACK", "BYE"])
def test_a_missing_max_forwards_is_added(edge: Conversation, method: str) -> None:
    """RFC 3261 16.6 step 3: "the proxy MUST add one with a field value, which SHOULD be 70." """
    assert edge.relay(later(method, hops=None)).values(b"max-forwards") == [b"70"]


def test_max_forwards_is_limited_to_255(edge: Conversation) -> None:
    """RFC 3261 20.22: "The Max-Forwards value is an integer in the range 0-255"."""
    assert edge.forward(request(max_forwards="4294967296")).value(b"max-forwards") == b"254"


# Step 4: Record-Route


def test_our_record_route_comes_first(edge: Conversation) -> None:
    """RFC 3261 16.6 step 4: "it MUST insert a Record-Route header field value into the copy before
    any existing Record-Route header field values".
    """
    theirs = ("Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>", "Record-Route: <sip:p3;lr>")
    invite = request(extra=theirs)
    ours = URI.encode().replace(USER.encode(), SEAL.seal_for(invite, TRUNK_NAME))
    assert edge.forward(invite).values(b"record-route") == [
        ours, b"<sip:p1.example;lr>", b"<sip:p2.example;lr>", b"<sip:p3;lr>",
    ]  # fmt: skip


def test_our_record_route_is_a_sip_uri_with_lr(edge: Conversation) -> None:
    """RFC 3261 16.6 step 4: "This URI MUST contain an lr parameter [...] The URI SHOULD NOT contain
    the transport parameter unless the proxy has knowledge".
    """
    (recorded,) = edge.forward(request()).values(b"record-route")
    assert re.fullmatch(rb"<sip:n[0-9a-f]+@198\.51\.100\.1:5060;lr>", recorded)


def test_a_re_invite_gets_record_route_too(edge: Conversation) -> None:
    """RFC 3261 16.6 step 4: "If this request is already part of a dialog, the proxy SHOULD insert a
    Record-Route header field value if it wishes to remain on the path".
    """
    assert edge.relay(later("INVITE")).values(b"record-route") == [URI.encode()]


@pytest.mark.parametrize("method", ["BYE", "ACK", "UPDATE", "PRACK", "INFO", "FOO"])
def test_only_an_invite_gets_record_route(edge: Conversation, method: str) -> None:
    """RFC 3261 16.6 step 4: proxies "should only record-route if required": these begin no
    dialog.
    """
    assert b"record-route" not in edge.relay(later(method)).names


def test_record_route_holds_the_advertised_address() -> None:
    """RFC 3261 16.6 step 4: the URI "MUST resolve to the element inserting it", for all other
    elements.
    """
    edge = Conversation(interfaces=(Interface("UDP", "10.0.0.1", "sip.example.org", 5060, 5070),))
    sent = edge.forward(request(), ALICE)
    assert sent.values(b"record-route") == [f"<sip:{USER}@sip.example.org:5060;lr>".encode()]
    assert sent.top_via.sent_by == ("sip.example.org", 5060)


def test_tcp_in_and_udp_out_are_both_recorded_and_popped_together(edge: Conversation) -> None:
    """RFC 5658 5: if the interfaces differ in transport, the proxy records itself twice, with the
    outgoing interface on top.
    """
    routes = edge.forward(request(via="SIP/2.0/TCP 192.0.2.1:5060"), ALICE_TCP).values(
        b"record-route"
    )
    assert routes == [
        f"<sip:{USER}@198.51.100.1:5060;lr>".encode(),
        f"<sip:{USER}@198.51.100.1:5060;transport=tcp;lr>".encode(),
    ]
    both = "Route: " + b", ".join(routes).decode()
    sent = edge.relay(
        request("BYE", "sip:alice@192.0.2.1;transport=tcp", branch="z9hG4bK-bob",
                via="SIP/2.0/UDP 192.0.2.2:5060", to_tag="alice", extra=(both,)),
        BOB,
    )  # fmt: skip
    assert b"route" not in sent.names
    assert edge.flow[:4] == ("TCP", "192.0.2.1", 5060, 1)


def test_ipv6_in_and_ipv4_out_are_both_recorded(edge: Conversation) -> None:
    """RFC 5658 5: the same if they differ in address family; RFC 3261 25.1: IPv6 is in brackets."""
    sent = edge.forward(request(via="SIP/2.0/UDP [2001:db8::a]:5060"), ALICE_6)
    assert sent.values(b"record-route") == [
        f"<sip:{USER}@198.51.100.1:5060;lr>".encode(),
        f"<sip:{USER}@[2001:db8::1]:5060;lr>".encode(),
    ]
    assert sent.top_via.host == "198.51.100.1"


def test_ipv4_in_and_ipv6_out(edge: Conversation) -> None:
    """RFC 3261 16.6 step 8: our Via holds the interface that the copy leaves from."""
    edge.relay(later("BYE", "sip:bob@[2001:db8::b]:5070"))
    assert edge.flow == Flow("UDP", "2001:db8::b", 5070, 2)
    assert edge.relayed.values(b"via")[0].startswith(b"SIP/2.0/UDP [2001:db8::1]:5060;branch=")


# Step 6: strict routers behind us


def test_a_strict_router_behind_us_gets_its_own_uri(edge: Conversation) -> None:
    """RFC 3261 16.6 step 6: "The proxy MUST place the Request-URI into the Route header field as
    the last value. [...] then place the first Route header field value into the Request-URI".
    """
    rows = f"Route: {URI}, <sip:192.0.2.2:5070;x=1>\r\nRoute: <sip:p2.example;lr>"
    sent = edge.relay(later("BYE", "sip:carol@203.0.113.9;a=b", rows))
    assert sent.uri_text == b"sip:192.0.2.2:5070;x=1"
    assert sent.values(b"route") == [b"<sip:p2.example;lr>", b"<sip:carol@203.0.113.9;a=b>"]
    assert edge.flow.port == 5070


@pytest.mark.parametrize("lr", ["lr", "LR", "lr=on", "%6C%72"])
def test_a_loose_router_behind_us_keeps_the_request_uri(edge: Conversation, lr: str) -> None:
    """RFC 3261 16.6 step 6: only "if that URI does not contain an lr parameter" is the copy
    modified.
    """
    sent = edge.relay(later("BYE", "sip:carol@203.0.113.9", f"Route: {URI}, <sip:192.0.2.2;{lr}>"))
    assert sent.uri_text == b"sip:carol@203.0.113.9"
    assert sent.values(b"route") == [f"<sip:192.0.2.2;{lr}>".encode()]
    assert edge.flow == BOB


# Step 7: address, port and transport


@pytest.mark.parametrize(
    ("uri", "flow"),
    [
        ("sip:b@192.0.2.2", BOB),
        ("sip:b@192.0.2.2:5070", BOB._replace(port=5070)),
        ("sip:b@192.0.2.2;transport=udp", BOB),
        ("sip:b@192.0.2.2:5062;transport=TCP", BOB_TCP._replace(port=5062)),
        ("sip:b@elsewhere.example;maddr=192.0.2.2", BOB),
        ("sip:b@[2001:db8::b]", Flow("UDP", "2001:db8::b", 5060, 2)),
        ("sip:b@upstream.example", BOB),
        ("sip:b@upstream.example:5070;transport=tcp", BOB_TCP._replace(port=5070)),
    ],
)
@pytest.mark.parametrize("method", ["BYE", "INVITE", "ACK"])
def test_the_next_hop_is_that_of_the_uri(
    edge: Conversation, method: str, uri: str, flow: Flow
) -> None:
    """RFC 3261 16.6 step 7: "the proxy MUST apply the procedures to the first value in the Route
    header field, if present, else the Request-URI" (RFC 3263 4: addresses and names).
    """
    edge.relay(later(method, uri))
    assert edge.flow == flow


def test_the_topmost_route_is_the_next_hop(edge: Conversation) -> None:
    """RFC 3261 16.6 step 7: "the first value in the Route header field, if present"."""
    edge.relay(later("BYE", "sip:carol@203.0.113.9", f"Route: {URI}, <sip:192.0.2.2:5070;lr>"))
    assert edge.flow == BOB._replace(port=5070)


@pytest.mark.parametrize(
    ("uri", "route"),
    [
        ("sip:b@192.0.2.2;transport=tls", ROUTE), ("sip:b@192.0.2.2;transport=sctp", ROUTE),
        ("sip:b@[2001:db8::b];transport=tcp", ROUTE), ("sip:b@nowhere.example", ROUTE),
        ("tel:+33612345678", ROUTE), ("sip:b@192.0.2.2", f"{ROUTE}, <sips:192.0.2.2;lr>"),
        ("sip:b@192.0.2.2", f"{ROUTE}, <tel:+33>"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_a_next_hop_that_we_cannot_send_to_is_a_500(
    edge: Conversation, method: str, uri: str, route: str
) -> None:
    """RFC 3261 16.6 step 7 and 26.2.2: a SIPS URI requires TLS, so nothing is sent in clear; 16.9
    applies.
    """
    edge.receive(later(method, uri, route))
    edge.clock.advance(0.1)
    assert edge.take()[-1] == f"alice 500 {method}"
    assert all(flow.host == "192.0.2.1" for _, flow in edge.transport.sent)


def test_a_request_of_a_dialog_leaves_by_the_interface_in_our_route() -> None:
    """RFC 5658 5: of two possible listeners, the one in the last Route entry of ours."""
    second = Interface("UDP", "198.51.100.2", "198.51.100.2", 5060)
    edge = Conversation(interfaces=(*INTERFACES, second))
    both = f"Route: {URI}, <sip:{USER}@198.51.100.2:5060;lr>"
    sent = edge.relay(later("BYE", "sip:bob@192.0.2.2", both))
    assert edge.flow.interface == 3
    assert sent.top_via.host == "198.51.100.2"


# Step 8: Via


def test_our_via_comes_first(edge: Conversation) -> None:
    """RFC 3261 16.6 step 8: "The proxy MUST insert a Via header field value into the copy before
    the existing Via header field values."
    """
    came = request(extra=("Via: SIP/2.0/TCP far.example;branch=z9hG4bK-far",))
    ours, *theirs = edge.forward(came).values(b"via")
    assert re.fullmatch(rb"SIP/2\.0/UDP 198\.51\.100\.1:5060;branch=z9hG4bK[0-9a-f.]{41}", ours)
    assert theirs == came.values(b"via")


def test_our_via_holds_the_transport_of_the_copy(edge: Conversation) -> None:
    """RFC 3261 18.1.1: "Before a request is sent, the client transport MUST insert a value of the
    "sent-by" field into the Via header field."
    """
    edge.relay(later("BYE", "sip:bob@192.0.2.2;transport=tcp"))
    assert edge.relayed.values(b"via")[0].startswith(b"SIP/2.0/TCP 198.51.100.1:5060;branch=")


def test_each_copy_has_its_own_branch() -> None:
    """RFC 3261 16.6 step 7: "the branch parameter provided with the Via header field inserted in
    step 8 MUST be different for each attempt."
    """
    edge = Conversation(backups=("sip:192.0.2.2:5070",))
    first = edge.forward(request())
    edge.receive(response(first, 404), BOB)
    second = edge.last_request("bob")
    third = edge.relay(later("BYE", branch="z9hG4bK-1"))
    fourth = edge.relay(later("BYE", branch="z9hG4bK-2"))
    branches = {copy.top_via.branch for copy in (first, second, third, fourth)}
    assert len(branches) == 4
    assert all(branch.startswith(b"z9hG4bK") for branch in branches)


def test_the_loop_detection_part_of_a_branch_depends_on_the_request_alone() -> None:
    """RFC 3261 16.6 step 8: "a branch parameter separable into two parts [...] The second is used
    to perform loop detection".
    """
    edge = Conversation(backups=("sip:192.0.2.2:5070",))
    first = edge.forward(request())
    edge.receive(response(first, 404), BOB)
    second = edge.last_request("bob")
    unique, routing = first.top_via.branch.split(b".")
    assert second.top_via.branch.split(b".")[1] == routing
    assert second.top_via.branch.split(b".")[0] != unique


def test_the_cancel_has_the_branch_of_its_invite(edge: Conversation) -> None:
    """RFC 3261 16.6 step 8: "CANCEL and ACK requests (for non-2xx responses) MUST have the same
    branch value as the corresponding request they cancel or acknowledge."
    """
    invite = edge.forward(request())
    edge.receive(response(invite, 180), BOB)
    edge.receive(request("CANCEL"))
    assert edge.relayed.method == b"CANCEL"
    assert edge.relayed.values(b"via") == invite.values(b"via")[:1]
    edge.receive(response(invite, 487), BOB)
    assert edge.relayed.method == b"ACK"
    assert edge.relayed.values(b"via") == invite.values(b"via")[:1]


# 16.11: the ACK of a 2xx, which is forwarded without state


def test_equal_acks_get_one_branch(edge: Conversation) -> None:
    """RFC 3261 16.11: "Since a stateless proxy must forward retransmitted requests to the same
    destination and add identical branch parameters to each of them, it can only use information
    from the message itself".
    """
    first, again = (edge.relay(later("ACK")).top_via.branch for _ in range(2))
    assert first == again
    assert edge.relay(later("ACK", branch="z9hG4bK-2")).top_via.branch != first


@pytest.mark.parametrize(
    "change",
    [(b";tag=bob", b";tag=carol"), (b"CSeq: 2 ", b"CSeq: 3 "),
     (b"sip:bob@192.0.2.2", b"sip:bob@192.0.2.2:5070")],
)  # fmt: skip
def test_acks_without_a_branch_are_told_apart_by_their_other_fields(
    edge: Conversation, change: tuple[bytes, bytes]
) -> None:
    """RFC 3261 16.11: if the topmost Via has no branch of RFC 3261, the tags, Call-ID, CSeq number
    and Request-URI are hashed with it.
    """
    plain = bytes(later("ACK")).replace(b";branch=z9hG4bK-later", b"")
    one, again, other = (
        edge.relay(data).top_via.branch for data in (plain, plain, plain.replace(*change, 1))
    )
    assert one == again != other


# Step 9: Content-Length


@pytest.mark.parametrize("uri", ["sip:bob@192.0.2.2", "sip:bob@192.0.2.2;transport=tcp"])
def test_a_missing_content_length_is_added(edge: Conversation, uri: str) -> None:
    """RFC 3261 16.6 step 9: "If the request will be sent to the next hop using a stream-based
    transport and the copy contains no Content-Length header field, the proxy MUST insert one".
    """
    data = bytes(later("INFO", uri, body="hello")).replace(b"Content-Length: 5\r\n", b"")
    sent = edge.relay(data)
    assert (sent.values(b"content-length"), sent.body) == ([b"5"], b"hello")


def test_a_content_length_is_not_repeated(edge: Conversation) -> None:
    """RFC 3261 7.3.1: a field that is not a list may occur only once, its compact form included."""
    data = bytes(later("INFO", body="hello")).replace(b"Content-Length: 5", b"l: 5")
    sent = edge.relay(data)
    assert sent.rows(b"content-length") == [b"l: 5"]


# 18.1.1: large requests


def sized(method: str, size: int, uri: str = "sip:bob@192.0.2.2") -> Request:
    """Return a request of a dialog whose copy has that many bytes."""
    copy = Conversation().relay(later(method, uri, "X-Padding: "))
    return later(method, uri, "X-Padding: " + "x" * (size - len(bytes(copy))))


def by_tcp(edge: Conversation) -> int:
    """Return how often TCP was tried for a request's size."""
    return sum(event.target.transport == "TCP" for event in edge.of(LargeRequestSent))


@pytest.mark.parametrize("method", ["INVITE", "BYE", "ACK"])
def test_above_1300_bytes_tcp_is_tried_before_udp(edge: Conversation, method: str) -> None:
    """RFC 3261 18.1.1: "if it is larger than 1300 bytes and the path MTU is unknown, the request
    MUST be sent using an RFC 2914 congestion controlled transport protocol, such as TCP. If this
    causes a change in the transport protocol from the one indicated in the top Via, the value in
    the top Via MUST be changed."
    """
    assert len(bytes(edge.relay(sized(method, 1300)))) == 1300
    assert edge.flow == BOB
    large = bytes(sized(method, 1301)).replace(b"z9hG4bK-later", b"z9hG4bK-large")
    assert edge.relay(large).top_via.transport == "TCP"
    assert edge.flow == BOB_TCP
    assert edge.of(LargeRequestSent)[-1].target == BOB_TCP


def test_both_interfaces_are_recorded_if_the_size_changes_the_transport(edge: Conversation) -> None:
    """RFC 5658 5 and RFC 3261 18.1.1: the peer responds over TCP, and sends later requests
    over it.
    """
    sent = edge.forward(request(extra=("X-Padding: " + "x" * 1300,)))
    assert [b"transport=tcp" in value for value in sent.values(b"record-route")] == [True, False]


@pytest.mark.parametrize("method", ["INVITE", "BYE", "ACK"])
def test_udp_is_tried_if_tcp_is_refused(edge: Conversation, method: str) -> None:
    """RFC 3261 18.1.1: "if the attempt to establish the connection [...] results in a TCP reset,
    the element SHOULD retry the request, using UDP."
    """
    edge.transport.without_tcp.add("192.0.2.2")
    edge.receive(sized(method, 1400))
    edge.clock.advance(0.1)
    assert edge.flow == BOB
    assert edge.relayed.top_via.transport == "UDP"
    edge.receive(bytes(sized(method, 1400)).replace(b"z9hG4bK-later", b"z9hG4bK-again"))
    assert edge.flow == BOB
    assert by_tcp(edge) == 1


def test_a_target_that_refused_tcp_is_tried_over_tcp_again_later(edge: Conversation) -> None:
    """RFC 3261 18.1.1: the exception "is only to provide backwards compatibility": it does not
    last.
    """
    edge.transport.without_tcp.add("192.0.2.2")
    edge.receive(sized("BYE", 1400))
    edge.clock.advance(601)
    edge.receive(bytes(sized("BYE", 1400)).replace(b"z9hG4bK-later", b"z9hG4bK-again"))
    assert by_tcp(edge) == 2


def test_a_transport_in_the_uri_is_kept(edge: Conversation) -> None:
    """RFC 3263 4.1: "If the URI specifies a transport protocol in the transport parameter, that
    transport protocol SHOULD be used", whatever the size."""
    edge.relay(sized("BYE", 2000, "sip:bob@192.0.2.2;transport=udp"))
    assert edge.flow == BOB


def test_without_a_tcp_listener_large_requests_go_over_udp() -> None:
    """RFC 3261 18.1.1: without a TCP listener, fragments are better than no call."""
    edge = Conversation(interfaces=INTERFACES[:1])
    edge.relay(sized("BYE", 2000))
    assert edge.flow == BOB


# RFC 3581 and 18.2: the address of the response


def test_received_and_rport_hold_the_source_of_a_request(edge: Conversation) -> None:
    """RFC 3581 4: "it MUST set the value of the parameter to the source port of the request", and
    adds "received" with the source address, whatever the sent-by."""
    edge.receive(request(via="SIP/2.0/UDP pbx.example:5062;rport"), ALICE._replace(port=6666))
    data, flow = edge.transport.sent[0]
    assert flow == ALICE._replace(port=6666)
    assert (
        b"Via: SIP/2.0/UDP pbx.example:5062;rport=6666;branch=z9hG4bK-alice-1;received=192.0.2.1"
        in data
    )


def test_the_copy_keeps_received_and_rport(edge: Conversation) -> None:
    """RFC 3581 4: the parameters are set in the topmost Via of the request, which is below ours in
    the copy.
    """
    came = request(via="SIP/2.0/UDP 10.0.0.9:5062;rport")
    sent = edge.forward(came, ALICE._replace(port=6666))
    assert sent.values(b"via")[1] == (
        b"SIP/2.0/UDP 10.0.0.9:5062;rport=6666;branch=z9hG4bK-alice-1;received=192.0.2.1"
    )


def test_without_rport_a_response_goes_to_the_port_of_sent_by(edge: Conversation) -> None:
    """RFC 3261 18.2.2: "the response MUST be sent to the address in the "received" parameter, using
    the port indicated in the "sent-by" value".
    """
    edge.receive(request(via="SIP/2.0/UDP pbx.example:5062"), ALICE._replace(port=6666))
    data, flow = edge.transport.sent[0]
    assert (flow.host, flow.port) == ("192.0.2.1", 5062)
    assert b";received=192.0.2.1\r\n" in data


@pytest.mark.parametrize("arrived", [0, 3])
def test_a_response_leaves_from_the_interface_of_the_request(arrived: int) -> None:
    """RFC 3581 4: the response leaves from the address and port of the request's arrival: a NAT
    lets no other through.
    """
    second = Interface("UDP", "198.51.100.2", "198.51.100.2", 5060)
    edge = Conversation(interfaces=(*INTERFACES, second))
    edge.receive(request(via="SIP/2.0/UDP 192.0.2.1;rport"), ALICE._replace(interface=arrived))
    edge.stager.stagings[0].succeed()
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    answers = [flow for data, flow in edge.transport.sent if data.startswith(b"SIP")]
    assert [flow.interface for flow in answers] == [arrived, arrived]


# Step 10


def test_a_new_client_transaction_sends_the_copy(edge: Conversation) -> None:
    """RFC 3261 16.6 step 10: "A stateful proxy MUST create a new client transaction for this
    request".
    """
    edge.forward(request())
    assert (len(edge.layer.invite_servers), len(edge.layer.invite_clients)) == (1, 1)
    edge.relay(later("BYE"))
    assert (len(edge.layer.servers), len(edge.layer.clients)) == (1, 1)
    assert isinstance(parse(edge.transport.sent[-1][0]), Request)
