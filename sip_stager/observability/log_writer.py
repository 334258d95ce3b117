"""The destination of log lines: a bounded buffer, and a thread that writes it out.

    event loop -- write() --> [ buffer, at most MAX_BUFFERED_BYTES ] -- thread --> file descriptor

The event loop must never wait for a reader of the log.  A pipe that nobody empties or a full disk
costs lines, which are counted, and nothing else.

``write`` takes no lock, because every call has lines.  The buffer is one ``bytearray``: writers
append to its end, the thread copies from its front and removes what it has written, and each of
these is a single operation of the interpreter.  The thread sleeps while the buffer is empty, and
no line is left behind, because each side first does its part and then looks at the other's::

    write():  append the line, then wake the thread if it is idle
    thread:   become idle,     then sleep if there is no line

Whichever comes second sees the first.  If both are seen, the thread is woken in vain.
"""

from __future__ import annotations

import os
import select
import threading
from queue import SimpleQueue

MAX_BUFFERED_BYTES = 1 << 20  # some 2,500 lines, seconds of a busy day
MAX_WRITE_BYTES = 1 << 16  # of one system call; a pipe takes no more
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
        self._buffer = bytearray()
        self._idle = False
        self._wakes: SimpleQueue[None] = SimpleQueue()  # its ``put`` may interrupt another one
        self._closing = threading.Event()
        self._dropping = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Buffer a line, or drop it if the buffer is full; never waits and never raises."""
        line = text.encode("utf-8", "backslashreplace")  # a lone surrogate must not raise
        buffer = self._buffer
        # Lines of two threads at once may both find room for one: a line too much does no harm.
        if len(buffer) + len(line) > self._max_bytes:
            self._drop()
            return
        buffer += line
        if self._idle:
            self._idle = False
            self._wakes.put(None)

    @property
    def is_half_full(self) -> bool:
        """True if half of the buffer waits to be written."""
        return len(self._buffer) > self._max_bytes // 2

    def flush(self) -> None:
        """Do nothing: the thread writes soon enough."""

    def close(self, timeout: float = 2.0) -> None:
        """Write the buffered lines, for at most ``timeout`` seconds; later lines are dropped."""
        self._max_bytes = -1
        self._closing.set()
        self._wakes.put(None)
        self._thread.join(timeout)

    def _drop(self) -> None:
        with self._dropping:
            self.dropped += 1

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wait_for_lines()
            self._write_out()
        self._write_out()  # the lines that came before it was closed, while others were written

    def _wait_for_lines(self) -> None:
        """Wait for lines, and for more to join them, or until it is closed."""
        while not self._wakes.empty():  # woken in vain
            self._wakes.get()
        self._idle = True
        if not self._buffer and not self._closing.is_set():
            self._wakes.get()
        self._idle = False
        # One write of many lines costs the program less than many of one.
        self._closing.wait(GATHERING_INTERVAL)

    def _write_out(self) -> None:
        """Write the lines that are buffered now; those that come meanwhile gather."""
        left = len(self._buffer)
        while left:
            try:
                batch = self._buffer[: min(left, MAX_WRITE_BYTES)]
                written = os.write(self._descriptor, batch)
            except BlockingIOError:  # whoever shares the descriptor may have made it non-blocking
                self._wait_until_writable()
            except OSError:
                self.errors += 1
                if self._closing.wait(RETRY_INTERVAL):
                    return
            else:
                left -= written
                # Only now: what is being written counts against the limit as well.
                del self._buffer[:written]

    def _wait_until_writable(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(RETRY_INTERVAL * 1000)
