"""Events counted and timed, for Prometheus.

No label holds a word that a stranger chose: methods and codes that are not registered are folded
together; causes, outcomes and phases are words of our own, and trunks are the operator's.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from sip_stager import __version__
from sip_stager.observability.call_metrics import CallMetrics, KnownOutcomes
from sip_stager.observability.gauges import GaugeCollector, GaugeSources
from sip_stager.observability.instruments import make_histogram
from sip_stager.observability.message_metrics import MessageMetrics
from sip_stager.observability.reload_metrics import ReloadMetrics
from sip_stager.observability.staging_metrics import StagingMetrics
from sip_stager.sip import parser

if TYPE_CHECKING:
    from collections.abc import Collection

    from sip_stager.ports import Handlers

LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
"""Seconds.  Timers are exact to 1 ms; from 5 ms on the slowest percent of calls is affected; 50 ms
is the limit that not even a dead API may break."""


class Metrics:
    """The metrics of the program.

    ``handlers`` count events, ``messages`` SIP messages, and ``loop_lag`` times the event loop.
    The series of ``trunks``, given by name, and of ``known`` outcomes exist from the start.
    """

    def __init__(
        self,
        sources: GaugeSources,
        trunks: Collection[str] = (),
        known: KnownOutcomes = KnownOutcomes(),  # noqa: B008  a tuple
    ) -> None:
        # Without this each histogram has another series, with the time at which it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types for it
        self.registry = CollectorRegistry()
        self.messages = MessageMetrics(self.registry)
        self._calls = CallMetrics(self.registry, trunks, known)
        self._stagings = StagingMetrics(self.registry, trunks)
        self.handlers: Handlers = {
            **self.messages.handlers,
            **self._calls.handlers,
            **self._stagings.handlers,
            **ReloadMetrics(self.registry).handlers,
        }
        self.loop_lag = make_histogram(
            self.registry,
            "event_loop_lag",
            "Delay of timers in the event loop, in seconds.",
            LAG_BUCKETS,
        )
        GaugeCollector(self.registry, sources)
        self._describe_process()

    def initialize(self, trunks: Collection[str], known: KnownOutcomes) -> None:
        """Create the series of further trunks and outcomes; no series goes away."""
        self._calls.initialize(trunks, known)
        for trunk in trunks:
            self._stagings.initialize_trunk(trunk)

    def _describe_process(self) -> None:
        python = f"{platform.python_implementation()} {platform.python_version()}"
        core = "python" if parser.__file__.endswith(".py") else "compiled"
        build = Info(
            "sip_stager_build",
            "Versions of the program and of Python, and the form of the core.",
            registry=self.registry,
        )
        build.info({"version": __version__, "python": python, "core": core})
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
