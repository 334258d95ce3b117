"""The reloads of the settings: on SIGHUP, and if the settings say so, when their files change."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING

from sip_stager.assembly.core import make_seal
from sip_stager.assembly.settings_watch import changes
from sip_stager.cli.open_files import fit_open_files
from sip_stager.config import load
from sip_stager.config.loading import last_good

if TYPE_CHECKING:
    from pathlib import Path

    from sip_stager.app import Application
    from sip_stager.cli.service_manager import ServiceManager
    from sip_stager.config import Settings
    from sip_stager.observability.event_log import EventLog
    from sip_stager.ports import Handlers
    from sip_stager.proxy.seal import Seal

log = logging.getLogger(__name__)


class Reloads:
    """Reads the settings at ``path`` again, one time after another, and copies good ones."""

    def __init__(
        self,
        path: Path,
        settings: Settings,
        application: Application,
        event_log: EventLog,
        seal: Seal,
        manager: ServiceManager,
    ) -> None:
        self._path = path
        self._settings = settings
        self._application = application
        self._event_log = event_log
        self._seal = seal
        self._manager = manager
        self._wanted = asyncio.Event()
        self._read_at = 0

    def request(self) -> None:
        """Reload soon; requests that come while one is under way are one more reload after it."""
        self._wanted.set()

    async def run(self) -> None:
        """Reload whenever it is requested; never ends."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._manager.reloading()
            await self._reload()
            self._manager.ready(self.status)

    async def watch(self) -> None:
        """Request a reload when the files change, while the settings say so; never ends."""
        async for _ in changes(self._files):
            if self._settings.reload.on_change:
                self.request()

    async def save(self, settings: Settings, read_at: int) -> None:
        """Keep a copy of good settings, whose reading began at ``read_at`` in nanoseconds."""
        try:
            await asyncio.to_thread(last_good.save, self._path, settings, os.environ, read_at)
        except OSError as error:
            log.warning("last_good_not_saved", extra={"text": str(error)})

    @property
    def status(self) -> str:
        """The state of the program in a few words, for the service manager."""
        ready, words = self._application.ready()
        size = f"{len(self._settings.trunks)} trunks, {len(self._settings.rows)} numbers"
        return "; ".join(("ready" if ready else "not ready", size, *words))

    async def _reload(self) -> None:
        settings = await self._application.reload(self._read, self._adopt_log)
        if settings is not None:
            self._settings = settings
            await self.save(settings, self._read_at)

    def _read(self) -> Settings:
        self._read_at = time.time_ns()
        # The limit of open files is the same as at the start, whose warning stands in the log.
        return fit_open_files(load(self._path))[0]

    def _adopt_log(self, settings: Settings) -> Handlers:
        self._seal = seal = make_seal(settings, self._seal.keys)
        return self._event_log.adopt(settings.log.level, seal, settings.limits.call_records)

    def _files(self) -> tuple[Path, ...]:
        csv = self._settings.numbers_csv
        return (self._path,) if csv is None else (self._path, csv)
