"""Strangers get little, learn nothing and have nothing relayed but to a party of the dialog."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.calls.strangers import MAX_SUSPECTED, Answered, StrangerRules
from sip_stager.events import CallRefused, MessageDropped, TrunkAddressSuspected
from sip_stager.model.flow import Flow
from sip_stager.proxy.seal import Seal
from sip_stager.sip.message import Response
from sip_stager.sip.parser import parse
from tests.support.conversation import ALICE, BOB, ROUTE, SEAL, STRANGER, USER, Conversation
from tests.support.messages import request, response

METHODS = ["OPTIONS", "REGISTER", "MESSAGE", "BYE", "CANCEL", "PRACK", "INFO", "ACK", "FOO"]
ANSWERED: list[Answered] = ["invites", "nothing", "all"]


def closed(answered: Answered = "invites", per_second: float = 10.0) -> Conversation:
    return Conversation(delay=0.1, strangers=StrangerRules(answered, per_second))


def invite(number: int = 1, body: str = "v=0\r\n") -> bytes:
    via = "SIP/2.0/UDP 203.0.113.66:5060"
    return bytes(request(branch=f"z9hG4bK-{number}", via=via, body=body))


def test_an_invite_gets_a_bare_403() -> None:
    """The fields that RFC 3261 8.2.6.2 requires, and no other."""
    edge = closed()
    edge.receive(invite(), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"]
    answer = edge.last_response("stranger")
    assert answer.start_line == b"SIP/2.0 403 Forbidden"
    assert set(answer.names) == {b"via", b"from", b"to", b"call-id", b"cseq", b"content-length"}
    assert b"stager" not in bytes(answer).lower()
    [refused] = edge.of(CallRefused)
    assert (refused.status, refused.cause) == (403, "unknown_source")
    assert edge.alive == edge.clock.waiting == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("to_tag", ["", "bob"])
@pytest.mark.parametrize("answered", ["invites", "nothing"])
def test_any_other_request_gets_nothing(method: str, to_tag: str, answered: Answered) -> None:
    edge = closed(answered)
    edge.receive(request(method, to_tag=to_tag), STRANGER)
    edge.receive(request("INVITE", to_tag="bob"), STRANGER)
    assert edge.take() == []
    assert edge.dropped == ["stranger", "stranger"]
    assert edge.alive == edge.clock.waiting == 0


def test_with_nothing_an_invite_gets_nothing_either() -> None:
    edge = closed("nothing")
    edge.receive(invite(), STRANGER)
    assert edge.take() == []
    assert edge.dropped == ["stranger"]


def test_with_all_any_request_but_an_ack_gets_a_bare_answer() -> None:
    edge = closed("all", 100.0)
    for method in METHODS:
        edge.receive(request(method, branch=f"z9hG4bK-{method}"), STRANGER)
    edge.receive(invite(), STRANGER)
    edge.receive(request("BYE", to_tag="bob"), STRANGER)
    statuses = {sent.split()[2]: sent.split()[1] for sent in edge.take()}
    assert statuses.pop("CANCEL") == "481"
    assert statuses.pop("BYE") == "481"
    assert set(statuses.values()) == {"403"}
    assert statuses.keys() == {*METHODS, "INVITE"} - {"ACK", "CANCEL", "BYE"}
    assert all(b"warning" not in parse(data).names for data, _ in edge.transport.sent)


@pytest.mark.parametrize("size", [48, 225])
@pytest.mark.parametrize("answered", ANSWERED)
def test_an_options_is_never_answered_by_more_than_it_brought(
    size: int, answered: Answered
) -> None:
    """An OPTIONS with a forged source would send the answer to its victim."""
    edge = closed(answered)
    short = b"OPTIONS sip:x SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nf:<sip:a>\r\n"
    short += b"t:<sip:a>\r\ni:1\r\nCSeq:1 OPTIONS\r\n\r\n"
    data = short.ljust(size, b" ")[:size]
    edge.receive(data, STRANGER)
    edge.receive(short, STRANGER)
    assert len(edge.transport.sent) <= (answered == "all")
    assert all(len(sent) <= size for sent, _ in edge.transport.sent)


@given(
    data=st.binary(max_size=300),
    answered=st.sampled_from(ANSWERED),
    method=st.sampled_from([*METHODS, "INVITE"]),
    cut=st.integers(0, 500),
)
def test_no_answer_to_a_stranger_is_larger_than_its_request(
    data: bytes, answered: Answered, method: str, cut: int
) -> None:
    """Whatever is sent, malformed or not."""
    edge = closed(answered)
    whole = bytes(request(method)) + data
    for message in (whole, whole[:cut], whole[:cut] + data, data):
        before = len(edge.transport.sent)
        edge.receive(message, STRANGER)
        assert all(len(sent) <= len(message) for sent, _ in edge.transport.sent[before:])
        assert len(edge.transport.sent) <= before + 1
    for sent, flow in edge.transport.sent:
        answer = parse(sent)
        assert isinstance(answer, Response)
        assert flow.host == STRANGER.host
        assert b"sip-stager" not in sent
        assert not {b"warning", b"server", b"allow", b"retry-after"} & set(answer.names)
    assert edge.alive == edge.clock.waiting == 0


def test_invites_past_the_budget_get_nothing() -> None:
    edge = closed(per_second=3.0)
    for number in range(10):
        edge.receive(invite(number), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"] * 3
    assert edge.dropped == ["stranger"] * 7
    edge.clock.advance(1.0)
    edge.receive(invite(11), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"]


@pytest.mark.parametrize("state", ["staging", "ringing", "answered"])
@pytest.mark.parametrize("method", ["INVITE", "CANCEL", "ACK"])
def test_a_copy_of_a_call_under_way_gets_nothing_and_changes_nothing(
    state: str, method: str
) -> None:
    edge = closed()
    edge.receive(request())
    if state != "staging":
        edge.clock.advance(0.2)
        edge.receive(response(edge.last_request("bob"), 180), BOB)
    if state == "answered":
        edge.receive(response(edge.last_request("bob"), 200), BOB)
    edge.take()
    alive = edge.alive
    edge.receive(request(method), STRANGER)
    assert edge.take() == []
    assert edge.dropped == ["stranger"]
    assert edge.alive == alive


@pytest.mark.parametrize("answered", ANSWERED)
def test_a_malformed_request_of_a_stranger_gets_no_reason(answered: Answered) -> None:
    edge = closed(answered)
    data = bytes(request("OPTIONS")).replace(b"Content-Length: 0", b"Content-Length: -1")
    edge.receive(data, STRANGER)
    assert edge.take() == (["stranger 400 OPTIONS"] if answered == "all" else [])
    assert all(b"Warning" not in sent for sent, _ in edge.transport.sent)
    edge.receive(data, ALICE)
    assert edge.take() == ["alice 400 OPTIONS"]
    assert b"warning" in edge.last_response("alice").names


def test_trunks_and_upstreams_are_no_strangers() -> None:
    edge = closed("nothing")
    for source in (ALICE, BOB):
        edge.receive(request("OPTIONS"), source)
    assert edge.take() == ["alice 200 OPTIONS", "bob 200 OPTIONS"]


def test_an_upstreams_name_is_no_stranger_at_its_new_address() -> None:
    edge = closed()
    edge.peers.names.add(STRANGER.host)
    edge.receive(request("OPTIONS"), STRANGER)
    assert edge.take() == ["stranger 200 OPTIONS"]


def test_a_new_address_of_a_carrier_is_reported_once() -> None:
    edge = closed()
    edge.admission.resemblance = "it calls a number that is mapped"
    for number in range(5):
        edge.receive(invite(number), STRANGER)
    [suspected] = edge.of(TrunkAddressSuspected)
    assert suspected.flow == STRANGER
    assert suspected.why == edge.admission.resemblance


def test_suspected_addresses_fill_no_memory() -> None:
    edge = closed(per_second=10_000.0)
    edge.admission.resemblance = "it is next to the networks of the trunk a"
    edge.admission.strangers = {f"198.18.{n // 250}.{n % 250}" for n in range(2 * MAX_SUSPECTED)}
    for number, host in enumerate(sorted(edge.admission.strangers)):
        edge.receive(invite(number), Flow("UDP", host, 5060))
    assert len(edge.of(TrunkAddressSuspected)) == 2 * MAX_SUSPECTED
    gate = edge.layer._gate
    assert len(gate._suspected) == MAX_SUSPECTED  # type: ignore[union-attr]


def sealed(uri: str, method: str = "MESSAGE", line: str = ROUTE, *, swap: bool = False) -> bytes:
    """Return a request with what a host on the path of alice's call has read."""
    data = bytes(request(method, uri, to_tag="bob", cseq=2, extra=(line,), body="SET x 1\r\n"))
    return data.replace(b";tag=alice", b";tag=?") .replace(b";tag=bob", b";tag=alice").replace(
        b";tag=?", b";tag=bob") if swap else data  # fmt: skip


