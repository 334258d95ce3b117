"""An error of our own ends the call or request, and every caller gets a response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.calls.second_copy import COPY_TIMEOUT
from sip_stager.events import CallEnded
from sip_stager.model.call import Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from sip_stager.proxy import non_invite_relay
from sip_stager.proxy.response_context import ResponseContext
from tests.support.calls import answer, called, ended
from tests.support.conversation import ROUTE, Conversation
from tests.support.messages import request

if TYPE_CHECKING:
    from collections.abc import Callable

    Mistaken = Callable[..., None]


class InternalError(Exception):
    """An error of our own."""


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> Mistaken:
    """Return a function that makes a method raise, with ``once`` at its next call only.

    The method must be one of a port, or be called through a protocol: calls within the core do not
    look at what a test patches if the core is compiled.
    """

    def make_mistaken(where: object, name: str, *, once: bool = False) -> None:
        right = getattr(where, name)

        def wrong(*_: Any, **__: Any) -> None:
            if once:
                monkeypatch.setattr(where, name, right)
            raise InternalError

        monkeypatch.setattr(where, name, wrong)

    return make_mistaken


def test_an_invite_is_answered_500(edge: Conversation, mistaken: Mistaken) -> None:
    mistaken(edge.stager, "start_staging")
    with pytest.raises(InternalError):
        edge.receive(request())
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]
    assert ended(edge)


def test_a_second_copy_is_answered_500(edge: Conversation, mistaken: Mistaken) -> None:
    edge.receive(request())
    edge.receive(request(branch="z9hG4bK-other-way"))
    edge.receive(request("CANCEL"))
    edge.take()
    mistaken(edge.stager, "start_staging")
    with pytest.raises(InternalError):
        edge.clock.advance(COPY_TIMEOUT)
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]
    assert ended(edge)


def test_a_cancel_is_answered_500(edge: Conversation, mistaken: Mistaken) -> None:
    mistaken(edge.transport, "send", once=True)
    with pytest.raises(InternalError):
        edge.receive(request("CANCEL"))
    assert edge.take() == ["alice 500 CANCEL"]
    assert ended(edge)


def test_a_staged_invite_is_answered_500(edge: Conversation, mistaken: Mistaken) -> None:
    edge.receive(request())
    mistaken(edge.transport, "send", once=True)
    with pytest.raises(InternalError):
        edge.stager.stagings[0].succeed()
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]
    assert ended(edge)


def test_an_invite_is_answered_500_after_an_error_at_its_treatment(
    edge: Conversation, mistaken: Mistaken
) -> None:
    """Nothing but the INVITE's transaction exists that could end it."""
    other = Treatment(TreatmentKind.AGENT, target="other")
    edge.admission.policy = Policy({StagingOutcome.TIMEOUT: (other,)})
    edge.receive(request())
    mistaken(edge.stager, "start_staging")
    with pytest.raises(InternalError):
        edge.stager.stagings[0].fail()
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]
    assert ended(edge)


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_request_is_answered_500_after_an_error_behind_a_look_up(
    edge: Conversation, mistaken: Mistaken, method: str
) -> None:
    """No client transaction exists yet that would end it."""
    uri = "sip:bob@upstream.example"
    edge.receive(request(method, uri, to_tag="bob", cseq=2, extra=(ROUTE,)))
    mistaken(edge.transport, "send", once=True)
    with pytest.raises(InternalError):
        edge.clock.advance(0.1)
    assert edge.take()[-1] == f"alice 500 {method}"
    assert ended(edge)


@pytest.mark.parametrize("status", [200, 404])
def test_an_invite_is_answered_500_after_an_error_at_its_final_response(
    edge: Conversation, mistaken: Mistaken, status: int
) -> None:
    invite = called(edge)
    mistaken(ResponseContext, "receive_final")
    with pytest.raises(InternalError):
        answer(edge, invite, status)
    assert edge.take()[-1] == "alice 500 INVITE"
    assert len(edge.of(CallEnded)) == 1
    assert ended(edge)


@pytest.mark.patches_core
def test_a_request_is_answered_500_after_an_error_at_its_final_response(
    edge: Conversation, mistaken: Mistaken
) -> None:
    """No port is asked between its response and ours."""
    edge.receive(request("BYE", "sip:bob@192.0.2.2", to_tag="bob", cseq=2, extra=(ROUTE,)))
    mistaken(non_invite_relay, "pop_via")
    with pytest.raises(InternalError):
        answer(edge, edge.last_request("bob"), 200)
    assert edge.take() == ["bob BYE", "alice 500 BYE"]
    assert ended(edge)


def test_a_call_survives_an_error_at_a_provisional_response(
    edge: Conversation, mistaken: Mistaken
) -> None:
    """Its timers are running, so the call will end, and more responses may come."""
    invite = called(edge)
    mistaken(ResponseContext, "receive_provisional", once=True)
    with pytest.raises(InternalError):
        answer(edge, invite, 180)
    assert answer(edge, invite, 200) == ["alice 200 INVITE"]


@pytest.mark.parametrize("seconds", [33, 182])
def test_a_call_is_answered_500_after_an_error_at_a_timer(
    edge: Conversation, mistaken: Mistaken, seconds: float
) -> None:
    """Timer B, and timer C, which sends a CANCEL."""
    invite = called(edge)
    if seconds > 180:
        answer(edge, invite, 180)
        mistaken(edge.transport, "send", once=True)
    else:
        edge.clock.advance(31)  # all retransmissions were sent
        mistaken(ResponseContext, "fail", once=True)
    with pytest.raises(InternalError):
        edge.clock.advance(seconds)
    assert "alice 500 INVITE" in edge.take()


def test_a_call_is_answered_500_after_an_error_at_the_next_target(mistaken: Mistaken) -> None:
    edge = Conversation(backups=("sip:192.0.2.3",))
    invite = called(edge)
    edge.clock.advance(1.9)  # its INVITE was sent three times
    mistaken(edge.transport, "send", once=True)
    with pytest.raises(InternalError):
        edge.clock.advance(0.1)
    assert edge.take()[-1] == "alice 500 INVITE"
    answer(edge, invite, 404)
    assert ended(edge)


def test_a_call_is_answered_500_after_an_error_at_a_transport_error(
    edge: Conversation, mistaken: Mistaken
) -> None:
    edge.transport.failing.add("192.0.2.2")
    edge.receive(request())
    mistaken(ResponseContext, "fail")
    edge.stager.stagings[0].succeed()
    with pytest.raises(InternalError):
        edge.clock.advance(0.1)
    assert edge.take() == ["alice 100 INVITE", "alice 500 INVITE"]
    assert ended(edge)
