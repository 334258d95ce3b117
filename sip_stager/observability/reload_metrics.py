"""The counter of settings that were read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import SettingsReloaded
from sip_stager.model.vocabulary import ReloadOutcome
from sip_stager.observability.instruments import EventCounter

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from sip_stager.ports import Handlers


class ReloadMetrics:
    """Counts reloads by their outcome."""

    def __init__(self, registry: CollectorRegistry) -> None:
        reloads = EventCounter(
            registry, "settings_reloads", "Reloads of the settings while it runs.", "outcome"
        )
        for outcome in ReloadOutcome:
            reloads.initialize(outcome)
        self.handlers: Handlers = {SettingsReloaded: lambda event: reloads.increment(event.outcome)}
