"""SIPp as caller and callee."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.interop.message_trace import TracedMessage, read_trace
from tests.interop.ports import is_bound
from tests.interop.processes import Child

SCENARIOS = Path(__file__).parent / "scenarios"
SIPP = shutil.which("sipp")
MISSING = "SIPp is not installed: install the Debian package sip-tester"
_TRANSPORTS = {"udp": "u1", "tcp": "t1"}
# SIPp strips blanks at both ends of a scenario's line; these keywords insert them.
_BLANKS = ["-key", "fold", " ", "-key", "tab", "\t", "-key", "blank", " "]


class Sipp(Child):
    """One SIPp process that plays a scenario a number of times and then ends."""

    def __init__(
        self,
        scenario: str,
        directory: Path,
        *,
        port: int,
        address: str = "127.0.0.1",
        transport: str = "udp",
        options: tuple[str, ...] = (),
        words: dict[str, str] | None = None,
        scenarios: Path = SCENARIOS,
        calls: int = 1,
        timeout: float = 40,
        trace: bool = True,
    ) -> None:
        """Start SIPp; it plays for ``timeout`` seconds at most.

        ``words`` replace placeholders of the form ``@word@`` in the scenario; ``trace`` records
        every message, which is too slow for a load.
        """
        self._port, self._transport = port, transport
        self._messages = directory / f"{scenario}-{port}.messages.log"
        self._errors = directory / f"{scenario}-{port}.errors.log"
        command = [
            *(
                SIPP or "sipp",
                "-sf",
                str(_fill_scenario(scenarios / f"{scenario}.xml", directory, words)),
            ),
            *("-i", address, "-p", str(port), "-t", _TRANSPORTS[transport]),
            *("-m", str(calls), "-nostdin", "-timeout", f"{timeout:g}s", "-timeout_error"),
            *(("-trace_msg", "-message_file", str(self._messages)) if trace else ()),
            *("-trace_err", "-error_file", str(self._errors)),
            *_BLANKS,
            *options,
        ]
        super().__init__(scenario, command, directory / f"{scenario}-{port}.screen.log")

    def wait_bound(self) -> None:
        """Wait until its port is bound, so that no message to it is lost."""
        self.wait_until(lambda: is_bound(self._port, self._transport), "socket")

    def wait_received(self, method: str, times: int = 1) -> None:
        """Wait until it has received a method (or a status code) ``times`` times."""
        self.wait_until(lambda: self.received(method)[times - 1 :] != [], method)

    def finish(self, timeout: float = 20) -> None:
        """Wait for the end of the scenario; raise ``AssertionError`` if it failed."""
        code = self.wait(timeout)
        errors = self._errors.read_text() if self._errors.exists() else ""
        assert code == 0, f"{self.name} ended with {code}:\n{errors}"

    def received(self, method: str) -> list[TracedMessage]:
        """Return the messages received so far with this method or status code."""
        return [each for each in self.messages() if not each.sent and each.method == method]

    def sent(self, method: str) -> list[TracedMessage]:
        """Return the messages sent so far with this method or status code."""
        return [each for each in self.messages() if each.sent and each.method == method]

    def messages(self) -> list[TracedMessage]:
        """Return all messages sent and received so far."""
        return read_trace(self._messages)


def _fill_scenario(scenario: Path, directory: Path, words: dict[str, str] | None) -> Path:
    """Write the scenario with its placeholders replaced, under its own name for SIPp's errors."""
    text = scenario.read_text()
    for word, value in (words or {}).items():
        text = text.replace(f"@{word}@", value)
    path = directory / scenario.name
    path.write_text(text)
    return path
