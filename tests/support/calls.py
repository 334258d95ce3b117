"""Calls brought to where a test begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.conversation import BOB, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request


def called(edge: Conversation) -> Request:
    """Bring alice's call to where it is staged and on its way to bob; give what he has."""
    edge.receive(request())
    edge.stager.stagings[-1].succeed()
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    return edge.last_request("bob")


def answer(
    edge: Conversation, invite: Request, status: int, source: Flow = BOB, **parts: Any
) -> list[str]:
    """Have a target answer; give what was sent then."""
    edge.receive(response(invite, status, **parts), source)
    return edge.take()


def cancelled(edge: Conversation) -> list[str]:
    """Have alice cancel her call; give what was sent then."""
    edge.receive(request("CANCEL"))
    return edge.take()


def ended(edge: Conversation) -> bool:
    """Tell whether nothing is left a while later."""
    edge.clock.advance(300)
    return edge.alive == 0 and edge.clock.waiting == 0
