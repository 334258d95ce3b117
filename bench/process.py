"""What a program's processes cost, from ``/proc``."""

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
    """Return the user and system time of a process group, with its children that have ended.

    ``stat`` is cut to whole ticks of 10 ms for each process: of sixty workers, a good half is lost.
    So ``schedstat`` counts where it knows more, in nanoseconds.
    """
    return sum(map(_cpu, _stats(group)))


def peak_memory(group: int) -> float:
    """Return the sum of the peak resident sizes of a process group, in MiB."""
    return sum(_peak(int(fields[-1])) for fields in _stats(group)) / 1024


def _cpu(fields: list[str]) -> float:
    own, ended = (sum(map(int, fields[at : at + 2])) * _TICK for at in (11, 13))
    return max(own, _scheduled(int(fields[-1]))) + ended


def _scheduled(pid: int) -> float:
    """Return how long the threads of a process ran; 0 where the kernel does not tell."""
    nanoseconds = 0
    for path in (_PROC / str(pid) / "task").glob("*/schedstat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            nanoseconds += int(path.read_text().split()[0])
    return nanoseconds / 1e9


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


def put_ahead(pid: int) -> bool:
    """Give a group of processes the priority of the unit file; False where that is not allowed.

    The callers, the callees and the API share the cores with what is measured, here and nowhere
    else: without it they take its place whenever it has sent them something.
    """
    try:
        os.setpriority(os.PRIO_PGRP, os.getpgid(pid), PRIORITY)
    except PermissionError:
        return False
    return True
