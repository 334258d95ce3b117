"""The messages of RFC 5118, and IPv6 beside IPv4 on a proxy's two sides."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from sip_stager.model.flow import Flow
from sip_stager.sip.message import Request, Response
from tests.support.conversation import ALICE, BOB, SEAL, TRUNK_NAME, Conversation
from tests.support.messages import request, response
from tests.support.reading import parsed

FOLDER = Path(__file__).parent.parent / "data" / "rfc5118"
MESSAGES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.dat"))}

TRUNK = Flow("UDP", "2001:db8::9:1", 5060, 2)
"""A trunk over IPv6, with the address in most of the messages."""
UPSTREAM = Flow("UDP", "2001:db8::20", 5060, 2)
FORWARDED = 100


class Row(NamedTuple):
    section: str
    name: str
    status: int
    reason: str


TABLE = [
    Row("4.1", "ipv6-good", 405, "well formed; no registrar"),
    Row("4.2", "ipv6-bad", 400, "a Request-URI without brackets, as the RFC asks"),
    Row("4.3", "port-ambiguous", 405, "well formed: what stands in brackets is no port"),
    Row("4.4", "port-unambiguous", 405, "well formed"),
    Row("4.5", "via-received-param-with-delim", 481, "well formed, of no dialog of ours"),
    Row("4.5", "via-received-param-no-delim", 200, "well formed"),
    Row("4.6", "ipv6-in-sdp", FORWARDED, "the body is not ours to judge"),
    Row("4.7", "mult-ip-in-header", 481, "well formed, of no dialog of ours"),
    Row("4.8", "mult-ip-in-sdp", FORWARDED, "the body is not ours to judge"),
    Row("4.9", "ipv4-mapped-ipv6", FORWARDED, "well formed"),
    Row("4.10", "ipv6-bug-abnf-3-colons", 200, "the third colon is tolerated, as the RFC asks"),
    Row("4.10", "ipv6-correct-abnf-2-colons", 200, "well formed"),
]


def test_the_table_holds_each_message_once() -> None:
    assert sorted(row.name for row in TABLE) == sorted(MESSAGES)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.section} {row.name}")
def test_a_message_is_treated_as_in_the_table(row: Row) -> None:
    """RFC 5118 4.1 to 4.10: each of the messages is treated as its section expects of a proxy."""
    edge = Conversation(delay=0.1, request_uri="keep")
    edge.receive(MESSAGES[row.name], TRUNK)
    edge.clock.advance(0.2)
    sent = edge.messages()
    assert [m.status for _, m in sent if isinstance(m, Response)] == [row.status]
    assert len([m for _, m in sent if isinstance(m, Request)]) == (row.status == FORWARDED)
    assert edge.transport.sent[0][1] == Flow("UDP", TRUNK.host, port_of(row.name), 2)
    edge.clock.advance(400)
    assert (edge.alive, edge.clock.waiting) == (0, 0)


def port_of(name: str) -> int:
    """Return the port of the top Via's sent-by, to which responses are sent."""
    return {"ipv4-mapped-ipv6": 19823, "mult-ip-in-header": 6050}.get(name, 5060)


def of_the_copy(data: bytes) -> bytes:
    """Return the header fields of a copy that a proxy may neither add nor change."""
    ours = (
        *(b"Via: SIP/2.0/UDP 198.51.100.1:", b"Via: SIP/2.0/UDP [2001:db8::1]:", b"Record-Route:"),
        *(b"X-Rounded-Call-Id:", b"Max-Breadth:", b"Max-Forwards:"),
    )
    head, _, body = data.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.startswith(ours)]
    return b"\r\n".join([*kept, b"", body])


@pytest.mark.parametrize("name", ["ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"])
def test_a_body_and_its_addresses_are_unchanged(name: str) -> None:
    """RFC 5118 4.6, 4.8, 4.9: addresses of both families in the body, and mapped ones in Via."""
    edge = Conversation(delay=0.1, request_uri="keep")
    data = MESSAGES[name]
    via = parsed(data).top_via
    edge.receive(data, Flow("UDP", via.host, via.port or 5060, 2))
    edge.clock.advance(0.2)
    copy, flow = edge.transport.sent[-1]
    assert flow == BOB
    assert of_the_copy(copy) == of_the_copy(data)


def in_dialog(edge: Conversation, data: bytes) -> bytes:
    """Return a request with the Route of a dialog of its caller."""
    seal = SEAL.seal_for(parsed(data), TRUNK_NAME).decode()
    line, _, rest = data.partition(b"\r\n")
    if b";tag=" not in data.partition(b"\r\nTo:")[2].partition(b"\r\n")[0]:
        rest = rest.replace(b"To: sip:user@example.com", b"To: sip:user@example.com;tag=bob", 1)
    return line + f"\r\nRoute: <sip:{seal}@[2001:db8::1]:5060;lr>\r\n".encode() + rest


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("ipv6-good", "2001:db8::10", 5060),
        ("port-ambiguous", "2001:db8::10:5070", 5060),
        ("port-unambiguous", "2001:db8::10", 5070),
        ("via-received-param-with-delim", "2001:db8::10", 5060),
        ("mult-ip-in-header", "2001:db8::20", 5060),
    ],
)
def test_a_request_of_a_dialog_goes_to_the_address_in_brackets(
    name: str, host: str, port: int
) -> None:
    """RFC 5118 4.1, 4.3 to 4.5, 4.7: the Vias of others are unchanged, whatever their family."""
    edge = Conversation()
    edge.resolver.names["host.example.net"] = "2001:db8::20"
    data = in_dialog(edge, MESSAGES[name])
    edge.receive(data, TRUNK)
    edge.clock.advance(0.05)
    copy, flow = edge.transport.sent[-1]
    assert flow == Flow("UDP", host, port, 2)
    message = parsed(copy)
    assert message.values(b"via")[0].startswith(b"SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK")
    assert message.values(b"via")[2:] == parsed(data).values(b"via")[1:]
    assert not message.values(b"route")


