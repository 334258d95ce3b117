"""The log lines about settings that were read again while the program runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import SettingsReloaded
from sip_stager.model.vocabulary import ReloadOutcome

if TYPE_CHECKING:
    from sip_stager.observability.logs import Logger
    from sip_stager.ports import Handlers

_IN_FORCE = "the former settings stay in force"
_RESTART = "these keys need a restart, and keep their former values until then"


class ReloadLog:
    """Writes the lines; ``handlers`` are its observer."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self.handlers: Handlers = {SettingsReloaded: self._log_reloaded}

    def _log_reloaded(self, event: SettingsReloaded) -> None:
        if event.outcome is not ReloadOutcome.APPLIED:
            self._logger.error(
                "settings_rejected", outcome=event.outcome, problems=event.problems, text=_IN_FORCE
            )
            return
        for warning in event.warnings:
            self._logger.warning("settings_warning", text=warning)
        if event.restart:
            self._logger.warning("restart_needed", keys=event.restart, text=_RESTART)
        self._logger.info(
            "settings_reloaded",
            trunks=event.trunks,
            numbers=event.numbers,
            elapsed_seconds=round(event.seconds, 3),
        )
