"""The composition root: the one place where the core and every room of the shell meet."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from typing import TYPE_CHECKING

from sip_stager.console.server import ConsoleServer
from sip_stager.observability.lag import LoopLag
from sip_stager.observability.meters import Readings
from sip_stager.observability.metrics import Metrics
from sip_stager.proxy.core import Proxy, Upstream
from sip_stager.proxy.facilities import Facilities
from sip_stager.proxy.interfaces import Interface, Interfaces, ip_version
from sip_stager.proxy.location import Locator
from sip_stager.sip.identifiers import Identifiers
from sip_stager.sip.uri import parse_uri
from sip_stager.staging.rounded import RoundedApi
from sip_stager.staging.stager import Staging
from sip_stager.transaction.base import Surroundings
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.timers import LaneClock, Timers
from sip_stager.transport.edge import Edge
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.upstream.resolver import CachingResolver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sip_stager.config import Settings
    from sip_stager.events import Event
    from sip_stager.ports import Notify


IDLE_LOOK = 60.0
"""Seconds between two looks whether the program is idle enough to collect garbage."""


class Application:
    """The whole program on the running loop, from ``start`` to ``stop``.

    ``observers`` are told of every event beside the metrics; ``log_lines_dropped`` is read at
    each scrape.
    """

    def __init__(
        self,
        settings: Settings,
        observers: Sequence[Notify] = (),
        log_lines_dropped: Callable[[], int] = int,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._loop = loop
        self._collector: asyncio.TimerHandle | None = None
        self._observers = list(observers)
        self._lag = LoopLag(loop)
        self._edge = Edge(loop, self._notify)
        families = {int(listener.family) for listener in settings.listeners}
        self._resolver = CachingResolver(loop, families)
        self._api = _api(settings)
        self._staging = _staging(settings, self._api, self._notify)
        timers = Timers(settings.sip.t1, settings.sip.t2, settings.sip.t4, settings.sip.timer_c)
        clock = LaneClock(loop)
        self._layer = TransactionLayer(Surroundings(clock, self._edge, self._notify, timers))
        self._edge.attach(self._layer.receive)
        interfaces = _interfaces(settings)
        facilities = Facilities(
            clock,
            self._layer,
            interfaces,
            Locator(interfaces, self._resolver),
            Identifiers(os.urandom(32)),
            timers,
            self._notify,
            time.perf_counter,
        )
        Proxy(facilities, _admission(settings), self._staging, _upstream(settings))
        self._metrics = Metrics(
            self._readings(log_lines_dropped), [trunk.name for trunk in settings.trunks]
        )
        self._observers.append(self._metrics)
        self._console = ConsoleServer(
            settings.http.address, settings.http.port, self._metrics.registry, self.ready
        )
        self._not_ready: Sequence[str] = ("starting",)

    async def start(self) -> Sequence[str]:
        """Open everything; raises ``OSError`` that names the address that can not be had.

        Gives what an operator should know although calls can be taken, in words: an API or an
        upstream that does not answer yet may do so later.
        """
        await self._console.start()
        concerns = [*await self._warm_api(), *await self._warm_upstream()]
        for index, listener in enumerate(self._settings.listeners):
            address = (listener.address, listener.port)
            try:
                await self._edge.listen(listener.transport.upper(), address, index)
            except OSError as error:
                where = f"{listener.transport} {listener.address} port {listener.port}"
                why = os.strerror(error.errno) if error.errno else str(error)
                raise OSError(
                    error.errno,
                    f"listeners[{index}]: can not listen on {where}: {why}; end what uses it,"
                    " another sip-stager perhaps, or set another address or port",
                ) from error
        self._lag.start(self._metrics.loop_lag.observe)
        self._not_ready = ()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._collect_when_idle()
        return concerns

    async def stop(self) -> None:
        """Close everything; calls that are being staged are refused first."""
        self._not_ready = ("stopping",)
        self._lag.stop()
        if self._collector is not None:
            self._collector.cancel()
            gc.unfreeze()
            gc.enable()
        await self._staging.stop()
        await self._api.aclose()
        await self._console.stop()
        await self._edge.close()

    def ready(self) -> tuple[bool, Sequence[str]]:
        """Tell whether calls are taken, and if not, why."""
        return not self._not_ready, self._not_ready

    @property
    def transactions(self) -> Mapping[str, int]:
        """How many transactions are alive, by kind."""
        layer = self._layer
        return {
            "invite_server": len(layer.invite_servers),
            "server": len(layer.servers),
            "invite_client": len(layer.invite_clients),
            "client": len(layer.clients),
        }

    @property
    def metrics_port(self) -> int:
        """Where metrics are served, also where port 0 asked for any."""
        return self._console.port

    def _notify(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)

    def _readings(self, log_lines_dropped: Callable[[], int]) -> Readings:
        return Readings(
            calls_staging=lambda: self._staging.waiting,
            transactions=lambda: self.transactions,
            tcp_connections=lambda: self._edge.connections,
            log_lines_dropped=log_lines_dropped,
            worst_lag=self._lag.worst,
        )

    def _collect_when_idle(self) -> None:
        """Look for garbage cycles while no call is up, and at no other time.

        A call leaves none behind.  To look for them at 1,000 calls per second would stop the loop
        for up to 25 ms each time, and a full collection for 160 ms.
        """
        if not any(self.transactions.values()):
            gc.collect()
        self._collector = self._loop.call_later(IDLE_LOOK, self._collect_when_idle)

    async def _warm_api(self) -> list[str]:
        api = self._settings.api
        try:
            async with asyncio.timeout(api.deadline):
                wrong = await self._api.warm(api.warm_connections)
        except TimeoutError:
            wrong = (f"no answer within {api.deadline:g} s",)
        return [f"the API at {api.base_url}: {words}" for words in wrong]

    async def _warm_upstream(self) -> list[str]:
        host = self._settings.upstream.host
        if ip_version(host) or await self._resolver.warm(host):
            return []
        return [f"upstream.uri: the name {host} has no address that a listener could reach"]


def _api(settings: Settings) -> RoundedApi:
    api = settings.api
    return RoundedApi(api.base_url, api.key, connections=api.connections, body_most=api.body_most)


def _staging(settings: Settings, api: RoundedApi, notify: Notify) -> Staging:
    wanted = settings.api
    return Staging(
        api, notify, mode=wanted.mode, poll_first=wanted.poll_first, poll_most=wanted.poll_most
    )


def _admission(settings: Settings) -> TrunkAdmission:
    api = settings.api
    return TrunkAdmission(settings.trunks, settings.agents, api.deadline, api.anonymous_number)


def _interfaces(settings: Settings) -> Interfaces:
    return Interfaces(
        tuple(
            Interface(
                listener.transport.upper(),
                listener.address,
                listener.advertise or listener.address,
                listener.advertised_port,
            )
            for listener in settings.listeners
        )
    )


def _upstream(settings: Settings) -> Upstream:
    uri = parse_uri(settings.upstream.uri.encode("utf-8"))
    return Upstream(uri, settings.upstream.request_uri == "rewrite")
