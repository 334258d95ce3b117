"""The destination of log lines: a bounded buffer, and a thread that writes it out.

    event loop -- write() --> [ lines, at most MAX_BUFFERED_BYTES ] -- thread --> file descriptor

The event loop must never wait for a reader of the log.  A pipe that nobody empties or a full disk
costs lines, which are counted, and nothing else.
"""

from __future__ import annotations

import os
import select
import threading

MAX_BUFFERED_BYTES = 1 << 20  # some 2,500 lines, seconds of a busy day
GATHERING_INTERVAL = 0.05  # seconds in which lines gather before they are written in one go
RETRY_INTERVAL = 1.0  # seconds until the next try after an error; no disk is emptied sooner


class LogWriter:
    """A text file to its writers, which never makes them wait.

    ``dropped`` counts the lines that found the buffer full, ``errors`` the writes that failed, each
    of which is tried again.  The file descriptor belongs to the caller; ``close`` leaves it open.
    """

    def __init__(self, descriptor: int, max_bytes: int = MAX_BUFFERED_BYTES) -> None:
        self.dropped = 0
        self.errors = 0
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._lines: list[bytes] = []
        self._buffered = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Buffer a line, or drop it if the buffer is full; never waits and never raises."""
        line = text.encode("utf-8", "backslashreplace")  # a lone surrogate must not raise
        with self._changed:
            if self._closing or self._buffered + len(line) > self._max_bytes:
                self.dropped += 1
                return
            self._lines.append(line)
            self._buffered += len(line)
            if len(self._lines) == 1:
                self._changed.notify()

    def flush(self) -> None:
        """Do nothing: the thread writes soon enough."""

    def close(self, timeout: float = 2.0) -> None:
        """Write the buffered lines, for at most ``timeout`` seconds; later lines are dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while lines := self._gathered():
            self._write_out(b"".join(lines))

    def _gathered(self) -> list[bytes]:
        """Wait for lines and return them all; none if it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            # One write of many lines costs the program less than many of one.
            self._changed.wait_for(lambda: self._closing, GATHERING_INTERVAL)
            lines, self._lines = self._lines, []
            return lines

    def _write_out(self, batch: bytes) -> None:
        rest = memoryview(batch)
        while rest:
            try:
                written = os.write(self._descriptor, rest)
            except BlockingIOError:  # whoever shares the descriptor may have made it non-blocking
                self._wait_until_writable()
            except OSError:
                self.errors += 1
                if self._wait_to_retry():
                    return
            else:
                rest = rest[written:]
                with self._changed:
                    # Only now: what is being written counts against the limit as well.
                    self._buffered -= written

    def _wait_until_writable(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(RETRY_INTERVAL * 1000)

    def _wait_to_retry(self) -> bool:
        """Wait for the interval; return True if it was closed, so that no retry follows."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, RETRY_INTERVAL)
