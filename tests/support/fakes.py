"""One fake of each port: a clock moved by hand, a wire that can be read, a stager, a resolver."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Any

from sip_stager.model.call import Call, Decision, Forward, Policy, Refusal
from sip_stager.model.vocabulary import RefusalCause, StagingOutcome
from sip_stager.sip.responses import REASONS
from sip_stager.trunks.budget import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable
    from sip_stager.sip.message import Request


class FakeTimer:
    def __init__(self, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._order = count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Cancellable:
        timer = FakeTimer(callback, args)
        heapq.heappush(self._timers, (self.now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, due)  # a timer may be late, and the clock never goes back
            if timer.callback is not None:
                timer.callback(*timer.arguments)
        self.now = end

    @property
    def waiting(self) -> int:
        return sum(timer.callback is not None for _, _, timer in self._timers)


class FakeTransport:
    """A transport that keeps the messages that were sent.

    ``failing`` holds the hosts that are unreachable, ``without_tcp`` those that refuse TCP, and
    ``connected`` the addresses and ports with an open connection.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.sent: list[tuple[bytes, Flow]] = []
        self.failing: set[str] = set()
        self.without_tcp: set[str] = set()
        self.connected: set[tuple[str, int]] = set()
        self._clock = clock

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        refused = flow.transport == "TCP" and flow.host in self.without_tcp
        if refused or flow.host in self.failing:
            if failed is not None:
                self._clock.call_later(0.0, failed, "connection refused")
            return
        self.sent.append((data, flow))

    def is_connected(self, host: str, port: int) -> bool:
        return (host, port) in self.connected


class FakeRoutes:
    """Our address for packets to each host."""

    def __init__(self, **sources: str) -> None:
        self.sources = sources
        self.asked = 0

    def source_for(self, host: str) -> str:
        self.asked += 1
        return self.sources.get(host, "")


class FakeStaging:
    """One call being staged; the test ends it."""

    def __init__(self, call: Call, done: Callable[[Decision], None], clock: FakeClock) -> None:
        self.call = call
        self.cancelled = self.over = False
        self._done = done
        self._clock = clock

    def cancel(self) -> None:
        self.cancelled = self.over = True

    def succeed(self, staged_id: str = "call-1") -> None:
        assert not self.cancelled
        self.over = True
        self._done(Forward(staged_id, self._clock.time()))

    def fail(self, cause: str = StagingOutcome.TIMEOUT, text: str = 'too "slow"') -> None:
        assert not self.cancelled
        self.over = True
        retry_after = 5 if cause == StagingOutcome.BREAKER_OPEN else None
        refusal = Refusal(503, "Service Unavailable", StagingOutcome(cause), text, retry_after)
        self._done(refusal)


class FakeStager:
    """A stager that keeps its stagings; with ``delay`` each succeeds after so many seconds."""

    def __init__(self, clock: FakeClock, delay: float | None = None) -> None:
        self.stagings: list[FakeStaging] = []
        self.returned_unused: list[tuple[Call, Forward]] = []
        self.reusable_for: set[str] = set()  # called numbers for which something is kept
        self._clock = clock
        self._delay = delay

    @property
    def waiting(self) -> int:
        return sum(not staging.over for staging in self.stagings)

    def waiting_of(self, trunk: str) -> int:
        return sum(one.call.trunk == trunk for one in self.stagings if not one.over)

    def can_reuse(self, call: Call) -> bool:
        return call.to_number in self.reusable_for

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        staging = FakeStaging(call, done, self._clock)
        self.stagings.append(staging)
        if self._delay is not None:
            self._clock.call_later(self._delay, self._finish, staging)
        return staging

    def return_unused(self, call: Call, forward: Forward) -> None:
        self.returned_unused.append((call, forward))

    def _finish(self, staging: FakeStaging) -> None:
        if not staging.cancelled:
            staging.succeed(f"call-{len(self.stagings)}")


class FakeResolver:
    """A name has its addresses separated by spaces."""

    def __init__(self, clock: FakeClock, names: dict[str, str]) -> None:
        self.names = names
        self.sources: list[str] = []
        self._clock = clock

    def resolve(
        self, host: str, done: Callable[[Sequence[str]], None], source: str = ""
    ) -> Cancellable:
        self.sources.append(source)
        return self._clock.call_later(0.01, done, self.names.get(host, "").split())


def on_terms(trunk: str, number: str) -> Terms:
    """Return terms that are the same for every call."""
    return Terms(Policy(), 4.0)


class FakePeers:
    """Trunks by address, and upstreams; those in ``names`` are the addresses of a name now."""

    def __init__(self, trunks: dict[str, str], upstreams: set[str]) -> None:
        self.trunks = trunks
        self.upstreams = upstreams
        self.names: set[str] = set()

    def is_configured(self, host: str) -> bool:
        return host in self.trunks or host in self.upstreams

    def is_peer(self, host: str) -> bool:
        return self.is_configured(host) or host in self.names

    def is_upstream(self, host: str) -> bool:
        return host in self.upstreams or host in self.names

    def trunk_name(self, host: str) -> str:
        return self.trunks.get(host, "")


class FakeAdmission:
    """Admits everybody but ``strangers``, to every number but 404; ``anonymous`` are hosts.

    Each dialled user is mapped to ``number``, or to itself if that is empty.
    """

    def __init__(self) -> None:
        self.strangers = {"203.0.113.66"}
        self.anonymous: set[str] = set()
        self.agent_id = "agent"
        self.number = ""
        self.pass_503 = False
        self.nat: bool | None = None
        self.policy = Policy()
        self.outage = ""
        self.resemblance = ""
        self.one_trunk: set[str] = set()

    def strip_identity(self, request: Request, source: Flow, *, anonymous: bool = False) -> Request:
        anonymous = anonymous or source.host in self.anonymous
        return request.without(b"p-asserted-identity") if anonymous else request

    def resembles_trunk(self, invite: Request, source: Flow) -> str:
        return self.resemblance

    def share_trunk(self, one: str, other: str) -> bool:
        return {one, other} <= self.one_trunk

    def out_of_service(self, source: Flow) -> str:
        return "" if source.host in self.strangers else self.outage

    def refuse_unread(self, source: Flow) -> Refusal:
        if source.host in self.strangers:
            return Refusal(403, "Forbidden", RefusalCause.UNKNOWN_SOURCE, "no trunk")
        status = self.policy.refusal
        return Refusal(status, REASONS[status].decode(), RefusalCause.OVERLOAD, "", None, "trunk")

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        if source.host in self.strangers:
            return Refusal(403, "Forbidden", RefusalCause.UNKNOWN_SOURCE, "no trunk")
        user = (invite.uri.user or b"").decode(errors="backslashreplace")
        caller = (invite.from_.uri.user or b"").decode(errors="backslashreplace")
        if user == "404":
            return Refusal(404, "Not Found", RefusalCause.UNMAPPED_NUMBER, "no agent")
        call_id = invite.call_id_text
        called = self.number or user, self.agent_id
        call = Call(call_id, "trunk", caller, *called, 4.0, self.pass_503, self.policy)
        return call._replace(anonymous=source.host in self.anonymous, nat=self.nat)
