"""Keepalives to callers behind a NAT while their calls are up (RFC 5626 4.4)."""

from __future__ import annotations

import pytest

from sip_stager.calls import flow_keepalives
from sip_stager.calls.flow_keepalives import (
    KEEPALIVE,
    KEEPALIVE_INTERVAL,
    MAX_DURATION,
    FlowKeepalives,
)
from sip_stager.events import CallEnded, CallHungUp, CallRefused, Event, FlowRecorded
from sip_stager.model.call import Call
from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import CallOutcome, RefusalCause
from sip_stager.sip.parser import parse_request
from tests.support.conversation import BOB, Conversation
from tests.support.fakes import FakeClock, FakeTransport
from tests.support.messages import request, response

NAT = Flow("UDP", "192.0.2.1", 40000, 0)
OTHER = Flow("UDP", "192.0.2.1", 40001, 0)
NAT_TCP = Flow("TCP", "192.0.2.1", 40000, 1, 7)


class Kept:
    """Keepalives with a clock and a transport; ``sent`` are those since the last look."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.keepalives = FlowKeepalives(self.clock, self.transport)
        self._taken = 0

    def notify(self, event: Event) -> None:
        handler = self.keepalives.handlers.get(type(event))
        if handler is not None:
            handler(event)

    def begin(self, call_id: str = "one", flow: Flow = NAT) -> Call:
        call = Call(call_id, "trunk", "+33912345678", "+33612345678", "agent", 4.0)
        self.notify(FlowRecorded(call, flow))
        return call

    def end(self, call: Call, outcome: CallOutcome = CallOutcome.ANSWERED) -> None:
        self.notify(CallEnded(call, "", outcome, 200, 0.0))

    def hang_up(self, call_id: str = "one", status: int = 200) -> None:
        bye = request("BYE", to_tag="bob")
        data = bytes(bye).replace(b"call-1@192.0.2.1", call_id.encode())
        answered = response(bye, status) if status else None
        self.notify(CallHungUp(parse_request(data), b"", answered))

    def after(self, seconds: float) -> list[Flow]:
        """Return where keepalives went within that time."""
        self.clock.advance(seconds)
        sent = self.transport.sent[self._taken :]
        self._taken = len(self.transport.sent)
        assert all(data == KEEPALIVE for data, _ in sent)
        return [flow for _, flow in sent]


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_flow_gets_a_keepalive_every_25_s_from_the_invite_to_the_bye(kept: Kept) -> None:
    call = kept.begin()
    assert KEEPALIVE_INTERVAL <= 25.0
    assert kept.after(24.9) == []
    assert kept.after(0.2) == [NAT]
    kept.end(call)
    assert kept.after(100.0) == [NAT] * 4
    kept.hang_up()
    assert kept.after(100.0) == []
    assert len(kept.keepalives) == kept.clock.waiting == 0


@pytest.mark.parametrize("outcome", sorted(set(CallOutcome) - {CallOutcome.ANSWERED}))
def test_a_call_without_an_answer_needs_none(kept: Kept, outcome: CallOutcome) -> None:
    kept.end(kept.begin(), outcome)
    assert kept.after(100.0) == []


def test_a_refused_call_needs_none(kept: Kept) -> None:
    call = kept.begin()
    refused = CallRefused("one", "trunk", 503, RefusalCause.OVERLOAD, "", 0.0, call=call)
    kept.notify(refused._replace(call=None))  # another call of that Call-ID, never admitted
    assert kept.after(25.0) == [NAT]
    kept.notify(refused)
    assert kept.after(100.0) == []


@pytest.mark.parametrize("status", [401, 407])
def test_a_bye_that_must_come_again_ends_nothing(kept: Kept, status: int) -> None:
    kept.end(kept.begin())
    kept.hang_up(status=status)
    assert kept.after(25.0) == [NAT]
    kept.hang_up(status=0)  # no answer in time: the call is over
    assert kept.after(25.0) == []


def test_calls_of_one_flow_share_its_keepalives(kept: Kept) -> None:
    for number in range(50):
        kept.end(kept.begin(f"call {number}"))
    kept.begin("else", OTHER)
    assert sorted(kept.after(25.0)) == [NAT, OTHER]
    for number in range(49):
        kept.hang_up(f"call {number}")
    assert sorted(kept.after(25.0)) == [NAT, OTHER]
    kept.hang_up("call 49")
    assert kept.after(25.0) == [OTHER]


def test_short_calls_one_after_another_do_not_multiply_keepalives(kept: Kept) -> None:
    sent = []
    for number in range(100):
        kept.end(kept.begin(f"call {number}"))
        sent += kept.after(1.0)
        kept.hang_up(f"call {number}")
    assert sent == [NAT] * 4
    assert kept.after(100.0) == []


def test_a_call_id_that_two_calls_have_is_up_until_both_are_over(kept: Kept) -> None:
    """A trunk that forks a call uses its Call-ID twice."""
    kept.begin()
    kept.end(kept.begin(), CallOutcome.REJECTED)
    assert kept.after(25.0) == [NAT]
    kept.hang_up()
    assert kept.after(25.0) == []


def test_over_tcp_a_connection_that_is_gone_gets_none(kept: Kept) -> None:
    kept.transport.connected = {NAT_TCP[1:3]}
    kept.begin(flow=NAT_TCP)
    assert kept.after(50.0) == [NAT_TCP] * 2
    kept.transport.connected = set()
    assert kept.after(100.0) == []
    kept.hang_up()
    assert len(kept.keepalives) == kept.clock.waiting == 0


def test_a_call_whose_bye_never_comes_is_over_at_last(kept: Kept) -> None:
    kept.end(kept.begin())
    assert kept.after(MAX_DURATION - 1.0)
    kept.after(KEEPALIVE_INTERVAL)
    assert kept.after(1000.0) == []
    assert len(kept.keepalives) == 0


def test_the_oldest_calls_give_way_at_the_limit(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_keepalives, "MAX_CALLS", 3)
    for number in range(5):
        kept.begin(f"call {number}", NAT._replace(port=40000 + number))
    assert len(kept.keepalives) == 3
    assert [flow.port for flow in kept.after(25.0)] == [40002, 40003, 40004]
    kept.hang_up("call 0")


def test_a_real_call_is_followed_from_its_invite_to_the_bye_of_the_agent(kept: Kept) -> None:
    edge = Conversation()
    edge.observers.append(kept.notify)
    text = bytes(request(via="SIP/2.0/UDP 10.0.0.5:5060;rport"))
    sent = edge.forward(text.replace(b"sip:alice@192.0.2.1", b"sip:alice@10.0.0.5"), NAT)
    edge.receive(response(sent, 200), BOB)
    assert kept.after(25.0) == [NAT]
    routes = tuple(f"Route: {value.decode()}" for value in sent.values(b"record-route"))
    bye = request("BYE", "sip:bob@192.0.2.2", to_tag="bob", extra=routes)
    edge.receive(response(edge.relay(bye, NAT), 200), BOB)
    assert kept.after(100.0) == []
