"""Where log lines go: a bounded buffer, and a thread that writes it out.

The event loop must never wait for whoever reads the log.  A pipe that nobody empties or a disk
that is full costs lines, which are counted, and nothing else.
"""

from __future__ import annotations

import os
import select
import threading

MOST_BYTES = 1 << 20
"""Bytes that wait to be written; some 2,500 lines, seconds of a busy day."""

PAUSE = 0.05
"""Seconds in which lines gather before they are written in one go."""

RETRY = 1.0
"""Seconds until the next try after an error; a disk is not emptied sooner."""


class LogSink:
    """A text file to those who write, and never a reason for them to wait.

    ``dropped`` counts the lines that found the buffer full, ``errors`` the writes that failed, each
    of which is tried again.
    The file descriptor stays its owner's; ``close`` leaves it open.
    """

    def __init__(self, descriptor: int, most_bytes: int = MOST_BYTES) -> None:
        self.dropped = 0
        self.errors = 0
        self._descriptor = descriptor
        self._most_bytes = most_bytes
        self._lines: list[bytes] = []
        self._waiting = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Take a line, or drop it when the buffer is full; never waits and never raises."""
        line = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._closing or self._waiting + len(line) > self._most_bytes:
                self.dropped += 1
                return
            self._lines.append(line)
            self._waiting += len(line)
            if len(self._lines) == 1:
                self._changed.notify()

    def flush(self) -> None:
        """Do nothing: the thread writes soon enough."""

    def close(self, patience: float = 2.0) -> None:
        """Write what waits, for at most ``patience`` seconds; what comes later is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience)

    def _run(self) -> None:
        while lines := self._gathered():
            self._write_out(b"".join(lines))

    def _gathered(self) -> list[bytes]:
        """Wait for lines and take them all; none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            self._changed.wait_for(lambda: self._closing, PAUSE)
            lines, self._lines = self._lines, []
            return lines

    def _write_out(self, batch: bytes) -> None:
        rest = memoryview(batch)
        while rest:
            try:
                written = os.write(self._descriptor, rest)
            except BlockingIOError:
                self._wait_for_room()
            except OSError:
                self.errors += 1
                if self._wait_to_retry():
                    return
            else:
                rest = rest[written:]
                with self._changed:
                    self._waiting -= written

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(RETRY * 1000)

    def _wait_to_retry(self) -> bool:
        """Wait, and tell whether it is time to give up."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, RETRY)
