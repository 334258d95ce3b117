"""The whole program, from start to stop; with ``assembly`` the composition root.

    what arrives -> sockets -> layer -> proxy -> claims -> stager -> API
    what happens -> dispatcher -> observers (the log), aftercare, metrics -> HTTP server

``start`` opens the slow and harmless parts first, then the SIP listeners: a call finds everything
warm.  ``stop`` goes the other way: no new calls, then an end for those without an answer, then
staging, and the sockets last, since every response needs them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from sip_stager.assembly.call_pages import make_call_pages
from sip_stager.assembly.core import make_core
from sip_stager.assembly.idle_collector import IdleCollector
from sip_stager.assembly.key_file_watch import KeyFileWatch
from sip_stager.assembly.known_outcomes import known_outcomes
from sip_stager.assembly.known_peers import KnownPeers
from sip_stager.assembly.listener_slots import ListenerSlots
from sip_stager.assembly.outage import Outage
from sip_stager.assembly.reload import LiveSettings, Parts
from sip_stager.assembly.staging import (
    make_aftercare,
    make_agent_watch,
    make_api,
    make_claims,
    make_number_watch,
    make_stager,
)
from sip_stager.assembly.takeover import Takeover
from sip_stager.assembly.trunks import make_call_limits, make_mapping
from sip_stager.config.tables.address_types import split_sip_uri
from sip_stager.config.terms_by_trunk import treatment_uris
from sip_stager.events import MessageSent
from sip_stager.model.vocabulary import OverloadState, TreatmentKind
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.gauges import GaugeSources, LogFigures
from sip_stager.observability.http import HttpServer
from sip_stager.observability.loop_lag import LoopLag
from sip_stager.observability.message_recorder import MessageRecorder
from sip_stager.observability.metrics import Metrics
from sip_stager.platform.background_timeout import answer_within
from sip_stager.platform.outcome import TimedOut
from sip_stager.proxy.hosts import ip_version
from sip_stager.transaction.reporter import MessageReporter
from sip_stager.transport.bind_errors import BindErrors
from sip_stager.transport.listeners import Sockets
from sip_stager.transport.resolver import NameCache
from sip_stager.transport.routes import KernelRoutes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sip_stager.config import Settings
    from sip_stager.observability.call_history import CallHistory
    from sip_stager.ports import Handlers, MessageObserver, Notify
    from sip_stager.trunks.platform_numbers import PlatformNumbers

_DRAIN_INTERVAL = 0.05  # seconds between looks at the calls that are left
_SETTLE_TIMEOUT = 2.0  # seconds for the ACK of a 2xx and the response to a CANCEL


class Application:
    """The whole program on the running loop.

    ``observers`` handle events ahead of the aftercare and the metrics, and ``log_figures`` are
    read at each scrape.  ``fallback`` says why these are the last good settings, and not those of
    the file; it is empty if they are.  ``history`` has the calls of ``/api/v1/calls``.
    read at each scrape.  At the path ``takeover`` it takes over from another process, and hands
    over to the next one.
    """

    def __init__(
        self,
        settings: Settings,
        observers: Sequence[Handlers] = (),
        log_figures: LogFigures = LogFigures(),  # noqa: B008  a tuple
        fallback: str = "",
        takeover: Path | None = None,
        history: CallHistory | None = None,
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._live = LiveSettings(settings, make_mapping(settings), fallback)
        self._dispatcher = Dispatcher(observers)
        self._notify: Notify = self._dispatcher.dispatch
        hears_messages = self._dispatcher.hears(MessageSent)
        self._always_reports = hears_messages and settings.log.level != "debug"
        self._history = history
        families = {int(listener.family) for listener in settings.listeners}
        self._names = NameCache(loop, families)
        peers = KnownPeers(settings, self._names.addresses)
        self._sockets = Sockets(loop, self._notify, settings.limits, peers)
        self._agents = make_agent_watch(settings, self._notify, self._names)
        self._api = make_api(settings, self._agents.declared, self._names)
        self._staging = make_stager(settings, self._api, self._notify, self._agents)
        self._aftercare = make_aftercare(settings, self._api.rate_limit, self._notify, self._names)
        self._dispatcher.add(self._aftercare.handlers)
        self._outage = Outage(settings, self._staging, self._names)
        self._claims = make_claims(settings, self._staging, loop, self._notify)
        self._listeners = ListenerSlots(self._sockets, loop, settings.listeners)
        self._numbers = make_number_watch(settings, self._notify, self._map, self._names)
        self._key_file = KeyFileWatch(
            settings.api.key_file,
            settings.api.key,
            [
                each.replace_key
                for each in (self._api, self._agents, self._numbers, self._aftercare)
            ],
        )
        self._call_limits = make_call_limits(settings, loop)
        self._dispatcher.add(self._call_limits.handlers)
        self._lag = LoopLag(loop)
        trunks = [trunk.name for trunk in settings.trunks]
        self._metrics = Metrics(self._gauge_sources(log_figures), trunks, known_outcomes(settings))
        self._dispatcher.add(self._metrics.handlers)
        self._core = make_core(
            settings,
            loop,
            self._sockets,
            self._names,
            self._claims,
            self._notify,
            self._message_observer(settings),
            self._live.mapping,
            self._outage.of_trunk,
            peers,
            self._call_limits,
            KernelRoutes(loop.time),
        )
        self._dispatcher.add(self._core.keepalives.handlers)
        self._sockets.attach(
            self._core.layer.receive_message,
            self._core.layer.flow_lost,
            self._core.shedder,
            self._core.layer.needed_connections,
            self._core.addresses,
        )
        self._live.attach(self._parts())
        self._collector = IdleCollector(loop, lambda: not any(self.transactions.values()))
        http = settings.http
        pages = make_call_pages(settings, history)
        self._http = HttpServer(http.address, http.port, self._metrics.registry, self.ready, pages)
        self.takeover = Takeover(
            loop,
            takeover,
            self._sockets,
            self._http,
            self._core.layer,
            self._core.addresses,
            stay=64 * settings.sip.t1,
        )
        self._not_ready: Sequence[str] = ("starting",)

    async def start(self) -> Sequence[str]:
        """Open everything; raises ``OSError`` with a line for each address that cannot be bound.

        Return warnings for the operator.  An API or an upstream that does not answer is one of
        them, not an error: it may answer later, and calls can be taken meanwhile.
        """
        bind_errors = BindErrors()
        # A predecessor serves calls until all that takes time is done.
        warm = await self._warm() if self.takeover.connect() else None
        await self.takeover.take_sockets(self._settings)
        with bind_errors.gather("[http]", self._settings.http):
            await self._http.start()
        warnings = warm or ([] if bind_errors or warm is not None else await self._warm())
        await self._listeners.open_first(bind_errors)
        bind_errors.raise_all()
        self.takeover.begin()
        self._lag.start(self._observe_lag)
        self._collector.start()
        self._agents.start()
        self._outage.start()
        self._key_file.start()
        self._not_ready = ()
        return warnings

    async def stop(self, at_once: asyncio.Event | None = None) -> None:
        """Close everything, in the order that costs the fewest calls.

        New calls are refused.  Those that are being staged or ring have ``drain_timeout`` to be
        answered, or until ``at_once`` is set.
        """
        self._not_ready = ("stopping",)
        self._core.shutdown.refuse_new_calls()
        self._lag.stop()
        self._collector.stop()
        await self._outage.stop()
        await self._key_file.stop()
        await self._numbers.stop()
        await self._agents.stop()
        await self._drain(at_once or asyncio.Event())
        self._claims.stop()
        await self._staging.stop()
        await self._aftercare.stop()
        await self._api.aclose()
        self._names.close()
        await self._http.stop()
        await self._sockets.close()
        await self.takeover.close()

    async def reload(
        self,
        read: Callable[[], Settings],
        adopt_log: Callable[[Settings], Handlers] = lambda _: {},
    ) -> Settings | None:
        """Use other settings while calls are up (``LiveSettings.reload``); return those in force.

        Return None if they could not be used.
        """
        applied = await self._live.reload(read, adopt_log)
        return self._live.settings if applied else None

    def ready(self) -> tuple[bool, Sequence[str]]:
        """Return whether calls are taken, and the reasons why not, or what else matters."""
        reasons = self._not_ready
        if self._settings.http.unready_in_overload and self._is_shedding:
            reasons = (*reasons, "overload: new calls are refused")
        if self._settings.http.unready_in_outage and (why := self._outage.of_all_trunks()):
            reasons = (*reasons, why)
        return not reasons, reasons or self._live.notices

    @property
    def pending(self) -> int:
        """The number of INVITEs without a final response."""
        return self._core.shutdown.pending

    @property
    def transactions(self) -> Mapping[str, int]:
        """The number of transactions that are alive, by kind."""
        layer = self._core.layer
        return {
            "invite_server": len(layer.invite_servers),
            "server": len(layer.servers),
            "invite_client": len(layer.invite_clients),
            "client": len(layer.clients),
        }

    @property
    def _settings(self) -> Settings:
        return self._live.settings

    @property
    def _is_shedding(self) -> bool:
        return self._core.shedder.control.state is OverloadState.SHEDDING

    def _observe_lag(self, lag: float) -> None:
        self._metrics.loop_lag.observe(lag)
        self._core.shedder.end_interval(lag)

    def _message_observer(self, settings: Settings) -> MessageObserver:
        """Return the counter of messages, with events where an observer asks for them."""
        counter: MessageObserver = self._metrics.messages
        if self._history is not None:
            counter = MessageRecorder(self._history, counter)
        # The log asks for them at level debug alone, and keeps its handlers after that.
        if self._always_reports or settings.log.level == "debug":
            return MessageReporter(self._notify, counter)
        return counter

    async def _drain(self, at_once: asyncio.Event) -> None:
        """Wait for the calls without an answer; end the rest, and wait for their last messages."""
        ending, drain = self._core.shutdown, self._settings.limits.drain_timeout
        await self._wait_while(lambda: ending.pending > 0, drain, at_once)
        ending.end_calls()
        await self._wait_while(lambda: ending.settling, min(drain, _SETTLE_TIMEOUT), at_once)

    async def _wait_while(
        self, condition: Callable[[], bool], seconds: float, at_once: asyncio.Event
    ) -> None:
        until = self._loop.time() + seconds
        while condition() and self._loop.time() < until and not at_once.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(at_once.wait(), _DRAIN_INTERVAL)

    def _map(self, table: PlatformNumbers) -> None:
        self._live.mapping.platform = table.rows
        self._agents.watch(table.agents)

    def _parts(self) -> Parts:
        return Parts(
            clock=self._loop,
            dispatcher=self._dispatcher,
            names=self._names,
            sockets=self._sockets,
            listeners=self._listeners,
            core=self._core,
            staging=self._staging,
            agents=self._agents,
            key_file=self._key_file,
            call_limits=self._call_limits,
            outage=self._outage,
            metrics=self._metrics,
            observe_messages=self._message_observer,
        )

    def _gauge_sources(self, log: LogFigures) -> GaugeSources:
        return GaugeSources(
            calls_staging=lambda: self._staging.waiting,
            calls_up=lambda: self._call_limits.calls_up,
            stagings_reserved=lambda: self._claims.reserved,
            polls_delayed=lambda: self._staging.polls_delayed,
            transactions=lambda: self.transactions,
            message_bytes=lambda: self._core.layer.message_bytes,
            tcp_connections=lambda: self._sockets.connections,
            api_requests=lambda: self._api.http.requests,
            breaker_state=lambda: self._staging.breaker_state,
            agent_breakers=lambda: self._staging.agent_breakers,
            rate_limit_remaining=lambda: self._api.rate_limit.remaining,
            rate_limit_holds=lambda: self._api.rate_limit.holds(perf_counter()),
            agents=lambda: self._agents.states,
            numbers=lambda: {
                "settings": len(self._settings.rows),
                "platform": len(self._live.mapping.platform),
            },
            platform_numbers=lambda: self._numbers.counts,
            numbers_refreshed_at=lambda: self._numbers.refreshed_at,
            limits=lambda: self._settings.limits.model_dump(
                include={
                    *("transactions", "message_bytes", "calls_staging", "call_records"),
                    "connections",
                }
            ),
            settings_fallback=lambda: int(bool(self._live.fallback)),
            log_lines_dropped=log.lines_dropped,
            log_write_errors=log.write_errors,
            call_records=log.call_records,
            call_records_dropped=log.call_records_dropped,
            history=log.history,
            history_dropped=log.history_dropped,
            worst_lag=self._lag.worst,
            overload_state=lambda: self._core.shedder.control.state,
            worst_receive_delay=lambda: self._core.shedder.control.worst_delay,
        )

    async def _warm(self) -> list[str]:
        """Connect to the API, fetch the numbers, look up the upstream; return warnings."""
        warnings = [*await self._warm_api(), *await self._fetch_numbers()]
        for uri in self._settings.upstream.uris:
            warnings += await self._warm_upstream(split_sip_uri(uri)[0])
        redirects = treatment_uris(self._settings, TreatmentKind.REDIRECT)
        hosts = {uri.target for _, uri in redirects if not ip_version(uri.target)}
        await asyncio.gather(*map(self._names.warm, hosts))
        return warnings

    async def _warm_api(self) -> list[str]:
        api = self._settings.api
        answer = await answer_within(api.deadline, self._api.warm(api.warm_connections))
        wrong = (answer.text,) if isinstance(answer, TimedOut) else answer
        return [f"the API at {api.base_url}: {words}" for words in wrong]

    async def _fetch_numbers(self) -> list[str]:
        failure = await self._numbers.start(self._settings.api.deadline)
        if not failure:
            return []
        until_then = "until then only the numbers of the settings are mapped"
        return [f"the platform's numbers could not be fetched: {failure}; {until_then}"]

    async def _warm_upstream(self, host: str) -> list[str]:
        if ip_version(host) or await self._names.warm(host):
            return []
        return [f"[upstream]: the name {host} has no address that a listener could reach"]
