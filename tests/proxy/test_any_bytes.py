"""No bytes of a peer make the core raise, or send to an invalid address."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.support.conversation import ALICE, ALICE_TCP, BOB, STRANGER, URI, Conversation
from tests.support.messages import request, response
from tests.support.torture import TORTURE, damage
from tests.support.trunks import admission_of

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow

ROUTE = f"Route: {URI}, <sip:p2.example;lr>"
REAL = [
    bytes(request()),
    bytes(request(branch="1", extra=("Require: x", "Proxy-Require: y"))),
    bytes(request("OPTIONS", "sip:198.51.100.1")),
    bytes(request("BYE", "sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,))),
    bytes(request("CANCEL")),
    bytes(request("ACK", "sip:bob@192.0.2.2;maddr=x", to_tag="bob")),
    *TORTURE.values(),
]


ADMISSION = admission_of(dict.fromkeys(("+33612345678", "user", "vivekg", "caller"), "agent"))


def conversation() -> Conversation:
    """Return a conversation with the real admission."""
    edge = Conversation(delay=0.1)
    edge.proxy._admission = edge.new_calls._admission = ADMISSION
    return edge


def check(edge: Conversation) -> None:
    """Advance the clock, and assert that everything was sent to a valid address."""
    edge.clock.advance(300)
    for data, flow in edge.transport.sent:
        parse(data)
        assert ip_address(flow.host).version in {4, 6}
        assert 0 < flow.port < 65536
    assert edge.alive == 0


@given(
    st.lists(
        st.tuples(damage(REAL), st.sampled_from([ALICE, ALICE_TCP, BOB, STRANGER])), max_size=4
    )
)
def test_no_bytes_of_a_request_make_the_core_raise(messages: list[tuple[bytes, Flow]]) -> None:
    edge = conversation()
    for data, source in messages:
        edge.layer.receive_message(data, source)
    check(edge)


@given(st.data())
def test_no_bytes_of_a_response_make_the_core_raise(data: st.DataObject) -> None:
    edge = conversation()
    edge.receive(request())
    edge.clock.advance(1)
    invite = edge.last_request("bob")
    real = [bytes(response(invite, status)) for status in (100, 183, 200, 302, 486, 600)]
    for answer in data.draw(st.lists(damage(real), max_size=4)):
        edge.layer.receive_message(answer, BOB)
    check(edge)


@pytest.mark.parametrize("name", TORTURE)
def test_a_torture_message_does_no_harm_to_other_calls(name: str) -> None:
    edge = conversation()
    edge.layer.receive_message(TORTURE[name], ALICE)
    edge.receive(request())
    edge.clock.advance(1)
    assert isinstance(edge.last("bob"), Request)
