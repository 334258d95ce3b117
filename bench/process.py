"""CPU time, memory and priority of a process group, from ``/proc``."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
_PROC = Path("/proc")

PRIORITY = -10
"""The nice value in deploy/sip-stager.service."""


def cpu_seconds(group: int) -> float:
    """Return the user and system time of a process group, including children that have ended.

    ``stat`` counts in ticks of 10 ms and rounds down for each process, which loses half of the
    time of sixty workers.  ``schedstat`` counts in nanoseconds and is used if it shows more.
    """
    return sum(map(_cpu, _stats(group)))


def peak_memory(group: int) -> float:
    """Return the sum of the peak resident sizes of a process group, in MiB."""
    return sum(_peak(int(fields[-1])) for fields in _stats(group)) / 1024


def _cpu(fields: list[str]) -> float:
    own, ended = (sum(map(int, fields[at : at + 2])) * _TICK for at in (11, 13))
    return max(own, _scheduled(int(fields[-1]))) + ended


def _scheduled(pid: int) -> float:
    """Return how long the threads of a process have run; 0 if the kernel does not count it."""
    nanoseconds = 0
    for path in (_PROC / str(pid) / "task").glob("*/schedstat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended since
            nanoseconds += int(path.read_text().split()[0])
    return nanoseconds / 1e9


def _stats(group: int) -> list[list[str]]:
    """Return for each process the fields of ``stat`` after its name, with its id appended."""
    found = []
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended since
        if int(fields[2]) == group:
            found.append([*fields, path.parent.name])
    return found


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", (_PROC / str(pid) / "status").read_text())
    return int(found[1]) if found else 0


def raise_priority(pid: int, priority: int = PRIORITY) -> bool:
    """Raise a process group to the priority of the unit file; return False if that is not allowed.

    In a benchmark the callers, the callees and the API share the cores with the program.  Without
    priority they would preempt it each time that it sends them a message.
    """
    try:
        os.setpriority(os.PRIO_PGRP, os.getpgid(pid), priority)
        # A process with a session of its own may be in a scheduling group of its own (sched(7),
        # autogroup).  Among groups only their own nice values count, and not those of processes.
        with suppress(OSError):
            (_PROC / str(pid) / "autogroup").write_text(str(priority))
    except PermissionError:
        return False
    return True
