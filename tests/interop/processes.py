"""Child processes that end with the test, and leave what they printed behind."""

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


_LOOK_AGAIN = 0.01  # seconds: of a socket, a file or a server's figures the kernel tells nobody


class Child:
    """A program that runs in a process group of its own; what it prints goes to ``output``."""

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
        """The process id, which is also the id of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int:
        """Return the exit code; raise ``AssertionError`` after ``timeout`` seconds."""
        if not self._ends_within(timeout):
            raise AssertionError(f"{self.name} still runs after {timeout:g} s")
        return self._process.wait()

    def wait_until(self, ready: Callable[[], bool], what: str, timeout: float = 15) -> None:
        """Wait for ``ready``; raise ``AssertionError`` when the program ends or time runs out."""
        until = time.monotonic() + timeout
        while not ready():
            if self._ends_within(_LOOK_AGAIN) and not ready():
                raise AssertionError(f"{self.name} ended with {self.exit_code}:\n{self.printed()}")
            if time.monotonic() > until:
                raise AssertionError(f"{self.name}: no {what} in {timeout:g} s\n{self.printed()}")

    def printed(self) -> str:
        """Everything that it has written so far to its standard output and error."""
        return self.output.read_text(errors="backslashreplace")

    def stop(self, timeout: float = 5) -> int:
        """Ask it to end, make it end after ``timeout`` seconds, and return its exit code."""
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
            if not self._ends_within(timeout):
                self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let it do nothing meanwhile: what comes to it waits until then."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        os.killpg(self.pid, number)

    def _ends_within(self, seconds: float) -> bool:
        """Wait for the program's end, of which the kernel tells at once."""
        if self.exit_code is not None:
            return True
        with os.fdopen(os.pidfd_open(self.pid)) as end:
            select.select([end], [], [], seconds)
        return self.exit_code is not None
