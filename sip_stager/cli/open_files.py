"""The limit of open files that the system sets, and the number that the settings may need."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.config import Settings

_SPARE = 64
"""For listeners, the log, scrapes of the metrics, and the refresh of the agents."""


def raise_open_file_limit(settings: Settings) -> tuple[str, ...]:
    """Raise the soft limit to the hard one; return a warning if the settings may need more.

    Each request to the API and each TCP connection of a peer is an open file.
    """
    allowed = _allowed()
    api, aftercare = settings.api.connections, settings.api.aftercare_connections
    peers = _peers(settings)
    needed = api + aftercare + 2 * peers + _SPARE
    if allowed == resource.RLIM_INFINITY or allowed >= needed:
        return ()
    use = (
        f"[api] connections = {api}, aftercare_connections = {aftercare}, "
        f"[limits] connections = {peers} each way"
    )
    wrong = f"{needed} open files may be needed ({use}), but the system allows {allowed}"
    return (f"{wrong}: raise LimitNOFILE= of the unit (ulimit -n), or configure fewer connections",)


def _peers(settings: Settings) -> int:
    """Return the number of TCP connections that peers may open; 0 without a TCP listener."""
    tcp = any(each.transport == "tcp" for each in settings.listeners)
    return settings.limits.connections if tcp else 0


def _allowed() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid it; the present limit then holds
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
