"""A dry run of one call: the core that serves real calls, with no network behind it."""

from __future__ import annotations

from ipaddress import ip_address
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sip_stager.assembly.core import make_core
from sip_stager.events import CallAdmitted, CallRefused, MessageDropped, MessageSent
from sip_stager.model.call import Call, Forward
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.message import Request, Response
from sip_stager.transaction.reporter import MessageReporter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.config import Settings
    from sip_stager.events import Event
    from sip_stager.model.call import Decision
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Cancellable
    from sip_stager.trunks.mapping import NumberMapping

_RESERVED = {4: ip_address("0.0.0.1"), 6: ip_address("100::1")}
"""The first of the reserved addresses that stand for names (RFC 1122 3.2.1.3, RFC 6666)."""


class DryRun:
    """What the core does with an INVITE that takes all its staging time and is never answered.

    ``call`` is None if the call is not admitted; ``response`` is then the answer to the caller,
    None if there is none, and ``why`` the reason in words. ``decided`` is True if admission was
    asked.

    ``asked`` is the call as it is staged first, None if it is not staged; ``onward`` are the
    INVITEs that leave one after another, each with its flow, which has the host name instead of an
    address.
    """

    def __init__(
        self, settings: Settings, mapping: NumberMapping, invite: Request, source: Flow
    ) -> None:
        self.call: Call | None = None
        self.asked: Call | None = None
        self.response: Response | None = None
        self.onward: list[tuple[Request, Flow]] = []
        self.decided = False
        self.why = ""
        self._clock = _Clock()
        self._done: Callable[[Decision], None] | None = None
        self._names: dict[str, str] = {}
        self._ip_version = _ip_version(settings)
        core = make_core(
            settings,
            self._clock,
            self,
            self,
            self,
            self._notify,
            MessageReporter(self._notify),
            mapping,
        )
        core.layer.receive_message(bytes(invite), source)
        self._stage()

    def _stage(self) -> None:
        """Pass the time of the staging, report success, and continue."""
        if self.call is not None and self._done is not None:
            self._clock.advance(self.call.deadline)
            self._done(Forward("dry-run", self._clock.time()))
        self._clock.advance(0.0)

    def _notify(self, event: Event) -> None:
        match event:
            case CallAdmitted(call=call):
                self.call, self.decided = call, True
            case CallRefused(cause=RefusalCause.INVALID_REQUEST):
                pass  # the fields of the response say why
            case CallRefused(trunk=trunk, text=text):
                self.why, self.decided = text, bool(trunk)
            case MessageDropped(detail=detail):
                self.why = detail
            case MessageSent(message=Request(method=b"INVITE") as invite, flow=flow):
                host = self._names.get(flow.host, flow.host)
                self.onward.append((invite, flow._replace(host=host)))
            case MessageSent(message=Response() as response) if self.call is None:
                self.response = response

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:  # noqa: ARG002  (the protocol's signature)
        """Fail to send: the core then tries the next target, so that all of them show."""
        if failed is not None:
            self._clock.call_later(0.0, failed, "nothing is sent")

    def is_connected(self, host: str, port: int) -> bool:  # noqa: ARG002  (the protocol's signature)
        """Return that no connection is open."""
        return False

    def resolve(
        self,
        host: str,
        done: Callable[[Sequence[str]], None],
        source: str = "",  # noqa: ARG002  (the protocol's signature)
    ) -> Cancellable:
        """Resolve a name to a reserved address, which is shown as the name again."""
        address = str(_RESERVED[self._ip_version] + len(self._names))
        self._names[address] = host
        return self._clock.call_later(0.0, done, (address,))

    @property
    def waiting(self) -> int:
        """The number of other calls that are being staged: none."""
        return 0

    def waiting_of(self, trunk: str) -> int:  # noqa: ARG002  (the protocol's signature)
        """Return the number of a trunk's other calls that are being staged: none."""
        return 0

    def can_reuse(self, call: Call) -> bool:  # noqa: ARG002  (the protocol's signature)
        """Return False: no staged call is in reserve."""
        return False

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> Cancellable:
        """Record the call that would be staged, and stage nothing."""
        self.asked, self._done = call, done
        return _Timer(0.0, done, ())

    def return_unused(self, call: Call, forward: Forward) -> None:
        """Do nothing: no call was staged."""


def _ip_version(settings: Settings) -> int:
    """Return the IP version that is spoken to an upstream whose host is a name: 4 or 6."""
    transport = settings.upstream.transport
    fitting = [each for each in settings.listeners if each.transport == transport]
    return ip_address((fitting or settings.listeners)[0].address).version


class _Timer:
    def __init__(self, due: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.due = due
        self.callback: Callable[..., object] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None


class _Clock:
    """A clock that stands still until it is advanced (``ports.Clock``)."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[_Timer] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Timer:
        timer = _Timer(self._now + delay, callback, args)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while due := [timer for timer in self._timers if timer.due <= end]:
            timer = min(due, key=attrgetter("due"))
            self._timers.remove(timer)
            self._now = timer.due
            if timer.callback is not None:
                timer.callback(*timer.args)
        self._now = end
