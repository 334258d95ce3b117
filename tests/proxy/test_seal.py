"""Only a Record-Route of ours opens the way through us, for its dialog (RFC 3261 16.6 step 4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.proxy.seal import LENGTH, Seal
from sip_stager.sip.parser import parse_request
from sip_stager.sip.uri import Uri, parse_uri
from tests.support.conversation import (
    ALICE,
    BOB,
    ROUTE,
    SEAL,
    STRANGER,
    TRUNK_NAME,
    URI,
    USER,
    Conversation,
)
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def route(user: bytes) -> Uri:
    return parse_uri(b"sip:" + user + b"@198.51.100.1;lr")


def later(method: str, *, call_id: str = "call-1@192.0.2.1", line: str = ROUTE) -> bytes:
    """Return a request to an address that an attacker chose."""
    asked = request(method, "sip:0900@203.0.113.9", to_tag="x", extra=(line,) if line else ())
    return bytes(asked).replace(b"call-1@192.0.2.1", call_id.encode())


def test_record_route_holds_a_seal_of_the_dialog(edge: Conversation) -> None:
    """RFC 3261 16.6 step 4: "they MAY encode enough information in the value to compare it against
    the dialog identifier of future requests".
    """
    recorded = edge.forward(request()).values(b"record-route")
    assert recorded == [URI.encode()]
    assert Seal(b"key").seal_for(request(), TRUNK_NAME) == USER.encode()


def test_a_seal_is_valid_for_both_sides(edge: Conversation) -> None:
    """RFC 3261 12.2.1.1: the caller's tag is in the From of its own requests, in the To of the
    callee's.
    """
    seal = Seal(b"key")
    theirs = bytes(request("BYE", to_tag="bob"))
    mine, its = b";tag=alice", b";tag=bob"
    swapped = theirs.replace(mine, b";tag=?").replace(its, mine).replace(b";tag=?", its)
    edge.receive(swapped.replace(b"Contact:", ROUTE.encode() + b"\r\nContact:"), BOB)
    assert edge.take()[-1].endswith(" BYE")
    assert edge.dropped == []
    assert seal.is_valid(route(USER.encode()), request("BYE", to_tag="bob"))


def test_the_seal_outlives_the_program() -> None:
    """RFC 3261 16.6 step 4: the URI "is only valid for the lifetime of any dialog", which is longer
    than ours may be.
    """
    made = Seal(b"key").seal_for(request())
    assert Seal(b"key").is_valid(route(made), request("BYE", to_tag="bob"))
    assert not Seal(b"another key").is_valid(route(made), request("BYE", to_tag="bob"))


@pytest.mark.parametrize("source", [ALICE, BOB, STRANGER])
@pytest.mark.parametrize(
    "line",
    ["", "Route: <sip:198.51.100.1:5060;lr>", "Route: <sip:guessed@198.51.100.1;lr>",
     "Route: <sip:198.51.100.1;lr>, <sip:203.0.113.9;lr>", "Route: <sip:203.0.113.9;lr>",
     f"Route: <sip:{USER}@203.0.113.9;lr>", f"Route: <sip:{USER.upper()}@198.51.100.1;lr>",
     f"Route: <sip:x@203.0.113.9;lr>, {URI}"],
)  # fmt: skip
def test_a_route_without_a_valid_seal_is_refused(
    edge: Conversation, source: Flow, line: str
) -> None:
    """RFC 3261 26.3: no open relay: "MAY reject requests not matching that information" (16.6
    step 4).
    """
    for method in ("INVITE", "BYE", "ACK"):
        edge.receive(later(method, line=line), source)
    assert [sent.split()[1:] for sent in edge.take()] == [["481", "INVITE"], ["481", "BYE"]]
    assert edge.dropped == ["stray_ack"]
    assert edge.alive == 0


def test_a_dialog_that_never_came_through_us_is_answered_481(edge: Conversation) -> None:
    """RFC 3261 12.2.2: a request of an unknown dialog gets 481."""
    edge.receive(request("BYE", "sip:carol@203.0.113.9", to_tag="bob"))
    assert edge.take() == ["alice 481 BYE"]
    assert b"Record-Route" in (edge.last_response("alice").value(b"warning") or b"")


@pytest.mark.parametrize("call_id", ["call-2@192.0.2.1", "call-1@192.0.2.1x", "CALL-1@192.0.2.1"])
def test_a_seal_is_valid_for_one_call_id_only(edge: Conversation, call_id: str) -> None:
    """RFC 3261 20.8: "Call-IDs are case-sensitive and are simply compared byte-by-byte." """
    for method in ("INVITE", "BYE", "ACK"):
        edge.receive(later(method, call_id=call_id))
    assert [sent.split()[1] for sent in edge.take()] == ["481", "481"]
    assert edge.dropped == ["stray_ack"]


def test_a_seal_is_valid_for_one_caller_tag_only(edge: Conversation) -> None:
    """RFC 3261 12.1: a dialog is known by "a Call-ID value, a local tag and a remote tag"."""
    edge.receive(later("BYE").replace(b";tag=alice", b";tag=mallory"))
    assert edge.take() == ["alice 481 BYE"]


@pytest.mark.parametrize(("one", "other"), [((b"a\0b", b"c"), (b"a", b"b\0c")),
                                            ((b"1 2", b"3"), (b"1", b" 23"))])  # fmt: skip
def test_call_id_and_tag_do_not_run_into_each_other(
    one: tuple[bytes, bytes], other: tuple[bytes, bytes]
) -> None:
    """A Call-ID may hold any byte, NUL too."""
    assert invite_of(one) != invite_of(other)


def invite_of(dialog: tuple[bytes, bytes]) -> bytes:
    return Seal(b"key")._digest(*dialog, b"n")


def test_our_uri_holds_no_bytes_of_a_stranger(edge: Conversation) -> None:
    """RFC 3261 25.1: the user part has unreserved characters only, whatever Call-ID and tag
    hold.
    """
    odd = bytes(request()).replace(b"call-1@192.0.2.1", b'\0;>\xff"<sip:a@b>')
    (recorded,) = edge.forward(odd.replace(b";tag=alice", b";tag=\xfe\0")).values(b"record-route")
    assert re.fullmatch(
        rb"<sip:n[0-9a-f]{9}[0-9a-f-]{8}[0-9a-f]{18}@198.51.100.1:5060;lr>", recorded
    )


def test_a_dialog_whose_caller_has_no_tag_is_served_from_both_sides(edge: Conversation) -> None:
    """RFC 3261 12.2.1.1: "If the value of the remote or local tags is null, the tag parameter MUST
    be omitted from the To or From header fields, respectively."
    """
    untagged = bytes(request()).replace(b";tag=alice", b"")
    edge.receive(untagged)
    edge.stager.stagings[0].succeed()
    (recorded,) = edge.last_request("bob").values(b"record-route")
    edge.receive(response(edge.last_request("bob"), 200), BOB)
    edge.take()
    line = b"Route: " + recorded + b"\r\nContact:"
    bye = bytes(request("BYE", "sip:bob@192.0.2.2", to_tag="bob", branch="z9hG4bK-1"))
    edge.receive(bye.replace(b";tag=alice", b"").replace(b"Contact:", line))
    assert edge.take() == ["bob BYE"]
    bye = bytes(request("BYE", "sip:alice@192.0.2.1", branch="z9hG4bK-2"))
    edge.receive(bye.replace(b";tag=alice", b";tag=bob").replace(b"Contact:", line), BOB)
    assert edge.take() == ["alice BYE"]


def test_a_request_without_tag_and_seal_belongs_to_no_dialog(edge: Conversation) -> None:
    """RFC 3261 16.4: a Route of ours alone is not enough."""
    edge.receive(request("BYE", extra=("Route: <sip:198.51.100.1;lr>",)))
    assert edge.take() == ["alice 481 BYE"]


def test_seals_of_long_call_ids_are_not_cached() -> None:
    """Robustness: long values of strangers fill no memory."""
    seal = Seal(b"key")

    def ask(call_id: bytes) -> None:
        asked = request("BYE", to_tag="x")
        long = asked.with_field(asked.names.index(b"call-id"), b"Call-ID: " + call_id)
        seal.is_valid(route(USER.encode()), parse_request(bytes(long)))

    for number in range(40):
        ask(b"%0300d" % number)
    assert seal.of_dialog.cache_info().currsize == 0
    ask(b"short")
    assert seal.of_dialog.cache_info().currsize == 2


def test_a_seal_is_no_permission_to_call(edge: Conversation) -> None:
    """An INVITE without a To tag begins a call, which is admitted and staged, or refused."""
    edge.receive(request("INVITE", "sip:0900@192.0.2.2", extra=(ROUTE,)), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"]


HOUR = 3600.0


@pytest.mark.parametrize("hours", [0, 1, 12, 24])
def test_a_call_may_last_as_long_as_the_seal(hours: int) -> None:
    """RFC 3261 12.2: a route set is not changed within a dialog, so a seal cannot be renewed."""
    now = 1_800_000_000.0
    seal = Seal(b"key", now=lambda: now)
    made = route(seal.seal_for(request(), TRUNK_NAME))
    now += hours * HOUR
    assert seal.is_valid(made, request("BYE", to_tag="bob"))
    now += 25 * HOUR - hours * HOUR
    assert not seal.is_valid(made, request("BYE", to_tag="bob"))
    assert seal.is_expired(made, request("BYE", to_tag="bob"))


@pytest.mark.parametrize("usual", [True, False])
def test_an_expired_seal_opens_no_way(*, usual: bool) -> None:
    """Robustness: an overheard seal is of no use the day after."""
    made = Seal(b"key", now=lambda: -30 * HOUR).seal_for(request(), TRUNK_NAME)
    bye = later("BYE").replace(USER.encode(), made)
    edge = Conversation()
    edge.receive(bye if usual else bye.replace(b"Max-Forwards: 70", b"Max-Forwards: 69"))
    assert edge.take() == ["alice 481 BYE"]
    assert b"lifetime" in (edge.last_response("alice").value(b"warning") or b"")


def test_a_seal_of_a_node_whose_clock_is_ahead_is_valid() -> None:
    """Nodes share the key, and their clocks differ."""
    made = Seal(b"key", now=lambda: 7200.0).seal_for(request(), TRUNK_NAME)
    assert Seal(b"key", now=lambda: 7199.0).is_valid(route(made), request("BYE", to_tag="bob"))
    assert not Seal(b"key", now=lambda: 10.0).is_valid(route(made), request("BYE", to_tag="bob"))


def test_a_new_key_ahead_of_the_old_one_ends_no_call() -> None:
    """The first key makes seals, and all verify them."""
    bye = request("BYE", to_tag="bob")
    made = route(Seal(b"old").seal_for(request(), TRUNK_NAME))
    both = Seal(b"new", b"old")
    assert both.is_valid(made, bye)
    assert both.is_of_trunk(made.user or b"", TRUNK_NAME)
    assert both.names(made.user or b"", "192.0.2.1", 5060)
    newer = route(both.seal_for(request(), TRUNK_NAME))
    assert Seal(b"new").is_valid(newer, bye)
    assert not Seal(b"new").is_valid(made, bye)


def test_a_seal_knows_its_trunk() -> None:
    """A request from an unknown source is relayed to an address of that trunk alone."""
    seal = Seal(b"key")
    made = seal.seal_for(request(), "carrier-a")
    assert seal.is_of_trunk(made, "carrier-a")
    assert not seal.is_of_trunk(made, "carrier-b")


NAMED = [
    ("Contact: <sip:alice@10.0.0.5:5070>", "10.0.0.5", 5070),
    ("Contact: <sip:alice@10.0.0.5>", "10.0.0.5", 5060),
    ("m: sip:alice@10.0.0.5", "10.0.0.5", 5060),
    ('Contact: "A, B" <sip:alice@PBX.example>;expires=1, <sip:b@x>', "pbx.example", 5060),
    ("Contact: <sip:alice@[2001:DB8:0::5]:5070;transport=tcp>", "2001:db8::5", 5070),
    ("Contact: <sip:alice@h;maddr=10.0.0.6>", "10.0.0.6", 5060),
    ("Record-Route: <sip:p1;lr>, <sip:p2;lr>", "p1", 5060),
    ("Record-Route: <sip:10.0.0.7:5080;lr>\r\nContact: <sip:a@10.0.0.5>", "10.0.0.7", 5080),
]


@pytest.mark.parametrize(("line", "host", "port"), NAMED)
def test_a_seal_knows_the_address_that_the_caller_named(line: str, host: str, port: int) -> None:
    """RFC 3261 12.1.2: the topmost Record-Route that came is the next hop, else the Contact."""
    seal, invite = Seal(b"key"), bytes(request()).replace(b"Contact: ", b"X-Contact: ")
    invite = invite.replace(b"\r\n", b"\r\n" + line.encode() + b"\r\n", 1)
    made = seal.seal_for(parse_request(invite), TRUNK_NAME)
    assert seal.names(made, host, port)
    assert not seal.names(made, host, port + 1)
    assert not seal.names(made, "10.0.0.99", port)


@pytest.mark.parametrize("line", ["X: y", "Contact: *", "Contact: <>", "Contact: <tel:+331>"])
def test_a_seal_without_a_named_address_names_none(line: str) -> None:
    """A caller without a readable Contact can still be reached by its trunk."""
    seal, invite = Seal(b"key"), bytes(request()).replace(b"Contact: ", b"X-Contact: ")
    invite = invite.replace(b"\r\n", b"\r\n" + line.encode() + b"\r\n", 1)
    made = seal.seal_for(parse_request(invite), TRUNK_NAME)
    assert b"--------" in made
    assert not seal.names(made, "--------", 5060)
    assert seal.is_valid(route(made), request("BYE", to_tag="bob"))


@given(position=st.integers(0, LENGTH - 1), byte=st.sampled_from(b"0123456789abcdefnvw-"))
def test_no_byte_of_a_seal_can_be_changed(position: int, byte: int) -> None:
    """The digest covers mark, trunk, hour and party."""
    made = bytearray(USER.encode())
    changed = made[position] != byte
    made[position] = byte
    valid = SEAL.is_valid(route(bytes(made)), request("BYE", to_tag="bob"))
    assert valid is not changed


@given(user=st.binary(max_size=80))
def test_no_other_user_part_is_a_seal(user: bytes) -> None:
    """Any length and any bytes."""
    asked = request("BYE", to_tag="bob")
    made = Uri(b"", b"sip", user, "198.51.100.1")
    assert not SEAL.is_valid(made, asked)
    assert not SEAL.is_expired(made, asked)