REFUSED = [
    "sip:10.0.0.5:6379;transport=tcp",
    "sip:10.0.0.5:6379",
    "sip:192.168.1.1",
    "sip:169.254.169.254:80;transport=tcp",
    "sip:127.0.0.1:9090;transport=tcp",
    "sip:127.0.0.1:5060",
    "sip:203.0.113.9",
    "sip:203.0.113.66",
    "sip:[fe80::1]",
    "sip:[::1]:5070",
    "sip:[::ffff:10.0.0.5]",
    "sip:internal.example",
    "sip:x@192.0.2.1;maddr=10.0.0.5",
    "sip:192.0.2.1:22;transport=tcp",
    "sip:192.0.2.2:25;transport=tcp",
    "sip:192.0.2.11",
    "sip:198.51.100.1:9090;transport=tcp",
    "sip:198.51.100.1:5060",
]
RELAYED = ["sip:192.0.2.1", "sip:192.0.2.1:5099", "sip:192.0.2.2", "sip:192.0.2.2:5080"]


@pytest.mark.parametrize("uri", REFUSED)
@pytest.mark.parametrize("method", ["MESSAGE", "BYE", "INVITE", "ACK", "INFO"])
@pytest.mark.parametrize("swap", [False, True])
def test_a_sealed_request_of_a_stranger_is_relayed_to_parties_only(
    uri: str, method: str, *, swap: bool
) -> None:
    """RFC 3261 26.3: Call-ID, tag and Route of a call are no permission to reach other hosts."""
    edge = closed()
    edge.receive(sealed(uri, method, swap=swap), STRANGER)
    edge.clock.advance(40.0)
    assert edge.transport.sent == []
    assert edge.dropped == ["next_hop_refused"]
    [dropped] = edge.of(MessageDropped)
    assert "its next hop" in dropped.detail


