"""Forms that mean the same lead to the same place, and those that do not are told apart.

A core that looks only at what a proxy needs takes short cuts: a field read from its bytes, the
place of a field kept by the names of its header.  Each test here holds one of them to the rule.
"""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.proxy.test_dialog_fast_path import assert_same_place, later, swap_sides
from tests.support.conversation import ALICE, BOB, ROUTE, SEAL, TRUNK_NAME, URI, USER, Conversation
from tests.support.messages import request, response
from tests.support.reading import parsed

CALL_IDS = (
    b"Call-ID: call-1@192.0.2.1",
    b"Call-ID:call-1@192.0.2.1",
    b"i: \t call-1@192.0.2.1 ",
    b"Call-ID:\r\n call-1@192.0.2.1",
    b"CALL-ID :\r\n\t call-1@192.0.2.1\r\n ",
)
SENDERS = (
    b'From: "Alice" <sip:+33912345678@192.0.2.1>;tag=alice',
    b'f:"Alice"  <sip:+33912345678@192.0.2.1> ; tag = alice',
    b'From:\r\n "Alice"\r\n <sip:+33912345678@192.0.2.1>\r\n ;tag=alice',
    b"FROM: sip:+33912345678@192.0.2.1\r\n\t;x=y;tag\r\n =\r\n alice;z",
)
USUAL = CALL_IDS[0], SENDERS[0]
FORMS = tuple(product(CALL_IDS, SENDERS))


def in_form(data: bytes, form: tuple[bytes, bytes]) -> bytes:
    """Return a message of alice's with Call-ID and From in another form."""
    for old, new in zip(USUAL, form, strict=True):
        assert data.count(old) == 1
        data = data.replace(old, new)
    return data


@pytest.mark.parametrize("form", FORMS)
def test_a_seal_does_not_depend_on_folds_and_blanks(form: tuple[bytes, bytes]) -> None:
    """RFC 3261 7.3.1: an ACK or BYE that folds other fields than its INVITE is of the same call."""
    invite = Conversation().forward(in_form(bytes(request()), form))
    assert invite.values(b"record-route") == [URI.encode()]


@pytest.mark.parametrize("method", ["ACK", "BYE", "INVITE"])
@pytest.mark.parametrize("form", FORMS)
def test_folds_and_blanks_lead_to_the_same_place_on_either_path(
    form: tuple[bytes, bytes], method: str
) -> None:
    """RFC 3261 7.3.1."""
    data = in_form(later(method), form)
    assert_same_place(data)
    edge = Conversation()
    edge.receive(data)
    edge.clock.advance(0.1)
    assert edge.take()[-1] == f"bob {method}"


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("second", [b"f: <sip:eve@x>;tag=eve", b"i: other", b"t: <sip:eve@x>"])
def test_a_field_in_its_long_and_its_compact_form_is_two(second: bytes, *, swap: bool) -> None:
    """RFC 3261 7.3.1, 7.3.3: two readers might take different ones."""
    data = later().replace(b"Contact:", second + b"\r\nContact:")
    edge = Conversation()
    edge.receive(swap_sides(data) if swap else data)
    assert edge.take() == ["alice 400 BYE"]
    assert_same_place(data)


THEIRS = ("Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>", "Record-Route: <sip:p3;lr>")
EXTRA = (
    *THEIRS, "X-Rounded-Call-Id: evil", "x-rounded-call-id : evil\r\n evil2", "Subject: a\r\n b",
    "X-One: 1", "Allow: INVITE", "Proxy-Require: privacy", "X odd",
)  # fmt: skip


