"""Requests for a caller behind a NAT go back to where the INVITE came from (RFC 5626 5.2, 5.3)."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.calls.strangers import StrangerRules
from sip_stager.events import FlowRecorded
from sip_stager.model.flow import Flow
from sip_stager.proxy.flow_token import is_private, make_flow_token, read_flow_token
from sip_stager.proxy.interfaces import Interface
from sip_stager.proxy.seal import DIGEST_LENGTH, HEAD_END, LENGTH
from sip_stager.sip.parser import parse_request
from sip_stager.sip.uri import parse_address
from tests.support.conversation import BOB, INTERFACES, SEAL, STRANGER, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

BEHIND = Flow("UDP", "192.0.2.1", 40000, 0)
"""The outside of the NAT that alice is behind."""
BEHIND_TCP = Flow("TCP", "192.0.2.1", 40000, 1, 7)
PRIVATE = "sip:alice@10.0.0.5:5060"


def invite(contact: str = PRIVATE, *, extra: tuple[str, ...] = ()) -> bytes:
    """Return an INVITE of alice with that Contact, and a private Via with rport."""
    via = "SIP/2.0/UDP 10.0.0.5:5060;rport"
    return bytes(request(via=via, extra=extra)).replace(b"sip:alice@192.0.2.1", contact.encode())


def recorded(edge: Conversation, source: Flow = BEHIND, contact: str = PRIVATE) -> list[str]:
    """Return the Route of the callee after a call from ``source``."""
    values = edge.forward(invite(contact), source).values(b"record-route")
    return [f"Route: {value.decode()}" for value in values]


def of_callee(
    routes: list[str], method: str = "BYE", uri: str = PRIVATE, swap: str = "alice"
) -> Request:
    """Return a request of the callee in alice's dialog."""
    text = bytes(request(method, uri, to_tag=swap, extra=tuple(routes), branch="z9hG4bK-bob"))
    parsed = text.replace(
        b'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice', b"From: <sip:b@h>;tag=bob"
    )
    return parse_request(parsed)


def user_of(route: str) -> bytes:
    return parse_address(route.partition(":")[2].strip().encode()).uri.user or b""


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "INVITE", "ACK"])
def test_a_request_of_the_callee_goes_to_the_source_of_the_invite(method: str) -> None:
    """A private Contact from a public address: the caller is behind a NAT, whatever the trunk."""
    edge = Conversation()
    routes = recorded(edge)
    relayed = edge.relay(of_callee(routes, method), BOB)
    assert edge.flow == BEHIND
    assert relayed.uri_text == PRIVATE.encode()
    assert relayed.values(b"route") == []


def test_a_cancel_of_the_callee_takes_the_way_of_its_invite() -> None:
    edge = Conversation()
    asked = of_callee(recorded(edge), "INVITE")
    sent = edge.relay(asked, BOB)
    edge.receive(response(sent, 180), BEHIND)
    cancel = bytes(asked).replace(b"INVITE sip", b"CANCEL sip").replace(b"1 INVITE", b"1 CANCEL")
    edge.admission.one_trunk = {BOB.host}
    edge.take()
    edge.receive(cancel, BOB)
    assert (edge.relayed.method, edge.flow) == (b"CANCEL", BEHIND)


def test_a_request_of_the_caller_goes_to_the_callee_as_ever() -> None:
    edge = Conversation()
    routes = tuple(recorded(edge))
    for method in ("ACK", "BYE"):
        edge.relay(request(method, "sip:bob@192.0.2.2", to_tag="bob", extra=routes), BEHIND)
        assert edge.flow == BOB


@pytest.mark.parametrize("nat", [True, False, None])
@pytest.mark.parametrize("contact", [PRIVATE, "sip:alice@192.0.2.77:5060"])
@pytest.mark.parametrize("source", ["192.0.2.1", "10.0.0.9", "100.64.3.2"])
def test_the_setting_decides_and_else_a_private_contact_from_a_public_address(
    contact: str, source: str, *, nat: bool | None
) -> None:
    edge = Conversation()
    edge.admission.nat = nat
    routes = recorded(edge, BEHIND._replace(host=source), contact)
    found_out = contact == PRIVATE and source == "192.0.2.1"
    kept = found_out if nat is None else nat
    edge.relay(of_callee(routes, uri=contact), BOB)
    assert edge.flow[1:3] == ((source, 40000) if kept else (contact[10:-5], 5060))
    assert len(user_of(routes[0])) == LENGTH + 12 * kept
    assert len(edge.of(FlowRecorded)) == kept


