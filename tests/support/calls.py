"""Calls brought to the point at which a test begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sip_stager.sip.message import Response
from tests.support.conversation import BOB, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request


def called(edge: Conversation) -> Request:
    """Stage alice's call and forward it to bob; return the INVITE that bob got."""
    edge.receive(request())
    edge.stager.stagings[-1].succeed()
    assert edge.take() == ["alice 100 INVITE", "bob INVITE"]
    return edge.last_request("bob")


def answer(
    edge: Conversation, invite: Request, status: int, source: Flow = BOB, **parts: Any
) -> list[str]:
    """Answer as a target; return the messages that follow."""
    edge.receive(response(invite, status, **parts), source)
    return edge.take()


def without_requester(response: Response, other: bytes = b"") -> Response:
    """Return a response with our Via alone, or with another peer's below it."""
    own = response.fields[response.names.index(b"via")]
    only = response.without(b"via").with_first(b"via", own)
    changed = only.with_last(b"via", other) if other else only
    assert isinstance(changed, Response)
    return changed


def cancelled(edge: Conversation) -> list[str]:
    """Cancel alice's call; return the messages that follow."""
    edge.receive(request("CANCEL"))
    return edge.take()


def ended(edge: Conversation) -> bool:
    """True if no transaction is left a while later."""
    edge.clock.advance(300)
    return edge.alive == 0 and edge.clock.waiting == 0
