"""What was staged goes back where the upstream had no use of it."""

from __future__ import annotations

import pytest

from sip_stager.ports import Policy, Treatment
from tests.support.conversation import BOB, Conversation
from tests.support.messages import request, response


@pytest.fixture
def edge() -> Conversation:
    edge = Conversation()
    edge.receive(request())
    return edge


@pytest.mark.parametrize(("status", "unused"), [(401, 1), (407, 1), (486, 0), (503, 0), (200, 0)])
def test_a_challenge_leaves_it_unused_and_an_answer_does_not(
    edge: Conversation, status: int, unused: int
) -> None:
    """RFC 3261 22.3: the call comes again, with credentials."""
    edge.stager.stagings[0].succeed("call-7")
    edge.receive(response(edge.last_request("bob"), status), BOB)
    assert [forward.call_id for _, forward in edge.stager.given_back] == ["call-7"] * unused


def test_an_upstream_that_nothing_reaches_leaves_it_unused(edge: Conversation) -> None:
    edge.transport.failing.add("192.0.2.2")
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(0.1)
    assert [forward.call_id for _, forward in edge.stager.given_back] == ["call-7"]


def test_an_upstream_that_says_nothing_may_have_used_it(edge: Conversation) -> None:
    edge.stager.stagings[0].succeed("call-7")
    edge.clock.advance(33)
    assert edge.take()[-1] == "alice 408 INVITE"
    assert edge.stager.given_back == []


def test_the_call_that_goes_back_is_the_one_that_was_staged() -> None:
    edge = Conversation()
    edge.admission.policy = Policy(
        {"over_time": (Treatment("agent", target="other"), Treatment("refuse"))}
    )
    edge.receive(request())
    edge.stager.stagings[0].fail()
    edge.stager.stagings[1].succeed()
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    assert [call.agent_id for call, _ in edge.stager.given_back] == ["other"]


def test_a_call_that_went_on_without_one_gives_nothing_back() -> None:
    edge = Conversation()
    edge.admission.policy = Policy({"over_time": (Treatment("forward"),)})
    edge.receive(request())
    edge.stager.stagings[0].fail()
    edge.receive(response(edge.last_request("bob"), 407), BOB)
    assert edge.stager.given_back == []
