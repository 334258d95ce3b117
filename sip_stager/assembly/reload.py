"""The settings in force, and their replacement while calls are up.

::

    read and validate ---- wrong ---------------------------> the former ones stay in force
         |   in a thread                                          ^
         v                                                        |
    make what O(numbers) takes, in the thread                     |
         |                                                        |
         v                                                        |
    open the listeners that are new -- one cannot be opened ------+
         |
         v
    apply: between two messages, without waiting for anything
         |
         v
    free the former rows, in the thread

A thread and the event loop take turns at the interpreter.  At Python's default of 5 ms a turn, each
wake-up of the loop would wait for 5 ms; so the turns are short while the thread works.

``apply`` is the one place where objects get other settings.  A call that has begun holds the
objects that were made from the former ones (``core.py``), and with them its settings.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.assembly.core import Core, CorePolicies
from sip_stager.assembly.key_file_watch import KeyFileWatch
from sip_stager.assembly.known_outcomes import known_outcomes
from sip_stager.assembly.known_peers import KnownPeers
from sip_stager.assembly.listener_slots import ListenerSlots
from sip_stager.assembly.outage import Outage, find_refusing
from sip_stager.assembly.staging import make_breaker_rules
from sip_stager.assembly.trunks import make_admission, make_call_limits, make_mapping
from sip_stager.config import Settings, SettingsError
from sip_stager.config.mentioned_agents import locate_agents
from sip_stager.config.restart import find_restart_keys, keep_until_restart
from sip_stager.events import SettingsReloaded
from sip_stager.model.vocabulary import ReloadOutcome
from sip_stager.observability.call_limits import EventCallLimits
from sip_stager.observability.call_metrics import KnownOutcomes
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.metrics import Metrics
from sip_stager.platform.agent_watch import AgentChange, AgentWatch
from sip_stager.ports import Clock, MessageObserver
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.stager import ApiStager
from sip_stager.transport.listeners import Sockets
from sip_stager.transport.resolver import NameCache
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.trunks.mapping import NumberMapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sip_stager.assembly.listener_slots import Slots
    from sip_stager.ports import Handlers

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0002
"""Seconds of a turn of the thread: shorter ones cost more in switches than they save."""


_FREED_AT_ONCE = 100  # rows


class Parts(NamedTuple):
    """The parts of the program that get other settings."""

    clock: Clock
    dispatcher: Dispatcher
    names: NameCache
    sockets: Sockets
    listeners: ListenerSlots
    core: Core
    staging: ApiStager
    agents: AgentWatch
    key_file: KeyFileWatch
    call_limits: EventCallLimits
    outage: Outage
    metrics: Metrics
    observe_messages: Callable[[Settings], MessageObserver]


class _Prepared(NamedTuple):
    """Objects made from settings ahead of their use; the cost grows with the numbers."""

    settings: Settings
    mapping: NumberMapping
    admission: TrunkAdmission
    peers: KnownPeers
    call_limits: EventCallLimits
    outcomes: KnownOutcomes
    agents: AgentChange
    restart: tuple[str, ...]
    breaker: BreakerRules
    refusing: dict[str, bool]


class LiveSettings:
    """The settings in force, with the mapping that was made from them."""

    def __init__(self, settings: Settings, mapping: NumberMapping, fallback: str = "") -> None:
        self.settings = settings
        self.mapping = mapping
        self.fallback = fallback
        """Why the program started with the last good settings; empty if these are the file's."""
        self.problem = ""
        """Why the last reload failed; empty if it did not."""
        self._parts: Parts | None = None
        self._busy = asyncio.Lock()

    @property
    def notices(self) -> tuple[str, ...]:
        """Why the settings in force are not those of the file; empty if they are."""
        return tuple(filter(None, (self.fallback, self.problem)))

    def attach(self, parts: Parts) -> None:
        """Set the parts that get other settings."""
        self._parts = parts

    async def reload(
        self, read: Callable[[], Settings], adopt_log: Callable[[Settings], Handlers]
    ) -> bool:
        """Read the settings again and use them; return False if the former ones stay in force.

        ``read`` is called in a thread.  ``adopt_log`` is called with the new settings, and returns
        the handlers that the log needs for them.
        """
        async with self._busy:
            began = perf_counter()
            try:
                prepared = await self._prepare(read)
                if not isinstance(prepared, _Prepared):
                    self._report(ReloadOutcome.INVALID, began, prepared)
                    return False
                unused = _holders(prepared.settings, prepared.mapping)
                slots = await self._listeners.open(prepared.settings.listeners)
            except OSError as error:
                words = (error.strerror or str(error)).splitlines()
                self._report(ReloadOutcome.NOT_LISTENING, began, words)
                prepared = ()
                await _free(unused)
            except Exception:  # our own error must cost neither the settings in force nor a call
                log.exception("settings_not_reloaded")
                self._report(ReloadOutcome.INTERNAL_ERROR, began, ["the log has the traceback"])
            else:
                former = _holders(self.settings, self.mapping)
                former.append(self._apply(prepared, slots, adopt_log))
                self._report(ReloadOutcome.APPLIED, began, restart=prepared.restart)
                unused.clear()  # they are in use: this frees nothing
                await _free(former)
                return True
            return False

    @property
    def _listeners(self) -> ListenerSlots:
        assert self._parts is not None  # noqa: S101  attached by the composition root
        return self._parts.listeners

    async def _prepare(self, read: Callable[[], Settings]) -> _Prepared | tuple[str, ...]:
        assert self._parts is not None  # noqa: S101  attached by the composition root
        with _short_turns():
            return await asyncio.to_thread(_prepare, read, self.settings, self._parts)

    def _apply(
        self, prepared: _Prepared, slots: Slots, adopt_log: Callable[[Settings], Handlers]
    ) -> object:
        """Put settings in force; nothing here waits, so no message comes in between.

        Return what takes long to free.
        """
        parts, settings = self._parts, prepared.settings
        assert parts is not None  # noqa: S101  attached by the composition root
        prepared.mapping.platform = self.mapping.platform
        self.settings, self.mapping, self.fallback = settings, prepared.mapping, ""
        parts.names.families = {int(each.family) for each in settings.listeners}
        parts.sockets.adopt(settings.limits, prepared.peers)
        parts.listeners.use(slots, settings.limits.drain_timeout)
        parts.core.apply(settings, CorePolicies(prepared.admission, prepared.peers, *slots))
        parts.dispatcher.add(parts.call_limits.adopt(prepared.call_limits))
        parts.staging.adopt(prepared.breaker)
        former = parts.agents.change(prepared.agents)
        parts.key_file.watch(settings.api.key_file, settings.api.key)
        parts.outage.adopt(settings, prepared.refusing)
        parts.metrics.initialize([each.name for each in settings.trunks], prepared.outcomes)
        parts.dispatcher.add(adopt_log(settings))
        parts.core.observe_messages(parts.observe_messages(settings))
        return former

    def _report(
        self,
        outcome: ReloadOutcome,
        began: float,
        problems: Iterable[str] = (),
        restart: tuple[str, ...] = (),
    ) -> None:
        assert self._parts is not None  # noqa: S101  attached by the composition root
        settings, words = self.settings, tuple(problems)
        self.problem = f"settings: the last reload failed ({outcome}): {words[0]}" if words else ""
        self._parts.dispatcher.dispatch(
            SettingsReloaded(
                outcome,
                perf_counter() - began,
                len(settings.trunks),
                len(settings.rows),
                words,
                restart,
                tuple(each.one_line for each in settings.warnings) if not words else (),
            )
        )