@pytest.mark.parametrize("uri", RELAYED)
@pytest.mark.parametrize("swap", [False, True])
def test_a_party_that_sends_from_another_address_is_relayed(uri: str, *, swap: bool) -> None:
    """RFC 3261 12.2: a request of a dialog may come from another host than the INVITE."""
    edge = closed("nothing")
    edge.receive(sealed(uri, "BYE", swap=swap), STRANGER)
    assert [sent.split()[1] for sent in edge.take()] == ["BYE"]


@pytest.mark.parametrize(
    "hop",
    ["sip:10.0.0.5:6379;lr", "sip:10.0.0.5;lr;transport=tcp", "sip:x.example;lr", "sip:10.0.0.5"],
)
def test_a_further_route_is_held_to_the_same(hop: str) -> None:
    """RFC 3261 16.6 step 6: the next Route is the next hop, whatever the Request-URI."""
    edge = closed()
    edge.receive(sealed("sip:192.0.2.1", line=f"{ROUTE}, <{hop}>"), STRANGER)
    edge.clock.advance(1.0)
    assert edge.transport.sent == []
    assert edge.dropped == ["next_hop_refused"]


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("<sip:alice@10.0.0.5:5070>", "sip:alice@10.0.0.5:5070"),
        ("<sip:alice@10.0.0.5:22>", "sip:10.0.0.5:22"),
        ("<sip:alice@pbx.example>", "sip:alice@PBX.example:5060"),
        ("<sip:alice@[fd00::5]>", "sip:[fd00:0::5]"),
    ],
)
def test_the_address_that_the_caller_named_is_one_of_a_party(contact: str, uri: str) -> None:
    """RFC 3261 12.1.1: the Contact is the target of the other side's requests."""
    edge = Conversation(strangers=StrangerRules())
    edge.resolver.names["pbx.example"] = "10.0.0.5"
    invited = bytes(request()).replace(b"<sip:alice@192.0.2.1>\r\nC", contact.encode() + b"\r\nC")
    [recorded] = edge.forward(invited).values(b"record-route")
    edge.take()
    data = sealed(uri, "BYE", line=f"Route: {recorded.decode()}", swap=True)
    edge.receive(data, Flow("UDP", "203.0.113.66", 5060, 2 if "[" in uri else 0))
    edge.clock.advance(0.1)
    assert [sent.split()[1] for sent in edge.take()] == ["BYE"]
    edge.receive(sealed("sip:10.0.0.6:5070", line=f"Route: {recorded.decode()}"), STRANGER)
    assert edge.dropped == ["next_hop_refused"]