def test_a_proxy_of_the_trunk_with_a_private_address_is_behind_a_nat_too() -> None:
    edge = Conversation()
    extra = ("Record-Route: <sip:10.0.0.4;lr>",)
    sent = edge.forward(invite("sip:alice@192.0.2.9", extra=extra), BEHIND)
    routes = [f"Route: {value.decode()}" for value in sent.values(b"record-route")]
    assert edge.relay(of_callee(routes), BOB).values(b"route") == [b"<sip:10.0.0.4;lr>"]
    assert edge.flow == BEHIND


def test_over_tcp_the_open_connection_is_used_else_the_contact() -> None:
    """RFC 5626 5.3: where the flow is gone, a caller that listens gets the request still."""
    edge = Conversation()
    routes = recorded(edge, BEHIND_TCP)
    assert len(routes) == 2  # one for each side
    edge.transport.connected = {BEHIND_TCP[1:3]}
    edge.relay(of_callee(routes), BOB)
    assert edge.flow == BEHIND_TCP._replace(connection=0)
    edge.transport.connected = set()
    edge.relay(request("BYE", PRIVATE, to_tag="x", branch="z9hG4bK-2"), BOB)
    later = bytes(of_callee(routes)).replace(b"z9hG4bK-bob", b"z9hG4bK-bob2")
    edge.relay(later, BOB)
    assert edge.flow[1:3] == ("10.0.0.5", 5060)


def test_a_large_request_goes_over_udp_too() -> None:
    """RFC 3261 18.1.1: the NAT lets no connection in, so none is tried before."""
    edge = Conversation()
    routes = recorded(edge)
    later = of_callee([*routes, "X-Large: " + "x" * 1400], "INFO")
    assert len(bytes(edge.relay(later, BOB))) > 1300
    assert edge.flow == BEHIND


def test_an_address_of_ipv6_is_recorded_too() -> None:
    edge = Conversation()
    source = Flow("UDP", "2001:db8::77", 40000, 2)
    routes = recorded(edge, source, "sip:alice@[fd00::5]")
    edge.relay(of_callee(routes, uri="sip:alice@[fd00::5]"), BOB)
    assert edge.flow == source


def test_the_caller_hidden_by_privacy_is_reached_too() -> None:
    edge = Conversation()
    edge.admission.anonymous = {BEHIND.host}
    values = edge.forward(invite(extra=("Privacy: user",)), BEHIND).values(b"record-route")
    user = user_of(f"Route: {values[0].decode()}")
    assert SEAL.is_anonymous(user)
    edge.relay(of_callee([f"Route: {value.decode()}" for value in values]), BOB)
    assert edge.flow == BEHIND


def test_the_seal_that_names_the_callee_keeps_the_flow() -> None:
    """RFC 3261 16.7 step 8: the flow stays in the copy of the seal for the caller."""
    edge = Conversation(strangers=StrangerRules(), relay_to=(IPv4Network("198.51.100.0/24"),))
    sent = edge.forward(invite(), BEHIND)
    answer = bytes(response(sent, 200)).replace(b"sip:bob@192.0.2.2", b"sip:bob@203.0.113.8:5070")
    edge.receive(answer, BOB)
    [value] = edge.last_response("alice").values(b"record-route")
    named, ours = user_of(f"Route: {value.decode()}"), sent.values(b"record-route")[0]
    assert named != user_of(f"Route: {ours.decode()}")
    assert named[HEAD_END:-DIGEST_LENGTH] == make_flow_token(BEHIND)
    edge.relay(
        request(
            "BYE", "sip:bob@203.0.113.8:5070", to_tag="bob", extra=(f"Route: {value.decode()}",)
        ),
        BEHIND,
    )
    assert edge.flow[1:3] == ("203.0.113.8", 5070)