@given(st.integers(0, 10_000), st.lists(st.sampled_from(EXTRA), max_size=8))
def test_our_record_route_comes_first_wherever_the_fields_are(seed: int, extra: list[str]) -> None:
    """RFC 3261 16.6 step 4: "before any existing Record-Route header field values".

    A field that is removed ahead of it moves its place; all other fields stay in their order.
    """
    head = bytes(request(extra=tuple(extra))).removesuffix(b"\r\n\r\n")
    line, *fields = head.replace(b"\r\n ", b"\0").split(b"\r\n")
    Random(seed).shuffle(fields)
    fields = [field.replace(b"\0", b"\r\n ") for field in fields]
    edge = Conversation(delay=0.1)
    edge.receive(b"\r\n".join([line, *fields, b"", b""]))
    edge.clock.advance(0.2)
    copy = edge.last_request("bob")
    theirs = [value for field in fields if field.startswith(b"Record-Route")
              for value in field.partition(b": ")[2].split(b", ")]  # fmt: skip
    seal = SEAL.seal_for(parsed(bytes(copy)).without_first(b"record-route"), TRUNK_NAME)
    assert copy.values(b"record-route") == [URI.encode().replace(USER.encode(), seal), *theirs]
    assert copy.values(b"x-rounded-call-id") == [b"call-1"]
    assert copy.names[0] == b"via"
    kept = [field for field in fields if not changed(field)]
    assert [field for field in copy.fields if field in kept] == kept


def changed(field: bytes) -> bool:
    return field.lower().startswith((b"x-rounded", b"max-forwards", b"proxy-require"))


@pytest.mark.parametrize("swap", [False, True])
def test_a_re_invite_gets_its_100_and_a_record_route(*, swap: bool) -> None:
    """RFC 3261 16.6 step 4, 17.2.1: the path of a BYE would give it neither."""
    edge = Conversation()
    data = later("INVITE")
    edge.receive(swap_sides(data) if swap else data)
    edge.clock.advance(0.3)
    assert edge.take()[:2] == ["alice 100 INVITE", "bob INVITE"]
    assert edge.last_request("bob").values(b"record-route") == [URI.encode()]


def test_the_parameters_of_an_upstream_stay_in_the_request_uri() -> None:
    """RFC 3261 16.6 step 2: in the INVITE, its CANCEL, and the ACK of a refusal."""
    edge = Conversation("sip:192.0.2.2:5060;transport=udp;x=y")
    edge.forward(request())
    edge.receive(response(edge.last_request("bob"), 180), BOB)
    edge.receive(request("CANCEL"))
    edge.receive(response(edge.relayed, 200), BOB)
    invites = [data for data, flow in edge.transport.sent if flow == BOB]
    edge.receive(response(parsed(invites[0]), 487), BOB)
    asked = [data for data, flow in edge.transport.sent if flow == BOB]
    assert [data.split()[0] for data in asked] == [b"INVITE", b"CANCEL", b"ACK"]
    assert {data.split()[1] for data in asked} == {
        b"sip:+33612345678@192.0.2.2:5060;transport=udp;x=y"
    }


@pytest.mark.parametrize("cancel", ["SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.1:5060"])
@pytest.mark.parametrize("invite", ["SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.1:5060"])
def test_an_absent_port_is_5060_for_cancel_and_ack(invite: str, cancel: str) -> None:
    """RFC 3261 17.2.3, 18.1.1: "If the port is absent, the default value [...] is 5060"."""
    edge = Conversation()
    edge.receive(request(via=invite))
    edge.receive(request("CANCEL", via=cancel))
    assert edge.take() == ["alice 100 INVITE", "alice 200 CANCEL", "alice 487 INVITE"]
    edge.receive(request("ACK", via=cancel))
    edge.clock.advance(60)
    assert edge.take() == []
    edge.receive(request(via=cancel, branch="z9hG4bK-alice-2"), ALICE)
    edge.receive(request("CANCEL", via="SIP/2.0/UDP 192.0.2.1:5070", branch="z9hG4bK-alice-2"))
    assert edge.take() == ["alice 100 INVITE", "alice 481 CANCEL"]


def test_a_route_of_ours_is_no_part_of_the_loop_digest() -> None:
    """RFC 5393 4.2.2: else each request of a dialog would look like a spiral when it loops."""
    edge = Conversation()
    forwarded = edge.relay(later())
    again = bytes(forwarded.without(b"max-breadth")).replace(
        b"Contact:", ROUTE.encode() + b"\r\nContact:"
    )
    edge.take()
    edge.receive(again, BOB)
    edge.clock.advance(0.1)
    assert edge.take() == ["bob 482 BYE"]
