"""What a program's processes cost, from ``/proc``."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
_PROC = Path("/proc")


def cpu_seconds(group: int) -> float:
    """Return the user and system time of a process group, with its children that have ended."""
    return sum(sum(map(int, fields[11:15])) for fields in _stats(group)) * _TICK


def peak_memory(group: int) -> float:
    """Return the sum of the peak resident sizes of a process group, in MiB."""
    return sum(_peak(int(fields[-1])) for fields in _stats(group)) / 1024


def _stats(group: int) -> list[list[str]]:
    """Return the fields after the name of each process's ``stat``, its id put last."""
    found = []
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(fields[2]) == group:
            found.append([*fields, path.parent.name])
    return found


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", (_PROC / str(pid) / "status").read_text())
    return int(found[1]) if found else 0