def test_an_agent_at_an_unknown_address_hangs_up() -> None:
    edge = Conversation(strangers=StrangerRules())
    routes = recorded(edge)
    edge.relay(of_callee(routes), STRANGER)
    assert edge.flow == BEHIND


@given(st.integers(0, LENGTH + 11), st.sampled_from(b"0123456789abcdefNnWwVvz%"))
def test_no_byte_of_a_seal_with_a_flow_can_be_changed(index: int, byte: int) -> None:
    """RFC 3261 26.3: a flow that anybody could write would lead our requests to any host."""
    user = SEAL.seal_for(request(), "trunk", flow_token=make_flow_token(BEHIND))
    later = request("BYE", to_tag="bob")
    forged = user[:index] + bytes([byte]) + user[index + 1 :]
    assert SEAL._is_of(forged, later, b"alice") == (forged == user)
    assert SEAL._is_of(user, later, b"alice")


@pytest.mark.parametrize("cut", [1, 12, 24])
def test_a_seal_of_another_length_is_none(cut: int) -> None:
    user = SEAL.seal_for(request(), "trunk", flow_token=make_flow_token(BEHIND))
    later = request("BYE", to_tag="bob")
    assert not SEAL._is_of(user[:-cut], later, b"alice")
    assert not SEAL._is_of(user + user[:cut], later, b"alice")
    assert not SEAL._is_of(user[:HEAD_END] + user[-DIGEST_LENGTH:], later, b"alice")


@given(st.ip_addresses(), st.integers(0, 65535))
def test_a_token_is_read_as_it_was_made(address: object, port: int) -> None:
    token = make_flow_token(Flow("UDP", str(address), port))
    if "%" not in str(address):
        assert read_flow_token(token) == (str(address), port)
        assert len(token) in {12, 36}


def test_an_address_that_a_token_cannot_hold_has_none() -> None:
    assert make_flow_token(Flow("UDP", "fe80::1%eth0", 5060)) == b""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.255.0.1", True),
        ("172.31.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("100.127.255.254", True),
        ("100.128.0.1", False),
        ("169.254.1.1", True),
        ("fd12::1", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
        ("127.0.0.1", False),
        ("203.0.113.1", False),
        ("pbx.example", False),
    ],
)
def test_private_addresses_are_those_that_each_network_has(host: str, *, expected: bool) -> None:
    assert is_private(host) is expected


def test_two_listeners_each_send_to_their_own_callers() -> None:
    """The interface is that of the Record-Route: a NAT lets through only what the caller called."""
    second = Interface("UDP", "198.51.100.2", "198.51.100.2", 5060)
    edge = Conversation(interfaces=(*INTERFACES, second))
    source = BEHIND._replace(interface=3)
    routes = recorded(edge, source)
    edge.relay(of_callee(routes), BOB)
    assert edge.flow == source


def test_without_rport_too_the_answer_goes_to_the_source_where_the_setting_says_so() -> None:
    """RFC 3581 4: as if the client had asked for it."""
    asked = bytes(request(via="SIP/2.0/UDP 10.0.0.5:5070"))
    for hosts, port in (((), 5070), (("192.0.2.9",), 5070), ((BEHIND.host,), 40000)):
        edge = Conversation(delay=0.1)
        edge.layer.answer_to_source(hosts.__contains__ if hosts else None)
        edge.receive(asked, BEHIND)
        assert edge.flow == BEHIND._replace(port=port)
    via = edge.last_response("alice").values(b"via")[0]
    assert b";rport=40000" in via
    assert b";received=192.0.2.1" in via


@pytest.mark.parametrize("via", ["SIP/2.0/UDP 10.0.0.5", "SIP/2.0/UDP 10.0.0.5;rport"])
@pytest.mark.parametrize("more", ["", ", SIP/2.0/UDP 10.0.0.4;branch=z9hG4bK-far"])
def test_rport_is_asked_for_once_in_the_top_via(via: str, more: str) -> None:
    asked = request("BYE", via=via, branch=f"z9hG4bK-1{more}")
    asked.ask_for_rport()
    asked.note_source(BEHIND)
    assert bytes(asked).count(b"rport=40000") == bytes(asked).count(b"rport") == 1
    first = asked.values(b"via")[0]
    assert b"rport" in first
    assert b"received=192.0.2.1" in first
