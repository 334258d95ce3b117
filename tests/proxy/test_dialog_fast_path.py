"""The fast path of a dialog's requests leads where the general one does (RFC 3261 16.4, 16.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.conversation import ALICE, ALICE_TCP, BOB, ROUTE, STRANGER, URI, Conversation
from tests.support.messages import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.flow import Flow

USUAL = (
    "sip:bob@192.0.2.2",
    "sip:bob@192.0.2.2:5070;transport=tcp",
    "sip:bob@[2001:db8::2]",
)
UNUSUAL = (
    "sip:bob@upstream.example",
    "sip:bob@nowhere.example",
    "sips:bob@192.0.2.2",
    "sip:bob@192.0.2.2;maddr=192.0.2.3",
    "sip:bob@192.0.2.2;transport=sctp",
    "sip:bob@198.51.100.1:5060;lr",
    URI[1:-1],
    "sip:" + "b" * 300 + "@192.0.2.2",
    "tel:+33612345678",
    "sip:@:",
    "sip:bob@192.0.2.2;lr;lr=on",
)
OWN_LINES = (
    (ROUTE,),
    (ROUTE.replace("Route", "ROUTE "),),
    (ROUTE.replace(": ", ":\t "),),
    (ROUTE.replace(";lr", ";lr;x=y"),),
    (ROUTE, "Route: <sip:192.0.2.3;lr>"),
    (ROUTE + ", <sip:192.0.2.3;lr>",),
    ("Route: <sip:192.0.2.3;lr>", ROUTE),
    (ROUTE.replace("sip:", "sip:x"),),
    (ROUTE.replace("5060", "5061"),),
    ("Route: <sip:198.51.100.1;lr>",),
    (),
)
EXTRA_LINES = (
    "X-Rounded-Call-Id: stolen",
    "x-rounded-call-ID : stolen",
    "Proxy-Require: 100rel",
    "Proxy-Authorization: Digest realm=x",
    "Max-Breadth: 1",
    "Max-Breadth: 0",
    "P-Asserted-Identity: <sip:+33900000000@192.0.2.1>",
    "Remote-Party-ID: <sip:+33900000000@192.0.2.1>",
    "Privacy: id",
    "Require: 100rel",
    "Supported: timer",
    "Record-Route: <sip:192.0.2.9;lr>",
    "Reason: Q.850;cause=16",
    "a line without a colon",
    "Content-Length: 7",
    "v: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-more",
    "Max-Forwards: 3",
)


METHODS = ("BYE", "ACK", "INVITE", "UPDATE", "CANCEL")
HOPS = ("70", "1", "0", "256", "x", None)


def later(
    method: str = "BYE",
    uri: str = USUAL[0],
    lines: tuple[str, ...] = (ROUTE,),
    hops: str | None = "70",
    to_tag: str = "bob",
) -> bytes:
    """Return a request of alice's dialog."""
    branch = "z9hG4bK-later"
    asked = request(
        method, uri, branch=branch, cseq=2, to_tag=to_tag, extra=lines, max_forwards=hops
    )
    return bytes(asked)


UNLIKE = {
    "usual": later(),
    "no tag": later(to_tag=""),
    **{uri: later(uri=uri) for uri in USUAL[1:] + UNUSUAL},
    **{" + ".join(lines) or "no route": later(lines=lines) for lines in OWN_LINES[1:]},
    **{line: later(lines=(ROUTE, line)) for line in EXTRA_LINES},
    **{f"Max-Forwards {hops}": later(hops=hops) for hops in HOPS[1:]},
}
"""Requests that are unlike the usual one in one thing."""


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, Flow]:
    """Draw a request of alice's dialog that is unlike the usual one in some things."""
    extra = draw(st.lists(st.sampled_from(EXTRA_LINES), max_size=2))
    data = later(
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from(USUAL + UNUSUAL)),
        (*draw(st.sampled_from(OWN_LINES)), *extra),
        draw(st.sampled_from(HOPS)),
        draw(st.sampled_from(["bob", ""])),
    )
    if draw(st.booleans()):
        data = swap_sides(data)
    return data, draw(st.sampled_from([ALICE, BOB, ALICE_TCP, STRANGER]))


def swap_sides(data: bytes) -> bytes:
    """Make it a request of the callee, whose From tag is the caller's To tag."""
    mine, theirs = b";tag=alice", b";tag=bob"
    return data.replace(mine, b";tag=?").replace(theirs, mine).replace(b";tag=?", theirs)


def patch_fast_path(edge: Conversation, name: str, function: Callable[..., object]) -> None:
    """Replace a cached function of the fast path."""
    assert hasattr(edge.proxy._fast_path, name)
    setattr(edge.proxy._fast_path, name, function)


def outcome(data: bytes, source: Flow, *, general: bool = False) -> tuple[object, ...]:
    """Return what a fresh core sends, drops and holds at last, if it receives a request twice.

    With ``general`` no next hop is known, so nothing takes the fast path.
    """
    edge = Conversation(delay=0.0)
    if general:
        patch_fast_path(edge, "_next_hop", lambda *_: None)
    edge.admission.anonymous = {STRANGER.host}
    edge.receive(data, source)
    edge.receive(data, source)
    edge.clock.advance(40)
    return edge.transport.sent, edge.dropped, edge.alive


def assert_same_place(data: bytes, source: Flow = ALICE) -> None:
    """Compare what a request leads to with what it leads to without the fast path."""
    assert outcome(data, source) == outcome(data, source, general=True)


@pytest.mark.parametrize("unlike", UNLIKE)
@pytest.mark.parametrize("method", METHODS)
def test_one_unusual_thing_leads_to_the_same_place(unlike: str, method: str) -> None:
    """RFC 3261 16.4 to 16.6: a request is validated and routed by the same rules either way."""
    data = UNLIKE[unlike].replace(b"BYE", method.encode())
    for source in (ALICE, BOB, ALICE_TCP, STRANGER):
        assert_same_place(data, source)
        assert_same_place(swap_sides(data), source)


@given(requests())
def test_several_unusual_things_lead_to_the_same_place(drawn: tuple[bytes, Flow]) -> None:
    """RFC 3261 16.4 to 16.6: a request is validated and routed by the same rules either way."""
    assert_same_place(*drawn)


@pytest.mark.parametrize("method", ["BYE", "ACK", "INVITE"])
def test_a_loop_is_seen_on_either_path(method: str) -> None:
    """RFC 3261 16.3 step 4: what a branch of ours says was here before."""
    forwarded = Conversation().relay(later(method))
    looped = bytes(forwarded.without(b"max-breadth"))  # with it, the fast path is not taken
    assert_same_place(looped.replace(b"Contact:", ROUTE.encode() + b"\r\nContact:"), BOB)


@pytest.mark.parametrize("method", ["ACK", "BYE", "INVITE", "UPDATE"])
@pytest.mark.parametrize("uri", USUAL)
@pytest.mark.parametrize("swap", [False, True])
def test_usual_requests_take_the_fast_path(method: str, uri: str, *, swap: bool) -> None:
    """The comparison above would hold as well if nothing took it."""
    edge = Conversation()
    taken: list[object] = []
    next_hop = edge.proxy._fast_path._next_hop

    def watched(uri_text: bytes, interface: int) -> object:
        taken.append(next_hop(uri_text, interface))
        return taken[-1]

    patch_fast_path(edge, "_next_hop", watched)
    data = later(method, uri)
    edge.receive(swap_sides(data) if swap else data)
    assert [hop is not None for hop in taken] == [True]
