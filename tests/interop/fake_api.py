"""The built-in fake of the staging API as a process."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.interop.ports import free_port, is_bound
from tests.interop.processes import Child

if TYPE_CHECKING:
    from pathlib import Path

KEY = "interop-key"
Behaviours = dict[str, dict[str, object]]


class FakeApiProcess(Child):
    """``python -m sip_stager.demo.fake_platform`` with a default ``Behaviour``.

    ``behaviours`` has others by agent id or dialled number.
    """

    def __init__(
        self,
        directory: Path,
        key: str = KEY,
        behaviours: Behaviours | None = None,
        **behaviour: object,
    ) -> None:
        self._key = key
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "sip_stager.demo.fake_platform", "--port", str(self.port)]
        command += [
            "--key",
            key,
            "--behaviours",
            json.dumps({"default": behaviour, **(behaviours or {})}),
        ]
        super().__init__("fake API", command, directory / "api.log")

    def wait_ready(self) -> None:
        """Wait until it accepts connections."""
        self.wait_until(lambda: is_bound(self.port, "tcp"), "listener")

    def stats(self) -> dict[str, Any]:
        """Return its statistics: ``stage_requests``, ``polls``, ``aborted``, ..."""
        return self._request("/_fake/stats")

    def change(self, **behaviours: dict[str, object]) -> None:
        """Change behaviours by agent id or number, or the ``default``."""
        self._request("/_fake/behaviours", json.dumps(behaviours).encode())

    def list_numbers(self, agents: dict[str, str | None], *redirected: str) -> None:
        """Replace its list of numbers: those with their agents, and those that it redirects."""
        items = [
            {"number": number, "inbound_agent_id": agent, "redirect": number in redirected}
            for number, agent in {**agents, **dict.fromkeys(redirected)}.items()
        ]
        self._request("/_fake/phone-numbers", json.dumps(items).encode())

    def record(self, call_id: str) -> dict[str, Any]:
        """Return its record of a call: the request that staged it, and its status."""
        record: dict[str, Any] = self._request(f"/v1/calls/{call_id}")["data"]
        return record

    def wait_stats(self, **wanted: object) -> None:
        """Wait until statistics have these values."""
        self.wait_until(lambda: self.stats().items() >= wanted.items(), f"{wanted} in its stats")

    def mean_held(self) -> float:
        """Return the average time for which it held a staging request, in seconds."""
        stats = self.stats()
        held, requests = float(stats["held_seconds"]), int(stats["stage_requests"])
        return held / max(1, requests)

    def _request(self, path: str, put: bytes | None = None) -> dict[str, Any]:
        method = "GET" if put is None else "PUT"
        request = urllib.request.Request(
            self.url + path, put, {"X-Api-Key": self._key}, method=method
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            answer: dict[str, Any] = json.load(response)
        return answer
