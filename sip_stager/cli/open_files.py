"""The open files that the system grants, and those that the settings may take."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.config import Settings

_SPARE = 64
"""For listeners, the log, the metrics' readers and the watch over the agents."""


def take_open_files(settings: Settings) -> tuple[str, ...]:
    """Take all the open files that the system grants; say so where the settings may need more.

    Each request to the API and each TCP connection of a peer is one.
    """
    granted = _granted()
    api, aftercare = settings.api.connections, settings.api.aftercare_connections
    peers = _peers(settings)
    needed = api + aftercare + 2 * peers + _SPARE
    if granted == resource.RLIM_INFINITY or granted >= needed:
        return ()
    use = (
        f"[api] connections = {api}, aftercare_connections = {aftercare}, "
        f"[limits] connections = {peers} each way"
    )
    wrong = f"{needed} open files may be needed ({use}), and the system grants {granted}"
    return (f"{wrong}: raise LimitNOFILE= of the unit (ulimit -n), or set fewer",)


def _peers(settings: Settings) -> int:
    """Give the TCP connections that peers may open; without a listener for them there are none."""
    tcp = any(each.transport == "tcp" for each in settings.listeners)
    return settings.limits.connections if tcp else 0


def _granted() -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid to ask for more
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
