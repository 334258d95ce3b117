"""Child processes that end with the test and leave their output in a file."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


_POLL_INTERVAL = 0.01  # seconds; the kernel reports no changes of sockets, files or metrics


class Child:
    """A program in a process group of its own; it prints into the file ``output``."""

    def __init__(
        self, name: str, command: Sequence[str], output: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.output = output
        with output.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int:
        """Return the exit code; raise ``AssertionError`` after ``timeout`` seconds."""
        if not self._ends_within(timeout):
            raise AssertionError(f"{self.name} still runs after {timeout:g} s")
        return self._process.wait()

    def wait_until(self, ready: Callable[[], bool], what: str, timeout: float = 15) -> None:
        """Wait for ``ready``; raise ``AssertionError`` if the program ends or the time runs out."""
        until = time.monotonic() + timeout
        while not ready():
            if self._ends_within(_POLL_INTERVAL) and not ready():
                raise AssertionError(f"{self.name} ended with {self.exit_code}:\n{self.printed()}")
            if time.monotonic() > until:
                raise AssertionError(f"{self.name}: no {what} in {timeout:g} s\n{self.printed()}")

    def printed(self) -> str:
        """Return its standard output and error so far."""
        return self.output.read_text(errors="backslashreplace")

    def stop(self, timeout: float = 5) -> int:
        """Terminate it, kill it after ``timeout`` seconds, and return its exit code."""
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
            if not self._ends_within(timeout):
                self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process within the block; bytes sent to it wait."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        os.killpg(self.pid, number)

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the end of the program, which the kernel reports at once."""
        if self.exit_code is not None:
            return True
        with os.fdopen(os.pidfd_open(self.pid)) as end:
            select.select([end], [], [], seconds)
        return self.exit_code is not None
