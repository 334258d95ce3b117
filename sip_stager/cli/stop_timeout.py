"""The time that the service manager gives a stop, compared with the time that a stop may take.

A manager that kills the program before its drain is over ends the calls that ring.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTLE_TIMEOUT = 2.0
"""Seconds beyond ``drain_timeout`` that a stop may take, for the ACKs of the last answers."""
VARIABLE = "SIP_STAGER_STOP_TIMEOUT"
"""Seconds until the service manager kills the program, where it cannot be asked."""

_ASK_TIMEOUT = 2.0  # seconds for systemctl
_UNIT_SECONDS = {"min": 60.0, "s": 1.0, "ms": 0.001, "h": 3600.0}


class StopLimit(NamedTuple):
    """The time after which a service manager kills the program, and where that is set."""

    manager: str
    seconds: float
    cure: str


def find_stop_limit(environ: Mapping[str, str], root: Path = Path("/")) -> StopLimit | None:
    """Return the limit of the service manager that runs this process; None if none is known."""
    if (written := environ.get(VARIABLE, "")).replace(".", "", 1).isdigit():
        return StopLimit("the service manager", float(written), f"the limit that {VARIABLE} is for")
    if "KUBERNETES_SERVICE_HOST" in environ:
        default = "terminationGracePeriodSeconds (30 if it is not set)"
        return StopLimit("Kubernetes", 30.0, f"{default}, and {VARIABLE} to the same value")
    for mark, manager in ((".dockerenv", "Docker"), ("run/.containerenv", "Podman")):
        if (root / mark).exists():
            default = "--stop-timeout (10 if it is not set)"
            return StopLimit(manager, 10.0, f"{default}, and {VARIABLE} to the same value")
    return _limit_of_unit(root)


def stop_warning(drain_timeout: float, limit: StopLimit | None) -> str:
    """Return the warning if the service manager kills a draining program; else an empty string."""
    longest = drain_timeout + min(drain_timeout, SETTLE_TIMEOUT)
    if limit is None or longest < limit.seconds:
        return ""
    return (
        f"[limits] drain_timeout = {drain_timeout:g}: a stop may take {longest:g} s, and"
        f" {limit.manager} kills the program after {limit.seconds:g} s, with its calls; raise"
        f" {limit.cure}, or lower drain_timeout"
    )


def _limit_of_unit(root: Path) -> StopLimit | None:
    """Return the limit of the systemd unit that this process is of, as in ExecStartPre."""
    try:
        group = (root / "proc/self/cgroup").read_text()
    except OSError:
        return None
    unit = re.search(r"/([^/\n]+\.service)$", group, re.MULTILINE)
    systemctl = shutil.which("systemctl")
    if unit is None or systemctl is None:
        return None
    command = [systemctl, "show", "--value", "--property=TimeoutStopUSec", unit[1]]
    try:
        asked = subprocess.run(  # noqa: S603  a program and a unit of this machine
            command, capture_output=True, text=True, timeout=_ASK_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    seconds = parse_time_span(asked.stdout)
    return StopLimit("systemd", seconds, f"TimeoutStopSec of {unit[1]}") if seconds else None


def parse_time_span(text: str) -> float:
    """Return the seconds of a time as systemd writes it, "1min 30s"; 0 for "infinity"."""
    parts = re.findall(r"([0-9.]+)(min|ms|h|s)\b", text)
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def warn_of_early_kill(drain_timeout: float) -> str:
    """Return the warning for the service manager that runs this process, or an empty string."""
    return stop_warning(drain_timeout, find_stop_limit(os.environ))
