"""The file of the API key, read again when it changes.

A key is rotated by another file in its place: written anew, renamed over the old one, or by a
symbolic link that leads elsewhere, as in a volume of Kubernetes.  All of them change what ``stat``
says.  The file is looked at in a thread, since its disk may be slow, and a file that holds no key
changes nothing: it may be half written.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sip_stager.config.errors import Finding
from sip_stager.config.loading.api_key import read_key_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pydantic import SecretStr

log = logging.getLogger(__name__)

LOOK_INTERVAL = 2.0
"""Seconds between two looks at the file."""

Stamp = tuple[int, int, int, int]
"""The facts that change with a file: its device, inode, time of change and size."""


class KeyFileWatch:
    """Watches the file at ``path``, if there is one; each of ``apply`` is called with a new key."""

    def __init__(
        self, path: Path | None, key: SecretStr, apply: Sequence[Callable[[SecretStr], None]]
    ) -> None:
        self._path = path
        self._key = key
        self._apply = apply
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._path is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(self._path))

    def watch(self, path: Path | None, key: SecretStr) -> None:
        """Use the key of other settings, and watch their file from now on."""
        if key.get_secret_value() != self._key.get_secret_value():
            self._key = key
            for apply in self._apply:
                apply(key)
        if path != self._path:
            self._path = path
            if self._task is not None:
                self._task.cancel()
                self._task = None
            self.start()

    async def stop(self) -> None:
        """Watch no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, path: Path) -> None:
        # None at first: the file may have changed since the settings were read.
        stamp: Stamp | None = None
        while True:
            try:
                stamp = await self._look(path, stamp)
            except Exception:  # our own error costs this look alone, not the watch
                log.exception("key_file_not_read")
            await asyncio.sleep(LOOK_INTERVAL)

    async def _look(self, path: Path, before: Stamp | None) -> Stamp | None:
        """Read the file if it has changed; return its stamp."""
        stamp = await asyncio.to_thread(file_stamp, path)
        if stamp is None or stamp == before:  # a file that is away for a moment is being replaced
            return before
        found = await asyncio.to_thread(read_key_file, path)
        if isinstance(found, Finding):
            # Its words may not show the text, which may be a key.
            log.warning("key_file_unusable", extra={"text": "the former API key stays in use"})
        elif found.get_secret_value() != self._key.get_secret_value():
            self._key = found
            for apply in self._apply:
                apply(found)
            log.info("key_file_read", extra={"text": "a new API key is in use"})
        return stamp


def file_stamp(path: Path) -> Stamp | None:
    """Return the stamp of a file; None if it cannot be found."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
