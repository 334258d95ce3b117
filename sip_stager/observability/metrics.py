"""Events counted and timed, for Prometheus.

No label holds what a stranger chose: methods and codes that are not registered are folded
together; causes, outcomes and phases are words of our own, and trunks are the operator's.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from sip_stager import __version__
from sip_stager.observability.call_metrics import CallMetrics
from sip_stager.observability.instruments import Gauges, Readings, seconds
from sip_stager.observability.message_metrics import MessageMetrics
from sip_stager.observability.staging_metrics import StagingMetrics

if TYPE_CHECKING:
    from collections.abc import Collection

    from sip_stager.ports import Handlers

LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
"""Seconds.  Timers are exact to 1 ms; from 5 ms on callers notice nothing yet but the slowest
percent; 50 ms is the limit that not even a dead API may break."""


class Metrics:
    """Counts events; ``registry`` holds what it counted, ``loop_lag`` takes the loop's lag.

    ``trunks`` are the names whose series are there from the start.
    """

    def __init__(self, readings: Readings, trunks: Collection[str] = ()) -> None:
        # Without this each histogram brings a series that tells when it was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library annotates it not
        self.registry = CollectorRegistry()
        self.handlers: Handlers = {
            **MessageMetrics(self.registry).handlers,
            **CallMetrics(self.registry, trunks).handlers,
            **StagingMetrics(self.registry, trunks).handlers,
        }
        self.loop_lag = seconds(
            self.registry, "event_loop_lag", "How late timers were called.", LAG_BUCKETS
        )
        Gauges(self.registry, readings)
        self._describe_process()

    def _describe_process(self) -> None:
        python = f"{platform.python_implementation()} {platform.python_version()}"
        build = Info("sip_stager_build", "What is running.", registry=self.registry)
        build.info({"version": __version__, "python": python})
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
