"""The processes of one test: the API, the program, callees, callers; all end with the test."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.interop.fake_api import KEY, FakeApiProcess
from tests.interop.kamailio import Kamailio
from tests.interop.lossy_relay import LossyRelay
from tests.interop.ports import free_port
from tests.interop.processes import Child
from tests.interop.program import NUMBER, Program, ProgramSettings
from tests.interop.script import HERE, scenario
from tests.interop.sipp import SCENARIOS, Sipp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.interop.fake_api import Behaviours

_MAX_LOG = 20_000  # characters of the end of a log in a report
_MAX_LOGS = 12  # the newest; the rest are of earlier tests that shared the scene
_Child = TypeVar("_Child", bound=Child)


class Scene:
    """Starts processes that write into ``directory``, and stops them at its end."""

    api: FakeApiProcess
    program: Program

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children = ExitStack()
        self._peers = self._children.enter_context(ExitStack())
        self._settings = ProgramSettings("", upstream_port=free_port())
        self._callee_ports = [self._settings.upstream_port, free_port()]
        self._entry = ""  # the host and port that callers use instead of the program's
        self._scripts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._children.close()

    def end_peers(self) -> None:
        """Stop remaining callers and callees, so that the next test can use their ports."""
        self._peers.close()

    @property
    def upstream(self) -> tuple[str, int]:
        """The address and port to which calls are forwarded."""
        return self._settings.address, self._settings.upstream_port

    @property
    def second_upstream(self) -> str:
        """The host and port of the second callee, for settings."""
        return f"{self._settings.address}:{self._callee_ports[1]}"

    def start(
        self,
        *,
        key: str = KEY,
        api: dict[str, object] | None = None,
        behaviours: Behaviours | None = None,
        staging: dict[str, object] | None = None,
        listed: dict[str, str | None] | None = None,
        redirected: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        """Start the API and the program.

        ``api`` has fields of the default ``Behaviour``, ``behaviours`` others by agent id or
        dialled number; ``listed`` and ``redirected`` are the API's list of numbers.  ``settings``
        are fields of ``ProgramSettings``, and ``staging`` more keys of its table ``[api]``.
        """
        self.api = self._stop_at_end(
            FakeApiProcess(self._directory, key, behaviours, **(api or {}))
        )
        self.api.wait_ready()
        self.api.list_numbers(listed or {}, *redirected)
        self._settings = replace(
            self._settings, api_url=self.api.url, api=staging or {}, **settings
        )
        self._start_program()

    def put_kamailio_behind(self, *, password: str = "", fork: bool = False) -> None:
        """Put Kamailio between the program, which is not started yet, and its upstream."""
        self._callee_ports = [free_port(), free_port()]
        second = self._callee_ports[1] if fork else 0
        self._start_kamailio(
            self._callee_ports[0], port=self._settings.upstream_port, fork=second, password=password
        )

    def put_relay_behind(self, **options: Any) -> LossyRelay:
        """Put a lossy relay between the program, which is not started yet, and its upstream."""
        self._callee_ports = [free_port()]
        relay = LossyRelay(self._callee_ports[0], port=self._settings.upstream_port, **options)
        return self._children.enter_context(relay)

    def put_relay_ahead(self, **options: Any) -> LossyRelay:
        """Put a lossy relay between the trunk and the running program."""
        relay = self._children.enter_context(LossyRelay(self.program.port, **options))
        self._entry = relay.near
        return relay

    def put_kamailio_ahead(self, *, again: int = 0) -> None:
        """Put Kamailio between the trunk and the running program."""
        kamailio = self._start_kamailio(self.program.port, again=again)
        self._entry = f"127.0.0.1:{kamailio.port}"

    def restart_program(self, *, gently: bool = False) -> None:
        """Kill the program, or stop it ``gently``, and start it again on the same port."""
        if gently:
            self.program.stop()
        else:
            self.program.kill()
        self._start_program(self.program.port)

    def take_over(self) -> Program:
        """Start another process that takes over from the program; return the old one."""
        old = self.program
        self._start_program(old.port)
        return old

    def callee(
        self,
        script: str,
        *,
        hold: int = 0,
        which: int = 0,
        transport: str = "",
        contact: str = HERE,
        calls: int = 1,
        scenarios: Path = SCENARIOS,
    ) -> Sipp:
        """Start SIPp as the upstream; ``hold`` is the length of its pause in milliseconds.

        ``script`` is a script (``script.py``) or the name of a file in ``scenarios``.  Callee 0 is
        the upstream; callee 1 (``which``) is ``second_upstream``, or the second target of a fork.
        """
        name, scenarios = self._save_script(script, contact, scenarios)
        callee = Sipp(
            name,
            self._directory,
            address=self._settings.upstream_address or self._settings.address,
            port=self._callee_ports[which],
            transport=transport or self._settings.upstream_transport or "udp",
            options=("-d", str(hold)),
            scenarios=scenarios,
            calls=calls,
        )
        self._peers.callback(callee.stop)
        callee.wait_bound()
        return callee

    def caller(
        self,
        script: str,
        *,
        number: str = NUMBER,
        source: str = "",
        transport: str = "udp",
        hold: int = 0,
        contact: str = HERE,
        calls: int = 1,
        scenarios: Path = SCENARIOS,
        options: tuple[str, ...] = (),
        **words: str,
    ) -> Sipp:
        """Start SIPp as the trunk: calls to ``number`` from the address ``source``."""
        name, scenarios = self._save_script(script, contact, scenarios)
        caller = Sipp(
            name,
            self._directory,
            address=source or self._settings.address,
            port=free_port(),
            transport=transport,
            options=(self._entry or self.program.target, "-s", number, "-d", str(hold), *options),
            words=words,
            scenarios=scenarios,
            calls=calls,
        )
        self._peers.callback(caller.stop)
        return caller

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the end of each of the newest logs."""
        logs = [each for each in self._directory.glob("*.log") if each.stat().st_size]
        for path in sorted(logs, key=lambda path: path.stat().st_mtime)[-_MAX_LOGS:]:
            if not path.name.endswith(".screen.log"):
                yield path.name, path.read_text(errors="backslashreplace")[-_MAX_LOG:]

    def _start_program(self, port: int = 0) -> None:
        self.program = self._stop_at_end(
            Program(
                self._settings,
                self._directory,
                port=port,
                takeover=self._directory / "takeover.sock",
            )
        )
        self.program.wait_ready()

    def _start_kamailio(self, following: int, **options: Any) -> Kamailio:
        kamailio = self._stop_at_end(Kamailio(self._directory, following, **options))
        kamailio.wait_ready()
        return kamailio

    def _save_script(self, script: str, contact: str, scenarios: Path) -> tuple[str, Path]:
        """Return the name and folder of a scenario, after writing a script to a file."""
        if script.islower():
            return script, scenarios
        self._scripts += 1
        name, folder = f"script-{self._scripts}", self._directory / "scripts"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.xml").write_text(
            scenario(script, contact, round(1000 * self._settings.t1))
        )
        return name, folder

    def _stop_at_end(self, child: _Child) -> _Child:
        self._children.callback(child.stop)
        return child
