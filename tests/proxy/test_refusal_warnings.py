"""The Warning of a refusal holds its cause and the time, and nothing internal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import CallRefused
from sip_stager.model.call import Policy, Refusal
from sip_stager.platform.outcome import (
    NOT_SENT,
    ApiUnreachable,
    BreakerOpen,
    InternalError,
    InvalidResponse,
    Outcome,
    Refused,
    Stopped,
    TimedOut,
)
from sip_stager.staging.decision import decide
from tests.support.conversation import Conversation
from tests.support.inside import NAMES, assert_nothing_internal
from tests.support.messages import request

API = "api.example.net", "/v2/base/calls/stage", "198.51.100.200"
INSIDE = "cannot connect to {} port 443 ({}): set api.base_url; POST https://{}{}?sync=true: {}"
TEXT = INSIDE.format(API[0], API[2], API[0], API[1], " ".join(sorted(NAMES)))
OUTCOMES: tuple[Outcome, ...] = (
    Refused(404, TEXT),
    Refused(500, TEXT),
    Refused(NOT_SENT, TEXT),
    TimedOut(TEXT),
    ApiUnreachable(TEXT),
    InvalidResponse(TEXT),
    BreakerOpen(TEXT),
    Stopped(TEXT),
    InternalError(TEXT),
)


def failed(outcome: Outcome, after: float = 0.0, *, ringing: int = 0) -> Conversation:
    """Return a conversation with a call whose staging ended so, after so many seconds."""
    edge = Conversation()
    edge.admission.policy = Policy(ringing=ringing, ringing_delay=0.1)
    edge.receive(request())
    edge.clock.advance(after)
    decision = decide(outcome)
    assert isinstance(decision, Refusal)
    edge.stager.stagings[0].fail(decision.cause, decision.text)
    return edge


@pytest.mark.parametrize("ringing", [0, 180])
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.kind)
def test_the_api_and_the_settings_are_in_the_log_and_in_no_response(
    outcome: Outcome, ringing: int
) -> None:
    edge = failed(outcome, 2.26, ringing=ringing)
    for data, _ in edge.transport.sent:
        assert_nothing_internal(data, *API)
    stopping = outcome.kind == "stopped"
    told = "the proxy is being stopped" if stopping else "the agent could not be staged, 2.3 s"
    said = f'399 sip-stager "{outcome.kind}: {told}"'
    assert edge.last_response("alice").value(b"warning") == said.encode()
    (refused,) = edge.of(CallRefused)
    assert (refused.cause, refused.text) == (outcome.kind, TEXT)


@given(st.text())
def test_a_refusal_does_not_depend_on_the_texts_of_the_api(text: str) -> None:
    one, other = (failed(Refused(422, words)) for words in (text, ""))
    assert one.transport.sent == other.transport.sent
