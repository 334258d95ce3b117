"""Probes of the program's HTTP pages while it is under load."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass

HEALTH_INTERVAL = 0.25  # seconds; liveness probes come every few seconds, but the worst counts
METRICS_INTERVAL = 1.0  # seconds
TIMEOUT = 5.0  # seconds for one answer


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of a page: ``worst`` is in ms, of those that came."""

    probes: int = 0
    failed: int = 0
    worst: float = 0.0

    def plus(self, elapsed: float | None) -> Answers:
        """Return the answers with one more, which took so many seconds; None if it failed."""
        if elapsed is None:
            return Answers(self.probes + 1, self.failed + 1, self.worst)
        return Answers(self.probes + 1, self.failed, max(self.worst, 1000 * elapsed))

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.worst:.0f} of {self.probes}{failed}"


class Prober:
    """A thread that gets one page again and again, each time on a new connection."""

    def __init__(self, port: int, path: str, interval: float) -> None:
        self._port, self._path, self._interval = port, path, interval
        self._answers = Answers()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> Answers:
        """Stop, and return the answers so far."""
        self._stopped.set()
        self._thread.join()
        return self._answers

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            self._answers = self._answers.plus(self._get())

    def _get(self) -> float | None:
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        try:
            connection.request("GET", self._path)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return time.monotonic() - began if response.status == 200 else None