def _prepare(
    read: Callable[[], Settings], running: Settings, parts: Parts
) -> _Prepared | tuple[str, ...]:
    """Read the settings and make objects from them, or return the mistakes; in a thread."""
    try:
        wanted = read()
    except SettingsError as error:
        # Not raised: a future and the traceback would keep each other, and all rows, alive.
        return tuple(mistake.one_line for mistake in error.mistakes)
    settings = keep_until_restart(running, wanted)
    mapping = make_mapping(settings)
    return _Prepared(
        settings,
        mapping,
        make_admission(settings, mapping, parts.outage.of_trunk, parts.call_limits),
        KnownPeers(settings, parts.names.addresses),
        make_call_limits(settings, parts.clock),
        known_outcomes(settings),
        parts.agents.plan(locate_agents(settings)),
        find_restart_keys(running, wanted),
        make_breaker_rules(settings),
        find_refusing(settings),
    )


def _holders(settings: Settings, mapping: NumberMapping) -> list[object]:
    """Return all objects that have many numbers, in a list that keeps them alive."""
    return [*settings.rows, mapping, settings]


async def _free(holders: list[object]) -> None:
    """Free objects that a list is the last to hold, in a thread and in small parts.

    All at once they would hold the interpreter, and with it the loop, for a tenth of a second.
    """

    def free() -> None:
        for _ in range(3):  # the settings, the mapping and the agents, each by itself
            del holders[-1:]
        while holders:
            del holders[-_FREED_AT_ONCE:]

    with _short_turns():
        await asyncio.to_thread(free)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Shorten the turns of threads at the interpreter."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