def test_networks_of_the_setting_are_relayed_to() -> None:
    networks = ip_network("10.1.0.0/16"), ip_network("fd00::/8")
    edge = Conversation(strangers=StrangerRules(), relay_to=networks)
    edge.receive(sealed("sip:10.1.2.3:5070", "BYE"), STRANGER)
    assert len(edge.take()) == 1
    edge.receive(sealed("sip:10.2.2.3:5070", "INFO"), STRANGER)
    assert edge.dropped == ["next_hop_refused"]


def test_an_expired_seal_is_none() -> None:
    edge = closed()
    made = Seal(b"key", now=lambda: -100_000.0).seal_for(request(), "trunk").decode()
    edge.receive(sealed("sip:192.0.2.1", line=ROUTE.replace(USER, made)), STRANGER)
    assert edge.transport.sent == []
    assert edge.dropped == ["stranger"]


def test_a_seal_is_no_permission_for_a_stranger_to_call() -> None:
    """An INVITE without a To tag begins a call."""
    edge = closed()
    edge.receive(request(extra=(ROUTE,)), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"]
    assert edge.stager.stagings == []


def test_in_overload_strangers_share_the_same_budget() -> None:
    edge = closed(per_second=2.0)
    edge.shedder.control.begin_shedding(edge.clock.time())
    edge.shedder.active = True
    for number in range(5):
        edge.receive(invite(number), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"] * 2
    assert edge.dropped == ["stranger"] * 3
    assert b"warning" not in edge.last_response("stranger").names


NAMED_BY_CALLEE = [
    ("<sip:bob@10.1.0.7:5080>", "", "sip:bob@10.1.0.7:5080"),
    ('"B, C" <sip:bob@POD.example>', "", "sip:pod.example"),
    ("<sip:bob@10.1.0.9>", "<sip:10.1.0.7:5090;lr>", "sip:10.1.0.7:5090"),
    ("<sip:bob@10.1.0.9>", "<sip:10.1.0.6;lr>, <sip:10.1.0.7;lr>", "sip:10.1.0.7"),
]


@pytest.mark.parametrize(("contact", "above", "uri"), NAMED_BY_CALLEE)
@pytest.mark.parametrize("status", [180, 200])
@pytest.mark.parametrize("together", [False, True])
def test_the_address_that_the_callee_named_is_one_of_a_party(
    contact: str, above: str, uri: str, status: int, *, together: bool
) -> None:
    """RFC 3261 16.7 step 8: "the proxy MAY choose to rewrite the Record-Route header field value"
    of its own, so that each side has the address of the other in its seal.
    """
    edge = Conversation(strangers=StrangerRules())
    edge.resolver.names["pod.example"] = "10.1.0.7"
    invite = edge.forward(request(extra=("Record-Route: <sip:192.0.2.1:5070;lr>",)))
    answer = bytes(response(invite, status)).replace(b"<sip:bob@192.0.2.2>", contact.encode())
    if above:
        joint = b", " if together else b"\r\nRecord-Route: "
        answer = answer.replace(b"Record-Route: ", b"Record-Route: " + above.encode() + joint, 1)
    edge.receive(answer, BOB)
    passed = edge.last_response("alice")
    assert passed.status == status
    recorded = passed.values(b"record-route")
    [ours] = [value for value in recorded if b"198.51.100.1" in value]
    assert recorded[-1] == b"<sip:192.0.2.1:5070;lr>"
    assert ours != invite.values(b"record-route")[0]
    assert SEAL.is_of_trunk(ours[5:], "trunk")
    edge.take()
    edge.receive(sealed(uri, "BYE", line=f"Route: {ours.decode()}"), STRANGER)
    edge.clock.advance(0.1)
    assert [sent.split()[1] for sent in edge.take()] == ["BYE"]
    theirs = invite.values(b"record-route")[0].decode()
    edge.receive(sealed(uri, "INFO", line=f"Route: {theirs}"), STRANGER)
    assert edge.dropped == ["next_hop_refused"]


def test_a_callee_at_an_upstreams_address_needs_no_naming() -> None:
    """Its responses pass byte for byte but for our Via."""
    edge = Conversation(strangers=StrangerRules())
    invite = edge.forward(request())
    edge.receive(response(invite, 200), BOB)
    recorded = edge.last_response("alice").values(b"record-route")
    assert recorded == invite.values(b"record-route")


def test_a_second_2xx_names_its_own_callee() -> None:
    """RFC 3261 13.2.2.4: each 2xx makes a dialog of its own."""
    edge = Conversation(strangers=StrangerRules())
    invite = edge.forward(request())
    recorded = set()
    for tag, host in ("b1", b"10.1.0.7"), ("b2", b"10.1.0.8"), ("b1", b"10.1.0.7"):
        answer = bytes(response(invite, 200, tag=tag)).replace(b"bob@192.0.2.2", b"bob@" + host)
        edge.receive(answer, BOB)
        recorded.add(edge.last_response("alice").values(b"record-route")[0])
    assert len(recorded) == 2
    assert len([sent for sent in edge.take() if "200 INVITE" in sent]) == 3


@pytest.mark.parametrize("line", ["Contact: <>", "X: y", "Contact: <tel:+331>", "Contact: *"])
def test_a_response_without_a_readable_contact_passes_as_it_is(line: str) -> None:
    edge = Conversation(strangers=StrangerRules())
    invite = edge.forward(request())
    answer = bytes(response(invite, 200)).replace(b"Contact: <sip:bob@192.0.2.2>", line.encode())
    edge.receive(answer, BOB)
    recorded = edge.last_response("alice").values(b"record-route")
    assert recorded == invite.values(b"record-route")


@given(fields=st.lists(st.tuples(
    st.sampled_from(["Record-Route", "Contact", "m", "Via", "From"]),
    st.text("<>\"sip:@;,.= 1x\u00e9", max_size=40)), max_size=4))  # fmt: skip
def test_no_response_is_lost_to_the_naming(fields: list[tuple[str, str]]) -> None:
    edge = Conversation(strangers=StrangerRules())
    invite = edge.forward(request())
    extra = tuple(f"{name}: {value}" for name, value in fields)
    naming = edge.new_calls._responder.naming
    assert naming is not None
    answer = response(invite, 180, extra=extra)
    named = naming.name_callee(answer, USER.encode())
    assert len(named.fields) == len(answer.fields)
    assert named.names == answer.names