@pytest.mark.parametrize("name", ["via-received-param-with-delim", "via-received-param-no-delim"])
def test_a_received_of_the_caller_is_replaced(name: str) -> None:
    """RFC 5118 4.5, RFC 3261 18.2.1: the value of the peer is not trusted."""
    for source, received in ((TRUNK, b""), (UPSTREAM, b";received=2001:db8::20")):
        edge = Conversation()
        edge.receive(MESSAGES[name], source)
        via = edge.messages()[0][1].values(b"via")[0]
        branch = parsed(MESSAGES[name]).branch
        assert via == b"SIP/2.0/UDP [2001:db8::9:1];branch=" + branch + received


@pytest.mark.parametrize(
    "uri",
    [
        "sip:user@2001:db8::1",
        "sip:user@[2001:db8:::1]",
        "sip:user@[2001:db8:::1:192.0.2.1]",
        "sip:user@[2001:db8::1",
        "sip:user@[192.0.2.1]",
        "sip:user@[1:2:3:4:5:6:7:8:5070]",
    ],
)
def test_an_invalid_ipv6_address_is_answered_400(uri: str) -> None:
    """RFC 5118 4.2: "a 400 Bad Request"; three colons are tolerated ahead of an IPv4 part alone
    (4.10).
    """
    edge = Conversation()
    edge.receive(request(uri=uri))
    assert edge.take() == ["alice 400 INVITE"]


# A call from one family to the other (RFC 5658, and IPv6's brackets in Via and Record-Route)

FAMILIES = {
    "6 to 4": (TRUNK, BOB, "sip:192.0.2.2:5060"),
    "4 to 6": (ALICE, UPSTREAM, "sip:[2001:db8::20]:5060"),
}
OURS = {4: "198.51.100.1:5060", 6: "[2001:db8::1]:5060"}


def family(flow: Flow) -> int:
    return 6 if ":" in flow.host else 4


def bracketed(flow: Flow) -> str:
    return f"[{flow.host}]" if family(flow) == 6 else flow.host


@pytest.mark.parametrize("name", FAMILIES)
def test_a_call_between_address_families_is_recorded_twice_and_relayed(name: str) -> None:
    """RFC 5658 5: a call between the address families is recorded on both sides."""
    caller, callee, upstream = FAMILIES[name]
    edge = Conversation(upstream, delay=0.1)
    edge.receive(request(via=f"SIP/2.0/UDP {bracketed(caller)}"), caller)
    edge.clock.advance(0.2)
    data, flow = edge.transport.sent[-1]
    invite = parsed(data)
    assert flow == callee
    seal = SEAL.seal_for(invite.without(b"record-route"), TRUNK_NAME).decode()
    recorded = [f"<sip:{seal}@{OURS[family(side)]};lr>".encode() for side in (callee, caller)]
    assert invite.values(b"record-route") == recorded
    assert invite.values(b"via")[0].startswith(f"SIP/2.0/UDP {OURS[family(callee)]};".encode())
    assert invite.values(b"via")[1] == (
        f"SIP/2.0/UDP {bracketed(caller)};branch=z9hG4bK-alice-1".encode()
    )
    edge.receive(response(invite, 200), callee)
    assert edge.transport.sent[-1][1] == caller
    route = b", ".join(reversed(recorded)).decode()
    bye = request(
        "BYE", f"sip:bob@{bracketed(callee)}", branch="z9hG4bK-bye", cseq=2, to_tag="bob",
        extra=(f"Route: {route}",),
    )  # fmt: skip
    edge.receive(bye, caller)
    data, flow = edge.transport.sent[-1]
    assert flow == callee
    assert not parsed(data).values(b"route")


def test_a_call_through_a_nat_is_answered_to_its_source() -> None:
    """RFC 3581 4: with IPv6 ``received`` has no brackets (RFC 3261 25.1, via-received)."""
    edge = Conversation(delay=0.1)
    source = Flow("UDP", "2001:db8::9:ff", 40000, 2)
    edge.receive(request(via="SIP/2.0/UDP [fd00::1]:5060;rport"), source)
    data, flow = edge.transport.sent[-1]
    assert flow == source
    assert (
        b"Via: SIP/2.0/UDP [fd00::1]:5060;rport=40000;branch=z9hG4bK-alice-1"
        b";received=2001:db8::9:ff\r\n"
    ) in data
