"""A network between two user agents and the proxy that loses, repeats, delays and breaks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from sip_stager.calls.second_copy import COPY_TIMEOUT
from sip_stager.sip.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response
    from tests.support.agents import UserAgent
    from tests.support.conversation import Conversation
    from tests.support.fakes import FakeStaging
    from tests.support.watch import Watch

Fate = Literal["arrives", "lost", "twice", "late"]


class Network:
    """A network between agents and proxy, all of whose messages the watch sees.

    ``losing`` counts the next datagrams that each host does not get, ``refusing`` those of which
    the transport reports that they could not be sent.
    """

    def __init__(self, edge: Conversation, watch: Watch, agents: Iterable[UserAgent]) -> None:
        self.edge = edge
        self.watch = watch
        self.late: list[tuple[Request | Response, Flow]] = []
        self.losing: Counter[str] = Counter()
        self.refusing: Counter[str] = Counter()
        self.staging: list[FakeStaging] = []
        self._seen = 0
        self._agents = {agent.flow.host: agent for agent in agents}
        self.edge.transport.send = self._from_proxy  # type: ignore[method-assign]

    def to_proxy(self, message: Request | Response, source: Flow, fate: Fate = "arrives") -> None:
        """Carry an agent's message to the proxy, or lose, repeat or delay it."""
        if fate == "late":
            self.late.append((message, source))
        for _ in range({"arrives": 1, "twice": 2}.get(fate, 0)):
            self.watch.reaches(message, source)
            self._watch_staging()

    def advance(self, seconds: float) -> None:
        """Advance the clock; an INVITE that waited for its first copy may begin a call."""
        at_first = min(seconds, COPY_TIMEOUT)
        self.edge.clock.advance(at_first)
        self._watch_staging()
        self.edge.clock.advance(seconds - at_first)

    def succeed(self, staging: FakeStaging) -> None:
        """Stage a call."""
        self.staging.remove(staging)
        staged_id = f"call-{self.edge.stager.stagings.index(staging)}"
        self.watch.staged(staged_id)
        staging.succeed(staged_id)

    def fail(self, staging: FakeStaging) -> None:
        """Fail a staging, with a timeout for instance."""
        if not staging.over:
            self.staging.remove(staging)
            staging.fail()

    def _watch_staging(self) -> None:
        """Assert that each staging ends by its deadline, and that a cancelled one has ended."""
        stagings = self.edge.stager.stagings
        for staging in stagings[self._seen :]:
            self.staging.append(staging)
            self.edge.clock.call_later(staging.call.deadline, self.fail, staging)
        self._seen = len(stagings)
        self.staging = [one for one in self.staging if not one.over]

    def _from_proxy(
        self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None
    ) -> None:
        message = parse(data)
        self.watch.leaves(message, flow)
        if self.refusing[flow.host]:
            self.refusing[flow.host] -= 1
            if failed is not None:
                self.edge.clock.call_later(0.0, failed, "connection refused")
        elif self.losing[flow.host]:
            self.losing[flow.host] -= 1
        else:
            self._agents[flow.host].receive(message)
