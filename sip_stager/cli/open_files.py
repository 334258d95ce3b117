"""The limit of open files that the system sets, and the connections that fit into it.

Each request to the API and each TCP connection of a peer is an open file.  A program that has used
up its files cannot take a connection to ``/healthz`` either: whoever supervises it would end it,
with all its calls.  So the connections that the settings allow are lowered to what fits: calls then
wait for a connection, as they do past any limit of connections, and the pages answer.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.config import Settings

_SPARE = 128
"""For connections to the pages of metrics and health (64), listeners, the log, and the refreshes of
the agents and the numbers."""


def fit_open_files(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Raise the soft limit to the hard one; return settings that fit into it, and warnings."""
    allowed = _allowed()
    needed = _needed(settings)
    if allowed == resource.RLIM_INFINITY or allowed >= needed + _SPARE:
        return settings, ()
    fitting = _lower(settings, max(0, allowed - _SPARE) / needed)
    wrong = (
        f"{needed + _SPARE} open files may be needed ({_describe(settings)}), but the system "
        f"allows {allowed}, so that these limits are lowered ({_describe(fitting)})"
    )
    right = "raise LimitNOFILE= of the unit (ulimit -n), or configure fewer connections"
    return fitting, (f"{wrong}: {right}",)


def _needed(settings: Settings) -> int:
    api = settings.api
    return api.connections + api.aftercare_connections + 2 * _peers(settings)


def _lower(settings: Settings, factor: float) -> Settings:
    """Return settings with connections for calls, aftercare and peers, each lowered alike."""
    api, limits = settings.api, settings.limits
    connections = max(1, int(factor * api.connections))
    lower_api = {
        "connections": connections,
        "warm_connections": min(api.warm_connections, connections),
        "aftercare_connections": max(1, int(factor * api.aftercare_connections)),
    }
    # Without a TCP listener there are no peers, and no file is theirs.
    peers = max(1, int(factor * _peers(settings))) if _peers(settings) else limits.connections
    lower = {
        "api": api.model_copy(update=lower_api),
        "limits": limits.model_copy(update={"connections": peers}),
    }
    return settings.model_copy(update=lower)


def _describe(settings: Settings) -> str:
    api, peers = settings.api, _peers(settings)
    each_way = f", [limits] connections = {peers} each way" if peers else ""
    of_api = f"[api] connections = {api.connections}"
    return f"{of_api}, aftercare_connections = {api.aftercare_connections}{each_way}"


def _peers(settings: Settings) -> int:
    """Return the number of TCP connections that peers may open; 0 without a TCP listener."""
    tcp = any(each.transport == "tcp" for each in settings.listeners)
    return settings.limits.connections if tcp else 0


def _allowed() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid it; the present limit then holds
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
